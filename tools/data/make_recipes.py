"""Make recipes.jsonl.gz, the recipes that come with Souschef, from a JSONL file of public-domain recipes.

    python tools/data/make_recipes.py RECIPES.jsonl

The old cookbook among them says "Bake same as Pop-overs". The steps that such words point at are appended, as
a step "(Pop-overs: ...)". Ingredients are not: there, each recipe lists all of its own. What points at
something that is not in the collection is dropped, and so are chapters of food science that only look like
recipes. Picture captions and page numbers go, since there are no pages here. The same input always makes the
same bytes.
"""

import gzip
import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tools.files import atomic_write
from tools.recipes import Recipe, read_recipes

OUTPUT = Path(__file__).with_name("recipes.jsonl.gz")

_CAPTION = re.compile(r"\b[Pp]age \d+")
_PAGE = re.compile(r"\s*\([^()]*\b(?:page|p\.) ?\d+\)|\s*\([Ss]ee [^()]*\)|\s*See [^.]*, page \d+\.")
_REFERENCE = re.compile(
    r"\b(?:(?:same )?as (?:for |with |in )(?:recipe for )?|same as |as (?=[A-Z])|(?:directions|recipe) for )"
    r"(?:making |mixing |other )?([^.,;:()]+)"
)
_DEPTH = 3  # a recipe that points at one that points at one

# What the cookbook calls by another name, or describes in a chapter that is not part of the collection but is
# shown by this recipe as well.
_ALSO_CALLED = {
    "butter cakes": "one egg cake",
    "butter cake mixtures": "one egg cake",
    "croquettes": "potato croquettes",
    "fondant": "white fondant",
    "griddle-cakes": "sour milk griddle-cakes",
    "jellies": "lemon jelly",
    "salad rolls": "parker house rolls",
    "tea": "how to make tea",
}


def main() -> None:
    """Read the file named on the command line, write the shipped one, and say on stderr what was done."""
    given = [_without_pages(recipe) for recipe in read_recipes([Path(sys.argv[1])])]
    named: dict[str, Recipe] = {}
    for recipe in given:
        if recipe.uid.startswith("bcs-"):
            named.setdefault(_key(recipe.name), recipe)
    made = [completed(recipe, named) for recipe in given]
    kept = [recipe for recipe in made if recipe is not None]
    with atomic_write(OUTPUT) as file:
        lines = (json.dumps(recipe.to_dict(), ensure_ascii=False) + "\n" for recipe in kept)
        file.write(gzip.compress("".join(lines).encode(), mtime=0))
    OUTPUT.chmod(0o644)
    completed_count = sum(recipe not in given for recipe in kept)
    dropped = [old.name for old, new in zip(given, made, strict=True) if new is None]
    sys.stderr.write(f"{len(kept)} recipes, {completed_count} of them completed with what they point at.\n")
    sys.stderr.write(f"{len(dropped)} dropped: {'; '.join(dropped)}\n")


def completed(recipe: Recipe, named: Mapping[str, Recipe]) -> Recipe | None:
    """The recipe with the steps it points at, or None where it cannot stand alone."""
    if not recipe.uid.startswith("bcs-"):
        return recipe
    if recipe.name.isupper():  # a chapter
        return None
    found = {_key(recipe.name): recipe}
    newest = [recipe]
    for _ in range(_DEPTH):
        targets = [target for one in newest for target in _targets(one, named)]
        if None in targets:
            return None
        newest = [target for target in targets if target is not None and _key(target.name) not in found]
        found |= {_key(target.name): target for target in newest}
    others = list(found.values())[1:]
    return replace(recipe, steps=recipe.steps + tuple(f"({o.name}: {' '.join(o.steps)})" for o in others))


def _targets(recipe: Recipe, named: Mapping[str, Recipe]) -> Iterator[Recipe | None]:
    """Each recipe that this one points at; None for a name that is nowhere."""
    text = " ".join(recipe.steps)
    for reference in _REFERENCE.finditer(text):
        phrase = reference[1].strip()
        target = _find(phrase, named)
        if target is not None:
            yield target
        elif phrase[:1].isupper() and text.count(" ".join(phrase.split()[:2])) == 1:
            yield None  # a name that occurs twice is explained in this very recipe


def _find(phrase: str, named: Mapping[str, Recipe]) -> Recipe | None:
    """The recipe with the longest name that the phrase begins with."""
    if other_name := _ALSO_CALLED.get(phrase.lower().split(" and ")[0]):
        return named[_key(other_name)]
    words = _key(phrase).split()
    for length in range(len(words), 0, -1):
        key = " ".join(words[:length])
        if not phrase[:1].isupper() and " " not in key:
            continue  # "as with milk" points at no recipe
        for variant in (key, f"{key} i", f"{key} ii"):
            if variant in named:
                return named[variant]
    return None


def _key(name: str) -> str:
    """A name as it is compared: without accents, case, plurals, punctuation and what stands in brackets."""
    plain = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)", "", name)).encode("ascii", "ignore").decode()
    return " ".join(word.rstrip("s") for word in re.sub(r"[^a-z0-9 ]", "", plain.lower()).split())


def _without_pages(recipe: Recipe) -> Recipe:
    """Take out picture captions and page numbers."""
    if not recipe.uid.startswith("bcs-"):
        return recipe
    steps = (_PAGE.sub("", step) for step in recipe.steps)
    return replace(recipe, steps=tuple(step for step in steps if not _CAPTION.search(step)))


if __name__ == "__main__":
    main()
