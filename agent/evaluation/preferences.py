"""What a reader preferred in a report, as preference pairs that `souschef train reward` learns from.

The report keeps a choice for each dish in the browser and saves them as choices.json, {"report": its key,
"choices": {id of the dish: "retrieval", "vanilla" or "tie"}}. Here they meet the answers of results.jsonl. A
tie, and two answers that are the same text, state no preference and make no pair.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.evaluation.report import report_key
from agent.evaluation.results_file import RESULTS, read_results
from tools.errors import SouschefError
from tools.files import atomic_write

TIE = "tie"


@dataclass(frozen=True)
class Exported:
    """How many pairs were written, and how many choices made none."""

    pairs: int
    ties: int
    same: int


def export_preferences(run: Path, choices: Path, out: Path) -> Exported:
    """Write {"prompt", "chosen", "rejected"} a line to `out` for each choice that states a preference.

    Raises SouschefError for a folder without answers to choose from, choices that do not belong to it, and
    where no preference is stated.
    """
    answers = _answers(run)
    pairs: list[dict[str, str]] = []
    ties = same = 0
    for dish, choice in _choices(choices, run).items():
        if dish not in answers:
            raise SouschefError(f"{choices} chooses for {dish!r}, which is not in {run}: check both paths.")
        question, texts = answers[dish]
        if choice != TIE and choice not in texts:
            known = ", ".join([*texts, TIE])
            raise SouschefError(f"{choices}: {choice!r} for {dish!r} is no choice: make it one of {known}.")
        if choice == TIE:
            ties += 1
        elif len(set(texts.values())) == 1:
            same += 1
        else:
            rejected = next(text for name, text in texts.items() if name != choice)
            pairs.append({"prompt": question, "chosen": texts[choice], "rejected": rejected})
    if not pairs:
        raise SouschefError(
            f"{choices} states no preference between two answers: choose in {run}/report.html."
        )
    _write(out, pairs)
    return Exported(len(pairs), ties, same)


def _write(out: Path, pairs: Sequence[Mapping[str, str]]) -> None:
    with atomic_write(out) as file:
        file.writelines(json.dumps(pair, ensure_ascii=False).encode() + b"\n" for pair in pairs)


def _answers(run: Path) -> dict[str, tuple[str, Mapping[str, str]]]:
    """The question and both answers to each dish of a run, by the dish's id."""
    results = read_results(run / RESULTS)
    found = {
        result["id"]: (result["question"], result["answers"]) for result in results if "answers" in result
    }
    if not found:
        raise SouschefError(
            f"{run} holds no answers to choose from: name the folder of a `souschef eval rag`."
        )
    return found


def _choices(path: Path, run: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SouschefError(f"There is no file {path}: save the choices from the report first.") from error
    except ValueError as error:
        raise SouschefError(f"{path} is not JSON: save the choices from the report again.") from error
    found = content.get("choices") if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise SouschefError(f"{path} holds no choices: save them from the report again.")
    if content.get("report") != report_key(run):
        raise SouschefError(f"{path} was saved from the report of another run than {run}: check both paths.")
    return found
