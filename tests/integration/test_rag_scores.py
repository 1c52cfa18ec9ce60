"""`eval rag` with scripted engines: what answers deserve, and which dishes are asked for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from index_samples import CountingEmbeddings
from scripted import ScriptedEngine, answer, call

from agent.engines.base import Message
from agent.evaluation.rag import evaluate_rag
from agent.evaluation.rag_cases import index_of, split_file
from agent.evaluation.runs import Evaluation
from tools.errors import UsageError
from tools.files import sha256

SEARCH = call("recipe_search", '{"query": "soup"}')
INDEXED: list[dict[str, Any]] = [
    {"uid": "a", "name": "Leek soup", "ingredients": ["2 leeks", "1 l stock"], "steps": ["Simmer leeks."]},
    {"uid": "b", "name": "Pea soup", "ingredients": ["1 cup peas", "1 l stock"], "steps": ["Boil peas."]},
    {"uid": "c", "name": "Bean soup", "ingredients": ["1 cup beans", "salt"], "steps": ["Boil beans."]},
]
HELD_OUT: list[dict[str, Any]] = [
    {
        "uid": "d",
        "name": "Leek pie",
        "ingredients": ["3 leeks", "1 cup cream"],
        "steps": ["Bake leeks in cream."],
    },
    {
        "uid": "e",
        "name": "Pea soup",
        "ingredients": ["2 cups peas", "salt"],
        "steps": ["Boil peas with salt."],
    },
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    path = tmp_path / "recipes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*INDEXED, *HELD_OUT]))
    return path


def replying(retrieved: str, alone: str) -> ScriptedEngine:
    """An engine that searches and then says one thing of what it found, and without tools another."""

    def reply(messages: Sequence[Message]) -> str:
        said = "\n".join(message["content"] for message in messages)
        if "recipe_search" not in said:
            return alone
        return answer(retrieved) if messages[-1]["content"].startswith("Observation") else SEARCH

    return ScriptedEngine(reply)


def run(recipes: Path, engine: ScriptedEngine, **options: Any) -> Evaluation:
    return evaluate_rag(recipes, n=2, index_rows=3, model=engine, embedder=CountingEmbeddings(), **options)


def means(evaluation: Evaluation, group: str, *keys: str) -> list[float]:
    return [round(evaluation.metrics.metrics[group][key], 3) for key in keys]


ALL = ("ingredient_recall", "ingredient_precision", "rouge1", "rougeL", "cosine", "grounding", "words")


def test_an_empty_answer_earns_nothing(recipes: Path) -> None:
    found = run(recipes, replying(" ", ""))
    assert means(found, "vanilla", *ALL) == [0, 0, 0, 0, 0, 0, 0]


def test_the_real_recipe_earns_everything(recipes: Path) -> None:
    texts = {row["uid"]: "\n".join([*row["ingredients"], "Steps:", *row["steps"]]) for row in HELD_OUT}

    def by_heart(messages: Sequence[Message]) -> str:
        return texts["d" if "Leek pie" in messages[-1]["content"] else "e"]

    found = run(recipes, ScriptedEngine(by_heart, obeys_grammar=False))
    assert means(found, "vanilla", *ALL[:4]) == [1, 1, 1, 1]


def test_a_copied_passage_is_grounded_and_no_better_than_it_fits(recipes: Path) -> None:
    found = run(recipes, replying("Bean soup\n- 1 cup beans\n- salt", "Mix figs."))
    passages = [[hit["name"] for hit in result["passages"]] for result in found.results]
    assert [sorted(names) for names in passages] == [["Bean soup", "Leek soup", "Pea soup"]] * 2
    # of leek and cream it has none, of pea and salt one; all that it names was found
    assert means(found, "retrieval", *ALL[:2], "grounding", "searched") == [0.25, 0.25, 1, 1]


def test_a_constant_answer_is_worth_what_it_hits_by_chance(recipes: Path) -> None:
    constant = "Use salt, cream and beans."
    found = run(recipes, replying(constant, constant))
    assert means(found, "retrieval", *ALL[:2]) == means(found, "vanilla", *ALL[:2]) == [0.5, 0.333]
    assert means(found, "difference", *ALL) == [0, 0, 0, 0, 0, 0, 0]


def test_a_model_that_never_searches_has_no_passages_and_no_grounding(recipes: Path) -> None:
    found = run(recipes, ScriptedEngine(answer("Boil peas."), obeys_grammar=False))
    assert means(found, "retrieval", "searched", "grounding") == [0, 0]
    assert [result["passages"] for result in found.results] == [[], []]


def test_the_report_gets_both_answers_the_real_recipe_and_the_words_it_shares(recipes: Path) -> None:
    found = run(recipes, replying("Bake the beans with cream.", "Open the tin."))
    columns = {result["id"]: result["columns"] for result in found.results}["d"]
    assert [column["title"] for column in columns] == ["With retrieval", "The model alone", "The real recipe"]
    assert [(column.get("choice"), column.get("marks")) for column in columns] == [
        ("retrieval", ["bake", "cream"]), ("vanilla", []), (None, None),
    ]  # fmt: skip


def test_a_judge_is_asked_about_every_dish(recipes: Path) -> None:
    found = run(recipes, replying("peas", "salt"), judge=ScriptedEngine("A"))
    assert means(found, "judge", "disagrees_with_itself", "takes_first", "ties") == [1, 1, 0]
    assert found.results[0]["judge"] == {"retrieval_first": "retrieval", "vanilla_first": "vanilla"}


def test_a_dish_whose_name_is_indexed_is_reported_so(recipes: Path) -> None:
    found = run(recipes, replying("x", "y"))
    assert {result["id"]: result["name_is_indexed"] for result in found.results} == {"d": False, "e": True}
    assert {key: found.metrics.extra[key] for key in ("indexed", "held_out", "names_indexed")} == {
        "indexed": 3, "held_out": 2, "names_indexed": 1,
    }  # fmt: skip


def test_a_finished_run_resumed_asks_nothing_again(recipes: Path, tmp_path: Path) -> None:
    first = run(recipes, replying("peas", "salt"), out=tmp_path / "run")
    silent = ScriptedEngine(AssertionError("asked again"))
    silent.name = "scripted"
    again = run(recipes, silent, out=tmp_path / "run", resume=True)
    assert (again.metrics, silent.sent) == (first.metrics, [])


def test_the_index_holds_no_held_out_recipe_and_is_built_once(recipes: Path) -> None:
    indexed = split_file(recipes, 3).indexed
    embedder = CountingEmbeddings()
    built = index_of(indexed, embedder)
    again = index_of(indexed, embedder)
    assert (built.count, again.count, len(embedder.embedded)) == (3, 3, 3)
    assert again.get_by_ids(["d", "e"]) == []


def test_a_copy_under_another_uid_is_not_held_out(tmp_path: Path) -> None:
    path = tmp_path / "recipes.jsonl"
    rows = [*INDEXED, {**INDEXED[0], "uid": "z"}, *HELD_OUT]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = split_file(path, 3)
    assert ([recipe.uid for recipe in split.held_out], split.copies) == (["d", "e"], 1)


def test_the_sample_is_the_seeds_and_never_of_the_indexed_part(recipes: Path) -> None:
    split = split_file(recipes, 1)
    drawn = [[dish.id for dish in split.sample(3, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert "a" not in {dish for dishes in drawn for dish in dishes}
    assert split.sample(4, 0)[0].question.startswith("How do I make ")


def test_shuffled_rows_are_in_an_order_of_their_own(recipes: Path) -> None:
    plain, shuffled = split_file(recipes, 3), split_file(recipes, 3, shuffle=True)
    assert [recipe.uid for recipe in plain.indexed] == ["a", "b", "c"]
    assert [recipe.uid for recipe in shuffled.indexed] != ["a", "b", "c"]
    assert len({recipe.uid for recipe in (*shuffled.indexed, *shuffled.held_out)}) == 5


def test_too_few_dishes_are_said_so(recipes: Path) -> None:
    with pytest.raises(UsageError, match=r"2 recipes are held out, fewer than --n 3"):
        split_file(recipes, 3).sample(3, 0)
    with pytest.raises(UsageError, match=r"choose --index-rows from 1 to 4\.$"):
        split_file(recipes, 5)


def test_the_adapters_of_both_models_are_recorded(recipes: Path, tmp_path: Path) -> None:
    mine, judges = tmp_path / "mine.gguf", tmp_path / "judges.gguf"
    for adapter in (mine, judges):
        adapter.write_text(adapter.name)
    engine = ScriptedEngine(answer("Boil peas."), adapter_files=(mine,))
    judge = ScriptedEngine("A", adapter_files=(judges,))
    run(recipes, engine, judge=judge, out=tmp_path / "run")
    settings = json.loads((tmp_path / "run/settings.json").read_bytes())
    assert (settings["adapters"], settings["judge_adapters"]) == ([sha256(mine)], [sha256(judges)])
