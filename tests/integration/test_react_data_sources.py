"""The ReAct adapter's whole training data, made of the sources beside the project."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.react_data import main, normal, shipped_questions
from agent.react import parse

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not DATA.exists() and "CI" not in os.environ:
        pytest.skip("the sources lie beside the project, in ../shared/data, and are not here")
    folder = tmp_path_factory.mktemp("react_data")
    assert main(["--data", str(DATA), "--out", str(folder)]) == 0
    return folder


def rows(written: Path, side: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (written / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_there_are_as_many_rows_of_each_route_as_the_data_card_says(written: Path) -> None:
    card = Path("docs/react_adapter_data.md").read_text(encoding="utf-8")
    for side in ("train", "dev"):
        counted = Counter(row["route"] for row in rows(written, side))
        shown = (
            f"| {side} | {counted['recipe_search']:,} | {counted['summarize']:,} | {counted['direct']:,} |"
        )
        assert shown in card


def test_a_second_run_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    assert main(["--data", str(DATA), "--out", str(tmp_path)]) == 0
    for name in ("train.jsonl", "dev.jsonl"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_development_shares_no_piece_and_no_question_with_training(written: Path) -> None:
    train, dev = rows(written, "train"), rows(written, "dev")
    assert {piece for row in train for piece in row["made_of"]}.isdisjoint(
        piece for row in dev for piece in row["made_of"]
    )
    asked = [{last_question(row) for row in side if len(row["messages"]) == 3} for side in (train, dev)]
    assert asked[0] & asked[1] == set()


def test_every_step_is_one_and_no_slot_is_open(written: Path) -> None:
    for row in [*rows(written, "train"), *rows(written, "dev")]:
        step = parse(row["messages"][-1]["content"])
        assert step.mistake is None, row["id"]
        assert step.answer or step.action, row["id"]
        assert not re.search(r"\{\{\w+\}\}", json.dumps(row["messages"])), row["id"]


def test_nothing_that_is_measured_on_is_trained_on(written: Path) -> None:
    train = rows(written, "train")
    cases = set(shipped_questions())
    assert [row["id"] for row in train if last_question(row) in cases] == []
    told = json.dumps([row["messages"] for row in train], ensure_ascii=False)
    for line in (DATA / "summaries/cnn_validation.jsonl").read_text(encoding="utf-8").splitlines():
        opening = " ".join(json.loads(line)["article"].split()[10:30])
        assert json.dumps(opening, ensure_ascii=False)[1:-1] not in told


def last_question(row: dict[str, Any]) -> str:
    said = [message["content"] for message in row["messages"] if message["role"] == "user"]
    return normal(said[-1])
