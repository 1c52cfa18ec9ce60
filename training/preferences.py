"""Preferences: which of two answers to a prompt is the better one, from JSONL files of pairs or of rankings.

A pair is {"prompt", "chosen", "rejected"}. A ranking is {"prompt", "answers", "ranks"}, rank 1 the best, or
with "scores", the highest the best; every two of its answers that differ in rank make one pair (Ouyang et al.
2022, section 3.5), and a tie makes none. Left out: margins, which a ranking does not state.
"""

import gzip
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from tools.errors import TrainingError
from tools.files import expanded


@dataclass(frozen=True)
class Pair:
    """Two answers to a prompt; `chosen` is the better one."""

    prompt: str
    chosen: str
    rejected: str


def load_pairs(sources: Sequence[str]) -> list[Pair]:
    """All pairs of these files, in order; TrainingError names file and line of what cannot be one."""
    if not sources:
        raise TrainingError("No data is named: set data to one or more JSONL files of preferences.")
    pairs = [pair for source in sources for row, place in read_objects(source) for pair in _pairs(row, place)]
    if not pairs:
        raise TrainingError(
            f"{', '.join(sources)} states no preference: give at least one pair whose answers are not tied."
        )
    return pairs


def split_pairs(pairs: Sequence[Pair], held_out: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and at least `held_out` pairs whose prompts none of the others has.

    Prompts are ordered by a hash of the seed and their text, so that the order of rows does not matter.
    """
    prompts = sorted({pair.prompt for pair in pairs}, key=lambda prompt: _key(prompt, seed))
    apart: set[str] = set()
    count = 0
    for prompt in prompts:
        if count >= held_out:
            break
        apart.add(prompt)
        count += sum(pair.prompt == prompt for pair in pairs)
    train = [pair for pair in pairs if pair.prompt not in apart]
    if not train:
        raise TrainingError(
            f"eval_rows {held_out} leaves nothing to train on: there are {len(pairs)} pairs on "
            f"{len(prompts)} prompts; lower it or name more data."
        )
    return train, [pair for pair in pairs if pair.prompt in apart]


def read_objects(source: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The JSON objects of a JSONL file (.gz allowed), each with its place, such as "pairs.jsonl, line 3"."""
    path = expanded(source)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    place = f"{source}, line {number}"
                    yield _object(line, place), place
    except FileNotFoundError as error:
        raise TrainingError(f"There is no file {source}: correct the path in data or eval_data.") from error
    except (OSError, EOFError) as error:
        raise TrainingError(f"{source} cannot be read ({error}): give a whole JSONL file.") from error


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as error:
        raise TrainingError(f"{place} is not JSON ({error}): correct or remove it.") from error
    if not isinstance(row, dict):
        raise TrainingError(f"{place} is not a JSON object: write one object a line.")
    return row


def _pairs(row: Mapping[str, Any], place: str) -> list[Pair]:
    prompt = text_of(row, "prompt", place)
    if "answers" in row:
        return _pairs_of_ranking(prompt, row, place)
    if "chosen" not in row and "rejected" not in row:
        raise TrainingError(f"{place} has neither chosen and rejected nor answers: add them, beside prompt.")
    chosen, rejected = (text_of(row, key, place) for key in ("chosen", "rejected"))
    if chosen == rejected:
        raise TrainingError(f"{place} has the same text as chosen and rejected: correct or remove it.")
    return [Pair(prompt, chosen, rejected)]


def _pairs_of_ranking(prompt: str, row: Mapping[str, Any], place: str) -> list[Pair]:
    answers = row["answers"]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise TrainingError(f"{place}: answers must be a list of texts.")
    goodness = _goodness(row, len(answers), place)
    return [
        Pair(prompt, better, worse)
        for (better, high), (worse, low) in permutations(zip(answers, goodness, strict=True), 2)
        if high > low and better != worse
    ]


def _goodness(row: Mapping[str, Any], count: int, place: str) -> list[float]:
    """A number for each answer, the higher the better."""
    keys = [key for key in ("ranks", "scores") if key in row]
    if len(keys) != 1:
        raise TrainingError(f"{place}: answers need either ranks (1 is best) or scores (highest is best).")
    values = row[keys[0]]
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise TrainingError(f"{place}: {keys[0]} must be a list of numbers.")
    if len(values) != count:
        raise TrainingError(f"{place} has {count} answers and {len(values)} {keys[0]}: give one for each.")
    return [-value if keys[0] == "ranks" else value for value in values]


def text_of(row: Mapping[str, Any], key: str, place: str) -> str:
    """The row's text under a key; TrainingError where there is none."""
    value = row.get(key)
    if not isinstance(value, str):
        found = "no" if key not in row else f"a {type(value).__name__} as"
        raise TrainingError(f"{place} has {found} {key}: it must be a text.")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _key(prompt: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {prompt}".encode(errors="surrogatepass")).hexdigest()
