"""What a recipe is, and how recipes are read from files.

Columns go by the names that recipe collections use; a list may be a list, a JSON list in a string, or a
string with line breaks. Text is cleaned of control characters and needless space and otherwise kept as it is:
making it safe for a prompt is the search tool's work. A recipe without name or ingredients is refused.
"""

import gzip
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from tools.errors import RecipeFileError
from tools.recipe_files import NAME_COLUMNS, rows

# Control characters, lone surrogates, and the marks that reverse the direction of what follows on the screen.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Recipe:
    """One recipe; `uid` tells it apart from all others in an index."""

    uid: str
    name: str
    ingredients: tuple[str, ...]
    steps: tuple[str, ...]
    description: str = ""
    tags: tuple[str, ...] = ()
    link: str = ""
    source: str = ""
    licence: str = ""

    def text(self) -> str:
        """The passage that is embedded and shown: name, ingredients and steps, with blank lines between.

        >>> Recipe("1", "Toast", ("bread",), ("Toast it.", "Eat it.")).text()
        'Toast\\n\\nbread\\n\\nToast it.\\nEat it.'
        """
        return "\n\n".join((self.name, "\n".join(self.ingredients), "\n".join(self.steps)))

    def to_dict(self) -> dict[str, str | list[str]]:
        """The recipe as JSON can hold it; `from_dict` reads it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """A recipe from what `to_dict` wrote; keys that a recipe does not have are passed over."""
        known: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value := values[field.name], list) else value
            for field in fields(cls)
            if field.name in values
        }
        return cls(**known)


def read_recipes(paths: Iterable[Path]) -> Iterator[Recipe]:
    """Every recipe of the files, in order, one at a time.

    Raises RecipeFileError, which names file and line, at the first thing that cannot be read as a recipe.
    """
    for path in paths:
        seen: dict[str, bytes] = {}  # uid: digest of the recipe, so that memory stays small
        for place, row in rows(path):
            recipe = _recipe(place, row)
            digest = hashlib.blake2b(repr(recipe).encode(), digest_size=8).digest()
            if seen.setdefault(recipe.uid, digest) != digest:
                raise RecipeFileError(
                    f"{place}: another recipe in this file has the uid {recipe.uid!r} too: give each its own."
                )
            yield recipe
        if not seen:
            raise RecipeFileError(f"{path} holds no recipes: put at least one into it.")


def embedded_recipes() -> tuple[Recipe, ...]:
    """The recipes that come with Souschef (see NOTICE for where they are from)."""
    packed = resources.files("tools").joinpath("data", "recipes.jsonl.gz").read_bytes()
    return tuple(Recipe.from_dict(json.loads(line)) for line in gzip.decompress(packed).splitlines())


def clean_text(text: str) -> str:
    """One line of text: composed, without control characters, with single spaces.

    >>> clean_text(" Pure\\u0301e \\x00 of\\n peas ")
    'Purée of peas'
    """
    return " ".join(_UNPRINTABLE.sub("", unicodedata.normalize("NFC", text)).split())


def _recipe(place: str, row: Mapping[str, Any]) -> Recipe:
    name = _text(place, row, *NAME_COLUMNS)
    if not name:
        raise RecipeFileError(f"{place}: the recipe has no name: fill in its name or remove it.")
    ingredients = _list(place, row, "ingredients")
    if not ingredients:
        raise RecipeFileError(f"{place}: the recipe {name[:60]!r} has no ingredients: add them or remove it.")
    steps = _list(place, row, "steps", "directions", "instructions")
    source = _text(place, row, "source")
    link = _text(place, row, "link", "url") or (source if source.startswith(("http://", "https://")) else "")
    return Recipe(
        uid=_text(place, row, "uid", "id") or _derived_uid(name, ingredients, steps),
        name=name,
        ingredients=ingredients,
        steps=steps,
        description=_text(place, row, "description"),
        tags=_list(place, row, "tags", separator=r"[\n,]"),
        link=link,
        source="" if source == link else source,
        licence=_text(place, row, "licence", "license"),
    )


def _derived_uid(name: str, ingredients: tuple[str, ...], steps: tuple[str, ...]) -> str:
    """The same for the same recipe in whatever file, and legible."""
    slug = re.sub(r"\W+", "-", name.lower()).strip("-")[:40]
    digest = hashlib.sha256(json.dumps([name, ingredients, steps]).encode()).hexdigest()
    return f"{slug}-{digest[:12]}"


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> Any:
    return next((row[column] for column in columns if row.get(column) not in (None, "", [])), "")


def _text(place: str, row: Mapping[str, Any], *columns: str) -> str:
    value = _first(row, columns)
    if not isinstance(value, str | int | float):
        raise RecipeFileError(f"{place}: {columns[0]} is not a text: write it as one.")
    return clean_text(str(value))


def _list(place: str, row: Mapping[str, Any], *columns: str, separator: str = r"[\r\n]+") -> tuple[str, ...]:
    value = _first(row, columns)
    if isinstance(value, str):
        value = _items(value, separator)
    if not isinstance(value, list) or not all(isinstance(item, str | int | float | None) for item in value):
        raise RecipeFileError(f"{place}: {columns[0]} is not a list of texts: write it as one.")
    items = (clean_text(str(item)) for item in value if item is not None)
    return tuple(item for item in items if item)


def _items(text: str, separator: str) -> list[Any]:
    """A list written in one string: as JSON, or else split at the separator."""
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            listed = None  # not JSON after all, but a text that begins with a bracket
        if isinstance(listed, list):
            return listed
    return re.split(separator, text)
