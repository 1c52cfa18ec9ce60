"""What an index holds: passages, each kept as one line of JSON.

A line is either a recipe in the form that recipe files have, or a LangChain document as
{"uid", "text", "metadata"}. The index keeps the lines as bytes and reads one only when it is asked for, which
takes a fifth of the memory that the objects would.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from tools.recipes import Recipe


@dataclass(frozen=True)
class Passage:
    """One entry of an index: what is embedded and shown, and what is known about it."""

    uid: str
    name: str
    text: str
    metadata: Mapping[str, Any]
    recipe: Recipe | None = None

    def document(self) -> Document:
        """The passage as LangChain knows it."""
        return Document(id=self.uid, page_content=self.text, metadata=dict(self.metadata))


def recipe_line(recipe: Recipe) -> bytes:
    """A recipe as a line of JSON, without the line break."""
    return _line(recipe.to_dict())


def text_line(uid: str, text: str, metadata: Mapping[str, Any]) -> bytes:
    """Any other text as a line of JSON, without the line break."""
    return _line({"uid": uid, "text": text, "metadata": dict(metadata)})


def read_line(line: bytes) -> Passage:
    """The passage that a line describes."""
    known: dict[str, Any] = json.loads(line)
    if "ingredients" in known:
        recipe = Recipe.from_dict(known)
        return Passage(recipe.uid, recipe.name, recipe.text(), known, recipe)
    text: str = known["text"]
    name = str(known["metadata"].get("name") or text.partition("\n")[0][:80])
    return Passage(known["uid"], name, text, known["metadata"])


def uid_of(line: bytes) -> str:
    """The uid in a line."""
    uid: str = json.loads(line)["uid"]
    return uid


def _line(known: Mapping[str, Any]) -> bytes:
    # Half a surrogate pair has no UTF-8 form; it comes from broken files and becomes "?".
    return json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
