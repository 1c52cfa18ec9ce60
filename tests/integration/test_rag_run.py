"""`souschef eval rag` and `eval preferences` from the command line, with the embedded models."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from training.preferences import Pair, load_pairs

RECIPES = [
    {
        "uid": "1",
        "name": "Leek soup",
        "ingredients": ["2 leeks", "1 l stock"],
        "steps": ["Simmer the leeks."],
    },
    {"uid": "2", "name": "Rice pudding", "ingredients": ["1 cup rice", "1 l milk"], "steps": ["Simmer."]},
    {"uid": "3", "name": "Onion tart", "ingredients": ["4 onions", "2 eggs"], "steps": ["Bake the tart."]},
    {"uid": "4", "name": "Leek tart", "ingredients": ["3 leeks", "2 eggs"], "steps": ["Bake leeks in egg."]},
]


def report_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["eval", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_on_the_embedded_models_and_a_readers_choice_make_a_training_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes, out = tmp_path / "recipes.jsonl", tmp_path / "run"
    recipes.write_text("".join(json.dumps(row) + "\n" for row in RECIPES))
    options = ("--n", "1", "--index-rows", "3", "--max-tokens", "48", "--judge", "smollm2-135m")
    said = report_json(capsys, "rag", str(recipes), *options, "--out", str(out))
    assert (said["n"], said["indexed"], sorted(said["metrics"])) == (
        1, 3, ["difference", "judge", "retrieval", "vanilla"],
    )  # fmt: skip
    assert said["metrics"]["judge"]["unreadable"] == 0  # its grammar allows nothing but a verdict
    result = json.loads((out / "results.jsonl").read_text())
    assert {"3"} <= {passage["uid"] for passage in result["passages"]} <= {"1", "2", "3"}
    assert result["scores"]["retrieval.grounding"] == 1  # the smallest model says only what it found

    page = (out / "report.html").read_text()
    assert 'data-case="4" value="vanilla"' in page
    [key] = re.findall(r'<main data-key="(\w+)">', page)  # which the page's script saves with the choices
    (tmp_path / "choices.json").write_text(json.dumps({"report": key, "choices": {"4": "vanilla"}}))
    pairs = tmp_path / "pairs.jsonl"
    made = report_json(capsys, "preferences", str(out), str(tmp_path / "choices.json"), "--out", str(pairs))
    assert made["pairs"] == 1
    answers = result["answers"]
    assert load_pairs([str(pairs)]) == [
        Pair("How do I make Leek tart?", answers["vanilla"], answers["retrieval"])
    ]
