"""`souschef eval retrieval` with the embedded embedder, and its scores against scikit-learn's."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main
from agent.evaluation import known_items, retrievers
from agent.evaluation.ranking_scores import ranking_scores
from agent.evaluation.retrieval_files import Document
from tools.embed import Embedder, load_embedder
from tools.filters import fold
from tools.recipes import embedded_recipes

DISHES = ("leek soup", "apple pie", "pork roast", "rye bread")
QUESTIONS = [
    {"query": f"a recipe for {dish}", "options": dict(enumerate(DISHES)), "answer": str(n)}
    for n, dish in enumerate(DISHES)
]


def test_gains_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import ndcg_score  # type: ignore[import-untyped]

    draw = random.Random(0)
    uids = [f"d{n}" for n in range(40)]
    for _ in range(50):
        relevant = {uid: draw.randint(1, 4) for uid in draw.sample(uids, 9)}
        ranked = draw.sample(uids, 40)
        truth = np.array([[relevant.get(uid, 0) for uid in uids]])
        scores = np.array([[-ranked.index(uid) for uid in uids]])
        expected = ndcg_score(truth, scores, k=10)
        assert ranking_scores(relevant, ranked, [1])["ndcg@10"] == pytest.approx(expected)


def test_known_recipes_are_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("eval", "retrieval", "--limit", "40", "--out", str(tmp_path / "run"), "--json")
    assert main((*arguments, "--min", "hybrid.recall@10=0.6", "--min", "dense.mrr=0.4")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], list(found["metrics"])) == (40, ["dense", "lexical", "hybrid", "random"])
    assert found["metrics"]["random"]["recall@10"] < 0.2 < found["intervals"]["hybrid"]["recall@10"]["low"]
    assert set(found["groups"]) == {"name", "ingredients", "paraphrase"}
    assert {path.name for path in (tmp_path / "run").glob("[!.]*")} == {
        "settings.json", "results.jsonl", "metrics.json", "report.html",
    }  # fmt: skip
    assert main((*arguments, "--resume", "--min", "random.mrr=0.9")) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["metrics"] == found["metrics"]
    assert "random.mrr is" in said.err


def test_the_right_option_is_told_from_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    assert main(("eval", "retrieval", str(path), "--out", str(tmp_path / "run"), "--json")) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert {mode: values["accuracy"] for mode, values in metrics.items()} == {
        "dense": 1.0, "lexical": 1.0, "hybrid": 1.0, "random": 0.25,
    }  # fmt: skip


def test_documents_are_embedded_once_and_again_where_the_cache_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrievers, "cache_dir", lambda: tmp_path)
    embedder = load_embedder()
    documents = [Document(str(n), dish, "") for n, dish in enumerate(DISHES)]
    embedded: list[str] = []
    embed = Embedder.embed_documents

    def counting(self: Embedder, texts: list[str]) -> list[list[float]]:
        embedded.extend(texts)
        return embed(self, texts)

    monkeypatch.setattr(Embedder, "embed_documents", counting)
    for _ in range(2):
        assert retrievers.index_of(documents, embedder).count == 4
    assert sorted(embedded) == sorted(DISHES)
    [vectors] = tmp_path.rglob("vectors*")
    vectors.write_bytes(b"damaged")
    assert retrievers.index_of(documents, embedder).search("leek soup", 1)[0].name == "leek soup"
    assert sorted(embedded) == sorted([*DISHES, *DISHES, "leek soup"])


def test_the_shipped_queries_are_what_the_script_makes() -> None:
    made = known_items.known_items(embedded_recipes(), known_items.read_paraphrases())
    folder = known_items.KNOWN_ITEMS
    assert (folder / "queries.jsonl").read_text(encoding="utf-8") == known_items.queries_text(made)
    assert (folder / "qrels.tsv").read_text(encoding="utf-8") == known_items.qrels_text(made)


def test_no_paraphrase_repeats_a_word_of_the_name() -> None:
    names = {recipe.uid: recipe.name for recipe in embedded_recipes()}
    paraphrases = known_items.read_paraphrases()
    repeated = [text for uid, text in paraphrases if words(text) & words(names[uid])]
    assert (len(dict(paraphrases)), repeated) == (len(paraphrases), [])


def test_cases_that_are_not_as_they_should_be_end_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: dict[str, Any] = {**QUESTIONS[0], "answer": "9"}
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(bad))
    assert main(("eval", "retrieval", str(path), "--out", str(tmp_path / "run"))) == 1
    assert capsys.readouterr().err == (
        f"souschef: {path}, line 1: the answer '9' is none of the options: name one of them.\n"
    )
    assert not (tmp_path / "run").exists()


def words(text: str) -> set[str]:
    """Words of three letters and more without their plural, and without those that say nothing."""
    found = "".join(letter if letter.isalpha() else " " for letter in fold(text)).split()
    return {word.rstrip("s") for word in found if len(word) > 2} - {"and", "the", "with"}
