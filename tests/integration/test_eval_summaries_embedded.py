"""`souschef eval summaries` with the embedded model, a trained policy and classifiers, in this process."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_classifiers import nli_folder, toxicity_folder
from tiny_policies import gpt2, save

from agent.commands.eval import eval as evaluations
from tools.errors import UsageError

STORIES = [
    "The town council met on Monday to talk about the old bridge. It was built in 1903 and can no longer "
    "carry lorries. Repairing it would cost two million euros. The council will vote in May.",
    "A bakery in the harbour won the prize for the best bread of the county. The baker, Ana Ruiz, uses a rye "
    "sourdough that is forty years old. She will open a second shop in June.",
    "Heavy rain closed the market on Saturday. Stalls were moved into the school. The farmers sold less than "
    "usual, but no goods were lost. The market opens again next week.",
]
ROWS = [{"id": f"s{n}", "article": story, "summary": story.split(". ")[0]} for n, story in enumerate(STORIES)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stories.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def summaries(*arguments: object) -> None:
    evaluations.main(["summaries", *map(str, arguments)], standalone_mode=False)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_the_shipped_summarizer_and_its_shots_stand_beside_the_baselines(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summaries(file, "--shots", "0,1", "--limit", 2, "--out", tmp_path / "run", "--json")
    found = printed(capsys)
    names = ["lead-3", "random-3", "smollm2-135m", "smollm2-135m-0-shot", "smollm2-135m-1-shot"]
    assert (list(found["metrics"]), found["n"], found["failures"]) == (names, 2, {})
    assert found["metrics"]["smollm2-135m"] != found["metrics"]["smollm2-135m-0-shot"]  # no adapter
    assert all(found["metrics"][name]["rouge1"] > 0.1 for name in names)
    assert json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8")) == found
    lines = [
        json.loads(line) for line in (tmp_path / "run/results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [len(line["columns"]) for line in lines] == [6, 6]


def test_a_trained_policy_is_judged_by_classifiers_too(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = save(tmp_path / "trained", *gpt2(), chat=False)
    nli, toxic = nli_folder(tmp_path / "nli"), toxicity_folder(tmp_path / "toxic")
    given = [file, "--policy", run, "--nli", nli, "--toxicity", toxic, "--out", tmp_path / "run", "--json"]
    summaries(*given)
    found = printed(capsys)
    assert list(found["metrics"]) == ["lead-3", "random-3", "trained"]
    for name in ("faithfulness", "toxicity", "toxicity_std"):
        assert 0 < found["metrics"]["lead-3"][name] < 1
        assert found["intervals"]["lead-3"][name]["n"] == 3
    summaries(*given, "--resume")
    assert printed(capsys) == found
    card = run / "policy/policy.json"
    card.write_text(card.read_text(encoding="utf-8").replace("TL;DR", "In short"), encoding="utf-8")
    with pytest.raises(UsageError, match="was begun with policies = "):
        summaries(*given, "--resume")
