"""Known items among the recipes that come with Souschef: queries that one recipe is known to answer.

    python -m agent.evaluation.known_items

writes cases/known_items/queries.jsonl and qrels.tsv: recipes by their name, by a few of their ingredients
(only where no other recipe has them all), and by a paraphrase. The first two kinds are made here, the same
every time; the paraphrases were written by hand and hold no word of the name (paraphrases.jsonl beside the
others). Left out: recipes whose name another one bears too.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tools.errors import SouschefError
from tools.files import atomic_write
from tools.filters import fold
from tools.recipes import Recipe, embedded_recipes
from tools.seeds import text_seed

KNOWN_ITEMS = Path(__file__).with_name("cases") / "known_items"
PARAPHRASES = KNOWN_ITEMS / "paraphrases.jsonl"

PER_KIND = 150  # of the kinds that are made
_FEWEST_INGREDIENTS, _MOST_INGREDIENTS = 3, 5
_FEWEST_RECIPES = 4  # that must name an ingredient: what fewer name is mostly no ingredient at all

# What stands beside the name of an ingredient (measures, sizes, states), or in its place.
_MEASURES = """
    a about according all amount an and any are around as at bag bags baker batter big blades
    boiling bottle bowl box bunch can canned cans cheesecloth choice clove cloves cold cooked cool
    cube cubes cup cups dash dice dl drops dry each eight enough extra few fillet fillets fine
    finely firm five following for four free fresh from full g gallon glass good gr grains gram
    grams grating gratings half handful head heads heaping here hot ii iii in inch inches infusion
    ingredient ingredients into is iv jar juice kg kilo l large lb lbs leaf lean leaves level
    lightly liter litre little lukewarm meat meats medium melted ml more needed of one ones optional
    or ounce ounces oz ozs package packet part parts pcs pieces pinch pint pints pound pounds puree
    purpose qts quart quarter quarts raw recipient rich rind ripe roughly scant seasoning seven
    sheet six size sized skinless slice slices slight small soft some spices spoon sprig sprigs
    sprinkle squares stale stalk stalks stick sticks strips tablespoon tablespoons tartar taste tb
    tbsp teaspoon teaspoons ten tender the thermometer thick thin thinly third three tin tins to tsp
    two use very virgin warm whip whipping whites whole with yolk yolks your
"""
_NO_NAME = frozenset(_MEASURES.split())
_IN_EVERYTHING = frozenset(["pepper", "salt", "salt pepper", "water"])


def main() -> None:
    """Write the two files, and say on stderr how many queries of each kind there are."""
    queries = known_items(embedded_recipes(), read_paraphrases())
    with atomic_write(KNOWN_ITEMS / "queries.jsonl") as file:
        file.write(queries_text(queries).encode())
    with atomic_write(KNOWN_ITEMS / "qrels.tsv") as file:
        file.write(qrels_text(queries).encode())
    counts = Counter(kind for kind, _, _ in queries)
    sys.stderr.write(f"{', '.join(f'{count} by {kind}' for kind, count in counts.items())}\n")


def known_items(
    recipes: Sequence[Recipe], paraphrases: Sequence[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Queries as (kind, uid, text), the same for the same recipes."""
    uids = {recipe.uid for recipe in recipes}
    if strangers := [uid for uid, _ in paraphrases if uid not in uids]:
        raise SouschefError(f"{PARAPHRASES} names {strangers[0]!r}, which is no recipe: mend or remove it.")
    # Drawn by uid, so that a recipe more or less hardly changes the rest.
    drawn = sorted(recipes, key=lambda recipe: text_seed(0, recipe.uid))
    made = [("name", *item) for item in islice(by_name(drawn), PER_KIND)]
    made += [("ingredients", *item) for item in islice(by_ingredients(drawn), PER_KIND)]
    return made + [("paraphrase", uid, text) for uid, text in paraphrases]


def queries_text(queries: Iterable[tuple[str, str, str]]) -> str:
    """queries.jsonl in BEIR's form."""
    rows = ({"_id": f"{kind}-{uid}", "text": text, "metadata": {"kind": kind}} for kind, uid, text in queries)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def qrels_text(queries: Iterable[tuple[str, str, str]]) -> str:
    """qrels.tsv in BEIR's form."""
    rows = (f"{kind}-{uid}\t{uid}\t1\n" for kind, uid, _ in queries)
    return "query-id\tcorpus-id\tscore\n" + "".join(rows)


def by_name(recipes: Sequence[Recipe]) -> Iterator[tuple[str, str]]:
    """(uid, name) of recipes whose name no other one bears, numbers and brackets aside."""
    bearers = Counter(_key(recipe.name) for recipe in recipes)
    for recipe in recipes:
        if bearers[_key(recipe.name)] == 1:
            yield recipe.uid, _plain(recipe.name)


def by_ingredients(recipes: Sequence[Recipe]) -> Iterator[tuple[str, str]]:
    """(uid, ingredients in words) of recipes that alone have all of these, as few as it takes."""
    named = {recipe.uid: list(dict.fromkeys(map(ingredient, recipe.ingredients))) for recipe in recipes}
    bearers = Counter(name for names in named.values() for name in names if name)
    texts = {recipe.uid: fold("\n".join((recipe.name, *recipe.ingredients))) for recipe in recipes}
    for uid, names in named.items():
        usual = [n for n in names if bearers[n] >= _FEWEST_RECIPES and n not in _IN_EVERYTHING]
        rarest = sorted(usual, key=lambda name: (bearers[name], name))
        for count in range(_FEWEST_INGREDIENTS, _MOST_INGREDIENTS + 1):
            chosen = rarest[:count]
            if len(chosen) == count and _only_one(chosen, texts.values()):
                yield uid, _in_words([name for name in usual if name in chosen])
                break


def ingredient(line: str) -> str:
    """The name in a line of ingredients, at most two words, without measures and states.

    >>> [ingredient(line) for line in ("2 cups (250g) sifted rye flour", "1/2 onion, chopped", "300 g")]
    ['rye flour', 'onion', '']
    """
    head = re.split(
        r"[,;:]|[/.](?!\d)| and | or | for | with ", re.sub(r"\(.*?\)?", "", fold(line)), maxsplit=1
    )[0]
    words = [word for word in re.findall(r"[^\W\d_]{2,}", re.sub(r".*\bof ", "", head)) if _names(word)]
    return " ".join(words[-2:])


def _names(word: str) -> bool:
    """Whether a word may be part of a name: "chopped" is none, "seed" and "red" are."""
    return word not in _NO_NAME and not (len(word) > 4 and word.endswith("ed") and not word.endswith("eed"))


def _only_one(names: Sequence[str], texts: Iterable[str]) -> bool:
    """Whether one recipe alone has every word of the names."""
    words = {word.rstrip("s") for name in names for word in name.split()}
    return sum(all(word in text for word in words) for text in texts) == 1


def _in_words(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _plain(name: str) -> str:
    """A name without what stands in brackets and without a number such as "II"."""
    return re.sub(r"\s+[IVX]+$", "", re.sub(r"\s*\(.*?\)", "", name)).strip()


def _key(name: str) -> str:
    return " ".join(word.rstrip("s") for word in re.findall(r"\w+", fold(_plain(name))))


def read_paraphrases() -> list[tuple[str, str]]:
    """The paraphrases written by hand, as (uid, text)."""
    lines = PARAPHRASES.read_text(encoding="utf-8").splitlines()
    return [(row["uid"], row["query"]) for row in map(json.loads, lines)]


if __name__ == "__main__":
    main()
