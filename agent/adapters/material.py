"""What the ReAct adapter's rows are made of: recipes, questions, dialogues and texts, for one side.

Each piece belongs to the training or the development rows by a hash of its own key, or by the file it comes
from, so that neither side ever sees a piece of the other. The files lie beside the project and are not part
of it; tests and reviewers may give a folder with a few rows of each. Left out: any piece of a shipped
evaluation case, which is removed by its question later.
"""

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from agent.adapters.wording import HELD_OUT_IN, Side, side_of, worded
from tools.errors import TrainingError
from tools.passage_store import Hit
from tools.recipes import Recipe, read_recipes

_NAMED_ONLY = 0.3  # of the dishes that requests and talk name
_HALF = 2  # of the small sources every second piece is for development
_NAME = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*(?: [^\W\d_]+(?:['’-][^\W\d_]+)*){0,5}")
_NUMERAL = re.compile(r" [IVX]+$|\(.*?\)")
_NO_DISH = {"cheese", "rice", "composition", "oats", "cream", "water", "white bread", "butter"}


@dataclass(frozen=True)
class Text:
    """An article or a dialogue, and where it comes from."""

    key: str
    text: str
    source: str


@dataclass(frozen=True)
class Question:
    """What somebody asked, and what kind of question the source calls it."""

    key: str
    text: str
    source: str
    kind: str = ""


@dataclass(frozen=True)
class Material:
    """Everything that one side's rows may be made of."""

    recipes: tuple[Recipe, ...]  # public-domain ones, which may stand in observations
    dishes: tuple[Recipe, ...]  # these and scraped ones, of which only names and ingredients are used
    named_only: tuple[Recipe, ...]  # dishes from everywhere, without ingredients
    requests: tuple[Question, ...]
    factual: tuple[Question, ...]
    unserved: tuple[Question, ...]
    remarks: tuple[Question, ...]  # of cooking dialogues; the kind is the intent
    texts: tuple[Text, ...]

    @cached_property
    def named_recipes(self) -> tuple[Recipe, ...]:
        """The recipes whose name is one of a dish."""
        return tuple(one for one in self.recipes if dish_of(one))

    def any_dish(self, rng: random.Random) -> Recipe:
        """A dish that a request may name; recipe collections here know few kitchens."""
        return rng.choice(self.named_only if rng.random() < _NAMED_ONLY else self.dishes)

    def any_text(self, rng: random.Random) -> Text:
        """A text; each source is as likely as the others, however many texts it has."""
        source = rng.choice(sorted({text.source for text in self.texts}))
        return rng.choice([text for text in self.texts if text.source == source])


def load_material(data: Path, side: Side) -> Material:
    """Read one side's pieces from the data folder; TrainingError where a file is missing or damaged."""
    own = [one for one in _recipes(data / "recipes/embedded.jsonl") if side_of(one.uid) == side]
    web = [one for one in _recipes(data / "recipes/web_7198.jsonl.gz") if side_of(one.uid) == side]
    read = partial(_questions, data, side)
    return Material(
        recipes=tuple(own),
        dishes=tuple(one for one in [*own, *web] if dish_of(one)),
        named_only=tuple(Recipe(f"dish {name}", name, (), ()) for name in worded("dishes", side)),
        requests=tuple(read("recipe_mpr_dev", "query", _HALF)),
        factual=tuple(read("trec_train", "question", HELD_OUT_IN, "label")),
        unserved=(
            *read("instructions", "question", _HALF),
            *read("bfcl_irrelevance", "question", _HALF),
        ),
        remarks=tuple(_remarks(data, side)),
        texts=tuple(_texts(data, side)),
    )


def dish_of(recipe: Recipe) -> str:
    """The recipe's name as a person would say it; empty where it is no name of a dish.

    >>> dish_of(Recipe("1", "Stir and Drop Cookies II", ("flour",), ("Stir.",)))
    'Stir and Drop Cookies'
    """
    name = " ".join(_NUMERAL.sub("", re.sub("[®™!]", "", recipe.name)).split())
    return name if _NAME.fullmatch(name) and name.lower() not in _NO_DISH else ""


def hit(recipe: Recipe, rank: int) -> Hit:
    """A recipe as a search returns it."""
    return Hit(rank, recipe.uid, recipe.name, 1.0 / rank, recipe.text(), recipe)


# ---- files


def _recipes(path: Path) -> Iterator[Recipe]:
    _must_exist(path)
    return read_recipes([path])


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    _must_exist(path)
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise TrainingError(f"{path} line {number} is not JSON: copy the file again.") from error


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise TrainingError(f"There is no file {path}: give the data folder that has it, with --data.")


def _questions(
    data: Path, side: Side, name: str, column: str, one_in: int, kind: str = ""
) -> Iterator[Question]:
    """Each question once, by its text."""
    texts = {row[column].strip(): row.get(kind, "") for row in _objects(data / f"questions/{name}.jsonl")}
    for text, label in texts.items():
        if side_of(text, one_in) == side:
            yield Question(text, _as_typed(text), f"questions/{name}", label)


def _as_typed(text: str) -> str:
    """TREC's questions are split into tokens; people write them together.

    >>> _as_typed("What 's an `` h-bomb '' , then ?")
    'What\\'s an "h-bomb", then?'
    """
    text = re.sub(r"`` ?| ?''", '"', text)
    return re.sub(r"(?<=[\w\")]) (?=(?:[?.,;:!]|'(?:s|d|m|re|ve|ll|t)\b))", "", text)


def _remarks(data: Path, side: Side) -> Iterator[Question]:
    """What people said in cooking dialogues; a whole dialogue is on one side."""
    for dialogue in _objects(data / "dialogues/cookdial.jsonl"):
        if side_of(dialogue["id"], _HALF) != side:
            continue
        for place, message in enumerate(dialogue["messages"]):
            if not message["bot"]:
                intent = json.loads(message["annotations"])["intent"].strip("; ")
                key = f"{dialogue['id']}/{place}"
                yield Question(key, message["text"].strip(), "dialogues/cookdial", intent)


def _texts(data: Path, side: Side) -> Iterator[Text]:
    """Articles by a hash of their text; dialogues by the file they are in."""
    files: Sequence[str] = ("cnn_train", "xsum_train", f"dialogsum_{side}")
    for name in files:
        for row in _objects(data / f"summaries/{name}.jsonl"):
            text = row["article"].strip()
            if name.startswith("dialogsum") or side_of(text) == side:
                yield Text(text, text, f"summaries/{name}")
