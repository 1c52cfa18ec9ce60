"""The retrieval evaluation with embedders that need no weights: honest, paired, resumable."""

import json
from pathlib import Path

import pytest
from index_samples import SAMPLES, CountingEmbeddings, OtherEmbeddings
from retrieval_samples import ConstantEmbeddings, write_folder, write_options

from agent.evaluation.retrieval import evaluate_retrieval
from agent.evaluation.retrieval_metrics import retrieval_metrics
from tools.errors import SouschefError, UsageError
from tools.index import RecipeIndex

DOCUMENTS = {f"d{n}": f"dish{n}" for n in range(200)}
ASKED = {f"q{n}": f"dish{n}" for n in range(40)}  # each names one of the first 40 documents
JUDGED = [(f"q{n}", f"d{n}", 1) for n in range(40)]


def test_whoever_knows_every_document_gets_full_marks(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ASKED, JUDGED, DOCUMENTS)
    found = evaluate_retrieval(folder, embedders=[CountingEmbeddings()], recall_at=[1]).metrics
    best = {"ndcg@10": 1.0, "recall@1": 1.0, "mrr": 1.0}
    assert {name: found.metrics[name] for name in ("dense", "lexical", "hybrid")} == {
        "dense": best, "lexical": best, "hybrid": best,
    }  # fmt: skip
    assert found.intervals["dense"]["mrr"] == {"low": 1.0, "high": 1.0, "n": 40}


def test_random_and_constant_rankings_get_what_chance_gets(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ASKED, JUDGED, DOCUMENTS)
    found = evaluate_retrieval(folder, embedders=[ConstantEmbeddings()], modes=["dense"]).metrics.metrics
    chance = {f"recall@{k}": pytest.approx(k / 200, abs=0.12) for k in (1, 3, 10, 50)}
    assert {key: found["random"][key] for key in chance} == chance
    assert {key: found["dense"][key] for key in chance} == chance
    assert max(found["random"]["ndcg@10"], found["dense"]["ndcg@10"]) < 0.1


def test_who_cannot_tell_options_apart_gets_chance_though_the_first_is_always_right(tmp_path: Path) -> None:
    path = write_options(tmp_path / "o.jsonl", 30)
    found = evaluate_retrieval(path, embedders=[ConstantEmbeddings()]).metrics
    assert {name: values["accuracy"] for name, values in found.metrics.items()} == {
        "dense": pytest.approx(0.2), "lexical": 1.0, "hybrid": 1.0, "random": pytest.approx(0.2),
    }  # fmt: skip
    assert {name: group["n"] for name, group in found.extra["groups"].items()} == {"Even": 15, "Any": 30}


def test_options_are_chosen_among_the_question_s_own(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "query": "soup", "options": {"x": "leek soup", "y": "cake"}, "answer": "x"},
        {"id": "A", "query": "soup", "options": {"x": "soup of soup", "y": "soup"}, "answer": "y"},
    ]
    path = tmp_path / "o.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    results = evaluate_retrieval(path, embedders=[CountingEmbeddings()]).results
    assert [{hit["uid"] for hit in result["found"]["dense"]} for result in results] == [
        {"a/x", "a/y"},
        {"A/x", "A/y"},
    ]


def test_several_embedders_stand_side_by_side(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ASKED, JUDGED, DOCUMENTS)
    both = [CountingEmbeddings(), OtherEmbeddings()]
    found = evaluate_retrieval(folder, embedders=both, modes=["dense", "lexical"], limit=5).metrics
    names = ["dense:index_samples.CountingEmbeddings", "dense:index_samples.OtherEmbeddings", "lexical"]
    assert list(found.metrics) == [*names, "random"]
    assert list(found.extra["latency_ms"]) == names
    assert all(0 < t["median"] <= t["p95"] and t["n"] == 5 for t in found.extra["latency_ms"].values())


def test_cases_without_documents_search_the_index_that_is_given(tmp_path: Path) -> None:
    index = RecipeIndex(CountingEmbeddings())
    index.add(SAMPLES)
    folder = write_folder(tmp_path, {"q": "walnuts and sugar"}, [("q", "brittle", 1)])
    [result] = evaluate_retrieval(folder, index=index, modes=["lexical"]).results
    assert result["scores"]["lexical.mrr"] == 1.0
    assert result["columns"][0] == {"title": "lexical", "text": "1. ✓ Brittle"}
    with pytest.raises(SouschefError, match="line 2: the index holds no recipe 'd0'"):
        evaluate_retrieval(write_folder(tmp_path, {"q": "x"}, [("q", "d0", 1)]), index=index)


def test_a_resumed_evaluation_ends_with_the_same_metrics(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "cases", ASKED, JUDGED, DOCUMENTS)
    arguments = {"embedders": [CountingEmbeddings()], "out": tmp_path / "run", "limit": 12}
    whole = evaluate_retrieval(folder, **arguments)  # type: ignore[arg-type]
    results = tmp_path / "run/results.jsonl"
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:7]) + lines[7][:20])  # killed while it wrote the eighth
    again = evaluate_retrieval(folder, resume=True, **arguments)  # type: ignore[arg-type]
    assert again.metrics.metrics == whole.metrics.metrics
    assert again.results[:7] == whole.results[:7]
    assert len(results.read_text().splitlines()) == 12


def test_several_workers_find_the_same_and_the_report_names_what_was_missed(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, {"q1": "dish1", "q2": "dish2"}, [("q1", "d1", 1), ("q2", "d7", 1)], DOCUMENTS
    )
    one, four = (
        evaluate_retrieval(folder, embedders=[CountingEmbeddings()], modes=["lexical"], workers=n)
        for n in (1, 4)
    )
    assert one.metrics.metrics == four.metrics.metrics
    assert [result["failed"] for result in four.results] == [[], ["lexical"]]


def test_a_limit_draws_the_same_questions_for_the_same_seed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ASKED, JUDGED, DOCUMENTS)
    drawn = [
        [
            r["id"]
            for r in evaluate_retrieval(folder, embedders=[ConstantEmbeddings()], limit=6, seed=s).results
        ]
        for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 6


def test_a_difference_is_paired_and_says_whether_it_is_more_than_noise() -> None:
    results = [
        {
            "scores": {"a.mrr": n / 50, "b.mrr": n / 50 + 0.1, "c.mrr": 1 - n / 50},
            "groups": [],
            "latency_s": t,
        }
        for n in range(50)
        for t in [{"a": 0.001, "b": 0.002, "c": 0.003}]
    ]
    found = retrieval_metrics(results, ["a", "b", "c"]).extra["differences"]
    assert list(found) == ["b - a", "c - a", "c - b"]
    assert found["b - a"]["mrr"]["mean"] == pytest.approx(0.1)
    assert [found[pair]["mrr"]["more_than_noise"] for pair in ("b - a", "c - a")] == [True, False]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"recall_at": [0]}, "ranks of 1 and more"),
        ({"limit": 0}, "leaves no question"),
        ({"embedders": [ConstantEmbeddings(), ConstantEmbeddings()]}, "named twice"),
        ({"index": RecipeIndex(ConstantEmbeddings())}, "bring their own documents"),
    ],
)
def test_what_means_nothing_is_wrong_usage(tmp_path: Path, options: dict[str, object], says: str) -> None:
    folder = write_folder(tmp_path, ASKED, JUDGED, DOCUMENTS)
    with pytest.raises(UsageError, match=says):
        evaluate_retrieval(folder, **options)  # type: ignore[arg-type]
