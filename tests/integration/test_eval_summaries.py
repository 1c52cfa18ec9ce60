"""Summaries judged: every kind of policy gets the figures it deserves, against rouge_score itself."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scripted import ScriptedEngine, count_words

from agent.evaluation import summary_writers
from agent.evaluation.runs import Evaluation
from agent.evaluation.summaries import evaluate_summaries
from agent.evaluation.summary_writers import identity
from agent.policy import PromptedPolicy
from tools.errors import SouschefError, UsageError

ROWS = [
    {
        "id": f"r{n}",
        "article": f"The cook boils egg {n} in salted water for {n + 3} minutes. Steam fills the kitchen. "
        f"Guests arrive hungry. Somebody opens a window. Egg {n} is served with toast and butter.",
        "summary": f"Egg {n} is boiled for {n + 3} minutes and served with toast.",
    }
    for n in range(8)
]
REFERENCES = {row["article"]: row["summary"] for row in ROWS}


class Says:
    """A policy that writes what a function makes of an article."""

    max_text_tokens = 1000

    def __init__(self, name: str, write: Callable[[str], str]) -> None:
        self.name, self.write = name, write

    def count_tokens(self, text: str) -> int:
        return count_words(text)


def fails(text: str) -> str:
    if "egg 3" in text or "egg 5" in text:
        raise SouschefError("The server is gone.")
    return REFERENCES[text]


POLICIES = [
    Says("reference", lambda text: REFERENCES[text]),
    Says("copy", lambda text: text),
    Says("constant", lambda _: "The quick brown fox jumps over a lazy dog."),
    Says("empty", lambda _: ""),
    Says("stutter", lambda _: "egg toast water " * 10),
    Says("fails", fails),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("summaries") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def judged(file: Path) -> Evaluation:
    return evaluate_summaries(file, policies=POLICIES)


def figures(judged: Evaluation, policy: str, *names: str) -> list[Any]:
    return [pytest.approx(judged.metrics.metrics[policy][name]) for name in names]


def test_the_reference_scores_1(judged: Evaluation) -> None:
    kinds = ("rouge1", "rouge2", "rougeL", "rougeLsum", "failed")
    assert figures(judged, "reference", *kinds) == [1, 1, 1, 1, 0]
    assert judged.metrics.metrics["reference"]["copied"] < 0.5


def test_an_empty_summary_scores_nothing(judged: Evaluation) -> None:
    assert set(judged.metrics.metrics["empty"].values()) == {0.0}
    assert judged.metrics.intervals["empty"]["rouge1"] == {"low": 0, "high": 0, "n": 8}


def test_a_constant_summary_scores_worse_than_the_baselines(judged: Evaluation) -> None:
    for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        constant, lead = (judged.metrics.metrics[name][kind] for name in ("constant", "lead-3"))
        assert constant < 0.1 < lead


def test_a_copy_of_the_article_is_found_out(judged: Evaluation) -> None:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    plain = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = [plain.score(row["summary"], row["article"]) for row in ROWS]
    measured = [fmean(score[kind].fmeasure for score in scores) for kind in ("rouge1", "rouge2", "rougeL")]
    assert figures(judged, "copy", "copied", "rouge1", "rouge2", "rougeL") == [1, *measured]
    assert measured[0] < 0.6  # most of what is copied is not in the reference


def test_repetition_is_seen(judged: Evaluation) -> None:
    assert figures(judged, "stutter", "repetition", "words") == [25 / 28, 30]


def test_a_policy_that_fails_is_counted_and_gains_nothing_by_it(judged: Evaluation) -> None:
    assert figures(judged, "fails", "rouge1", "failed") == [0.75, 0.25]
    assert judged.metrics.intervals["fails"]["copied"]["n"] == 6
    assert judged.metrics.extra["failures"] == {"fails": {"count": 2, "first_error": "The server is gone."}}
    failed = judged.results[3]
    assert failed["summaries"]["fails"] == {"summary": "", "seconds": 0, "error": "The server is gone."}
    assert failed["failed"] == ["fails"]
    assert failed["columns"][-1] == {"title": "fails", "text": "failed: The server is gone."}


def test_the_baselines_stand_first_whoever_is_asked_for(file: Path) -> None:
    for policies in ([POLICIES[2]], POLICIES[:2]):
        found = evaluate_summaries(file, policies=policies, limit=2).metrics.metrics
        assert list(found) == ["lead-3", "random-3", *(policy.name for policy in policies)]


def test_paired_differences_say_what_is_more_than_noise(judged: Evaluation) -> None:
    found = judged.metrics.extra["differences"]
    assert [len(against) for against in found.values()] == [1, 2, 3, 4, 5, 6, 7]
    lead = judged.metrics.metrics["lead-3"]["rouge1"]
    gain = found["reference"]["lead-3"]["rouge1"]
    assert (gain["mean"], gain["n"], gain["more_than_noise"]) == (pytest.approx(1 - lead), 8, True)
    assert found["fails"]["empty"]["failed"]["more_than_noise"] is False
    assert found["fails"]["copy"]["copied"]["n"] == 6  # rows that both have a number for


def test_each_article_has_its_summaries_side_by_side(judged: Evaluation) -> None:
    first = judged.results[0]
    assert [column["title"] for column in first["columns"][:4]] == [
        "Reference",
        "lead-3",
        "random-3",
        "reference",
    ]
    assert first["passages"][0]["text"] == ROWS[0]["article"]
    assert first["scores"]["reference.rouge1"] == 1
    assert (first["title"], first["failed"]) == ("The cook boils egg 0 in salted water for 3 minutes.", [])


def test_the_rouge_variants_are_named(judged: Evaluation) -> None:
    said = judged.metrics.extra["about"]["rouge"]
    assert said.startswith("F measure of rouge_score 0.1.")
    assert all(part in said for part in ("Porter stemming", "rougeL ", "rougeLsum "))


def test_a_limit_draws_by_the_seed_and_keeps_the_order(file: Path) -> None:
    def drawn(seed: int) -> list[str]:
        results = evaluate_summaries(file, policies=[POLICIES[3]], limit=3, seed=seed).results
        return [result["id"] for result in results]

    assert (drawn(0), len(drawn(0))) == (sorted(drawn(0)), 3)
    assert len({tuple(drawn(seed)) for seed in range(5)}) > 1


def test_examples_are_policies_too_and_the_zero_shot_prompt_is_written_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine("Egg and toast.")
    model = lambda *_, **__: PromptedPolicy(engine)  # noqa: E731 - stands for loading one
    monkeypatch.setattr("agent.evaluation.summary_writers.load_policy", model)
    judged = evaluate_summaries(file, shots=[3, 0, 1], limit=4)
    names = ["lead-3", "random-3", "scripted", "scripted-0-shot", "scripted-1-shot", "scripted-3-shot"]
    assert list(judged.metrics.metrics) == names
    assert len(engine.sent) == 4 * 3  # not four times four
    assert set(judged.metrics.extra["examples"]) <= {row["id"] for row in ROWS}
    assert len(judged.metrics.extra["examples"]) == 4  # three, and one that steps in for a judged row


def test_a_resumed_evaluation_judges_no_article_twice(file: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    policy = Says("notes", lambda text: asked.append(text) or "Egg.")  # type: ignore[func-returns-value]
    whole = evaluate_summaries(file, policies=[policy], out=tmp_path / "whole")
    folder = tmp_path / "part"
    stopped = Says("notes", lambda text: fails_hard(text) if "egg 4" in text else "Egg.")
    with pytest.raises(KeyboardInterrupt):
        evaluate_summaries(file, policies=[stopped], out=folder)
    asked.clear()
    again = evaluate_summaries(file, policies=[policy], out=folder, resume=True)
    assert len(asked) == 4
    assert again.metrics == whole.metrics
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in ROWS]


def fails_hard(_: str) -> str:
    raise KeyboardInterrupt


def test_another_file_is_not_resumed(file: Path, tmp_path: Path) -> None:
    evaluate_summaries(file, policies=[POLICIES[3]], out=tmp_path / "run", limit=1)
    other = tmp_path / file.name
    other.write_text(json.dumps(ROWS[0]), encoding="utf-8")
    with pytest.raises(UsageError, match="was begun with file = "):
        evaluate_summaries(other, policies=[POLICIES[3]], out=tmp_path / "run", limit=1, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policies": [POLICIES[3], POLICIES[3]]}, "Two policies are called empty: name each once"),
        ({"policies": [Says("lead-3", str)]}, "Two policies are called lead-3: name each once"),
        ({"policies": ["a"], "model": "b"}, "--model is for --shots"),
        ({"base_url": "http://localhost"}, "--base-url is a server's"),
        ({"policies": ["smollm"]}, "There is no model named 'smollm'"),
        ({"shots": [99]}, "99 shots cannot be shown"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_loads(
    file: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SouschefError, match=said):
        evaluate_summaries(file, **options)


def test_another_shipped_adapter_is_another_summarizer(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = identity("smollm2-135m")
    assert re.fullmatch(r"smollm2-135m \([0-9a-f]{12}\)", shipped)
    monkeypatch.setattr(summary_writers, "adapters_sha256", lambda _: ["another"])
    assert identity("smollm2-135m") != shipped
    monkeypatch.setattr(summary_writers, "adapters_sha256", lambda _: None)
    assert identity("smollm2-135m") == "smollm2-135m"
