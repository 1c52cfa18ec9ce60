"""Dishes to ask for: recipes of a file that the index does not hold, and the index of the others.

The first rows are indexed and the sample comes from the rest, so that no answer can be found as it is; files
are often sorted by name, so the rows can be put into an order of their own first. A held-out recipe that the
indexed part has word for word, under whatever uid, is never asked for. One with the same name may be: people
do ask for dishes that have another recipe in the index, and a result says so.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.embeddings import Embeddings

from prompts import fill, prompt
from tools.download_display import say
from tools.embed import identity
from tools.errors import IndexFileError, UsageError
from tools.index import RecipeIndex
from tools.index_files import VERSION, holds_index
from tools.model_cache import cache_dir
from tools.passages import recipe_line
from tools.recipes import Recipe, read_recipes
from tools.seeds import text_seed

HELD_OUT_SHARE = 0.1  # of a file, where the number of indexed rows is not given


@dataclass(frozen=True)
class Dish:
    """A question, and the recipe that its asker had in mind."""

    id: str
    question: str
    recipe: Recipe
    name_is_indexed: bool


@dataclass(frozen=True)
class Split:
    """The recipes to index, and those that may be asked for; `copies` of indexed ones were left out."""

    indexed: tuple[Recipe, ...]
    held_out: tuple[Recipe, ...]
    copies: int

    def sample(self, n: int, seed: int) -> list[Dish]:
        """n held-out dishes at random; UsageError where there are fewer."""
        if n > len(self.held_out):
            raise UsageError(
                f"{len(self.held_out)} recipes are held out, fewer than --n {n}: ask for fewer dishes, or "
                "index fewer rows with --index-rows."
            )
        names = {_folded(recipe.name) for recipe in self.indexed}
        drawn = random.Random(seed).sample(self.held_out, n)
        return [
            Dish(recipe.uid, question_for(recipe.name), recipe, _folded(recipe.name) in names)
            for recipe in drawn
        ]


def question_for(name: str) -> str:
    """The question that is asked for a dish."""
    return fill(prompt("rag_question"), name=name)


def split_file(path: Path, index_rows: int | None = None, n: int = 1, *, shuffle: bool = False) -> Split:
    """The recipes of a file, parted after `index_rows` (default: a tenth, and at least n, are held out).

    `shuffle` puts the rows into an order that their uids alone decide, the same for every seed. Raises
    RecipeFileError for a file that cannot be read, UsageError where a part would be empty.
    """
    recipes = list({recipe.uid: recipe for recipe in read_recipes([path])}.values())
    if shuffle:
        recipes.sort(key=lambda recipe: text_seed(0, recipe.uid))
    rows = len(recipes) - max(n, round(len(recipes) * HELD_OUT_SHARE)) if index_rows is None else index_rows
    if not 0 < rows < len(recipes):
        raise UsageError(
            f"{path} has {len(recipes)} recipes, of which {max(rows, 0)} would be indexed: choose "
            f"--index-rows from 1 to {len(recipes) - 1}."
        )
    indexed, rest = recipes[:rows], recipes[rows:]
    texts = {_folded(recipe.text()) for recipe in indexed}
    held_out = [recipe for recipe in rest if _folded(recipe.text()) not in texts]
    return Split(tuple(indexed), tuple(held_out), len(rest) - len(held_out))


def index_of(recipes: Sequence[Recipe], embedder: Embeddings) -> RecipeIndex:
    """The index of just these recipes, from the cache, or built there; interrupted, building continues."""
    folder = cache_dir() / "index" / f"evaluated-{_key(recipes, embedder)}"
    if holds_index(folder):
        try:
            return RecipeIndex.load(folder, embedder)
        except IndexFileError:
            say(f"The index in {folder} is damaged; building it again.")
    return RecipeIndex.build(recipes, folder, embedder)


def _key(recipes: Sequence[Recipe], embedder: Embeddings) -> str:
    """Another one whenever a recipe, the embedder or the index's format is another."""
    made_by = identity(embedder)
    digest = hashlib.sha256(f"{made_by.name}\n{made_by.revision}\n{VERSION}\n".encode())
    for recipe in recipes:
        digest.update(recipe_line(recipe) + b"\n")
    return digest.hexdigest()[:16]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
