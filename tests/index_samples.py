"""Recipes and an embedder without weights, for the tests of the index."""

from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from tools.recipes import Recipe

OMELETTE = Recipe("omelette", "Omelette", ("3 eggs", "1 tbsp butter"), ("Beat.", "Fry."), tags=("Breakfast",))
BRITTLE = Recipe("brittle", "Brittle", ("1 cup walnuts", "1 cup sugar"), ("Melt.", "Cool."), tags=("sweet",))
RATATOUILLE = Recipe("ratatouille", "Ratatouille", ("1 eggplant", "2 tomatoes"), ("Simmer.",))
CREPES = Recipe("crepes", "Crêpes", ("250 g flour", "½ l milk"), ("Whisk.", "Bake thin."), tags=("sweet",))
SAMPLES = (OMELETTE, BRITTLE, RATATOUILLE, CREPES)


class CountingEmbeddings(Embeddings):
    """Equal vectors for equal texts, and a record of what was embedded."""

    def __init__(self, dimension: int = 16) -> None:
        self._inner = DeterministicFakeEmbedding(size=dimension)
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._inner.embed_query(text)


class OtherEmbeddings(CountingEmbeddings):
    """The same under another name."""


def many(count: int) -> list[Recipe]:
    """Recipes with different texts of different lengths."""
    return [Recipe(f"r{n}", f"Soup {n}", ("water",) * (1 + n % 7), (f"Boil {n}.",)) for n in range(count)]
