"""`eval agent`: what each kind of agent deserves, and what it gets."""

import json
from pathlib import Path

import pytest
from eval_samples import (
    TEXT,
    always_searching,
    at_random,
    by_route,
    cases,
    evaluated,
    knowing,
    metrics_of,
    pattern,
)
from scripted import ScriptedEngine, answer, call
from session_samples import SEARCH

from agent.commands.eval_options import flat
from agent.evaluation.agent_cases import AgentCase, Expected, sampled
from agent.evaluation.agent_scores import METRIC_NAMES, Taken, baselines, confusion, percentiles, scores
from agent.evaluation.agent_turns import TurnOptions
from agent.policy import PromptedPolicy
from tools.errors import SouschefError, UsageError
from tools.files import sha256

ROUTING = ("route_accuracy", "route_accuracy_by_route")
FIRST = TurnOptions(first_action=True)


def taken(route: str = "recipe_search", **changes: object) -> Taken:
    fields = {
        "route": route, "calls": (("recipe_search", {"query": "Pea Soup"}),), "answer": "Boil the peas.",
        "sources": ("a", "b"), "exit_reason": "answer", "steps": 2, "refused": 0, "input_tokens": 10,
        "output_tokens": 5, "seconds": 1.0, "first_token_s": 0.5,
    }  # fmt: skip
    return Taken(**{**fields, **changes})  # type: ignore[arg-type]


def test_an_agent_that_knows_what_is_right_scores_one() -> None:
    names = ("args_accuracy", "answer_accuracy", "source_recall", "format_error_rate", *ROUTING)
    assert metrics_of(ScriptedEngine(knowing), *names) == [1.0, 1.0, 1.0, 0.0, 1.0, by_route(1, 1, 1)]


def test_an_agent_that_always_searches_is_right_where_a_search_is() -> None:
    found = metrics_of(ScriptedEngine(always_searching), *ROUTING, "args_accuracy", "answer_accuracy")
    assert found == [pytest.approx(1 / 3), by_route(1, 0, 0), 0.0, 0.0]


def test_empty_answers_are_format_errors_that_answer_nothing() -> None:
    engine = ScriptedEngine("", obeys_grammar=False)
    found = metrics_of(engine, *ROUTING, "answer_accuracy", "args_accuracy", "format_error_rate")
    assert found == [pytest.approx(1 / 3), by_route(0, 0, 1), 0.0, 0.0, 1.0]


def test_a_constant_answer_passes_only_where_it_is_the_answer() -> None:
    found = metrics_of(ScriptedEngine(answer("Jupiter.")), *ROUTING, "answer_accuracy", "source_recall")
    assert found == [pytest.approx(1 / 3), by_route(0, 0, 1), 0.5, 0.0]


def test_a_random_router_is_right_about_one_time_in_three() -> None:
    found = evaluated(ScriptedEngine(at_random), cases(8), options=FIRST).metrics
    interval = found.intervals["route_accuracy"]
    assert interval["low"] < found.extra["baselines"]["route_accuracy"]["at random"] < interval["high"]


def test_the_first_decision_runs_no_tool_and_writes_out_no_answer() -> None:
    engine = ScriptedEngine(answer("Jupiter is " + "very " * 100 + "large."), piece_characters=10)
    found = evaluated(engine, cases(1), options=FIRST)
    assert found.metrics.metrics["route_accuracy_by_route"] == by_route(0, 0, 1)
    assert found.metrics.metrics["answer_accuracy"] is None
    assert found.metrics.metrics["output_tokens"] < 10
    searching = evaluated(ScriptedEngine(knowing), cases(1), options=FIRST)
    assert [len(result["calls"]) for result in searching.results] == [1, 1, 0]
    assert searching.metrics.metrics["route_accuracy"] == searching.metrics.metrics["args_accuracy"] == 1.0


def test_questions_asked_before_are_in_the_conversation_and_not_in_the_figures() -> None:
    case = AgentCase("next", "direct: and now?", Expected("direct"), history=("recipe_search crepes",))
    engine = ScriptedEngine(knowing)
    result = evaluated(engine, [case]).results[0]
    assert (result["route"], result["steps_written"], result["calls"]) == ("direct", 1, [])
    assert "recipe_search crepes" in engine.prompt()


def test_an_attached_text_is_what_a_summary_is_of() -> None:
    engine = ScriptedEngine(call("summarize", '{"source": "file"}'), "The mill closed.", answer("It closed."))
    case = AgentCase("file", "Shorten it.", Expected("summarize", {"source": pattern("^file$")}), file=TEXT)
    result = evaluated(engine, [case]).results[0]
    assert (result["observations"], result["failed"]) == (["The mill closed."], [])


def test_steps_that_cannot_be_read_are_counted_with_their_retries() -> None:
    engine = ScriptedEngine("Soup, I think.", answer("Soup."), obeys_grammar=False)
    found = evaluated(engine, [AgentCase("one", "hello", Expected("direct"))]).metrics
    assert found.extra["format_errors"] == {"refused": 1, "steps": 2}
    assert found.metrics["format_error_rate"] == 0.5


def test_a_tool_that_is_not_there_is_a_route_of_its_own() -> None:
    engine = ScriptedEngine(call("order_food", "{}"), answer("Done."))
    found = evaluated(engine, [AgentCase("one", "pizza", Expected("recipe_search"))]).metrics
    assert found.extra["confusion"]["taken"][-1] == "other"


def test_a_question_that_is_too_long_for_the_model_fails_alone() -> None:
    judged = [
        AgentCase("long", "word " * 140, Expected("direct")),
        AgentCase("short", "hi", Expected("direct")),
    ]
    found = evaluated(ScriptedEngine(answer("Hello."), context_tokens=320), judged)
    assert [result["route"] for result in found.results] == ["none", "direct"]


def test_an_engine_that_fails_ends_the_run_and_keeps_what_is_finished(tmp_path: Path) -> None:
    engine = ScriptedEngine(answer("Hm."), SouschefError("The server is gone."))
    with pytest.raises(SouschefError, match="server is gone"):
        evaluated(engine, cases(1), out=tmp_path / "run")
    whole = evaluated(ScriptedEngine(answer("Hm.")), cases(1), out=tmp_path / "run", resume=True)
    lines = (tmp_path / "run/results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [
        "search-0", "sum-0", "direct-0",
    ]  # fmt: skip
    assert json.loads((tmp_path / "run/metrics.json").read_bytes()) == whole.metrics.to_json()


def test_a_resumed_run_must_ask_the_same_cases(tmp_path: Path) -> None:
    evaluated(ScriptedEngine(answer("Hm.")), cases(1), out=tmp_path / "run")
    with pytest.raises(UsageError, match="cases_sha256"):
        evaluated(ScriptedEngine(answer("Hm.")), cases(2), out=tmp_path / "run", resume=True)


def test_a_resumed_run_must_have_the_same_adapter(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    adapter.write_bytes(b"as it was")
    engine = ScriptedEngine(answer("Hm."), adapter_files=(adapter,))
    found = evaluated(engine, cases(1), out=tmp_path / "run")
    assert evaluated(engine, cases(1), out=tmp_path / "run", resume=True) == found
    adapter.write_bytes(b"trained again")
    with pytest.raises(UsageError, match="begun with adapters ="):
        evaluated(engine, cases(1), out=tmp_path / "run", resume=True)


def test_an_adapter_of_the_policy_is_recorded_too(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    adapter.write_bytes(b"weights")
    policy = PromptedPolicy(ScriptedEngine("Short.", adapter_files=(adapter,)))
    evaluated(ScriptedEngine(answer("Hm.")), cases(1), policy=policy, out=tmp_path / "run")
    settings = json.loads((tmp_path / "run/settings.json").read_bytes())
    assert (settings["adapters"], settings["policy_adapters"]) == (None, [sha256(adapter)])


def test_several_workers_find_the_same_as_one() -> None:
    alone, together = (
        evaluated(ScriptedEngine(knowing), cases(2), workers=workers, options=FIRST) for workers in (1, 4)
    )
    assert [r["calls"] for r in alone.results] == [r["calls"] for r in together.results]


def test_the_seed_draws_the_cases_of_a_limit() -> None:
    drawn = [[case.id for case in sampled(cases(9), 6, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert evaluated(ScriptedEngine(SEARCH), cases(2), limit=2, options=FIRST).metrics.n == 2


def test_the_names_that_a_minimum_may_have_are_the_metrics_there_are() -> None:
    found = evaluated(ScriptedEngine(answer("Hm.")), cases(1)).metrics.metrics
    assert set(flat(found)) == set(METRIC_NAMES)


@pytest.mark.parametrize(
    ("expect", "did", "name", "score"),
    [
        (Expected("recipe_search", {"query": pattern("pea")}), taken(), "args_accuracy", 1.0),
        (Expected("recipe_search", {"query": pattern("(?-i:pea)")}), taken(), "args_accuracy", 0.0),
        (Expected("recipe_search", {"k": pattern("3")}), taken(), "args_accuracy", 0.0),
        (Expected("summarize", {"source": pattern("file")}), taken(), "args_accuracy", 0.0),
        (Expected("direct"), taken(), "args_accuracy", None),
        (Expected("direct", answer=(pattern("boil"), pattern("ham"))), taken(), "answer_accuracy", 0.0),
        (Expected("direct", answer=(pattern("boil"),)), taken(answer=None), "answer_accuracy", None),
        (Expected("recipe_search", sources=("b", "c")), taken(), "source_recall", 0.5),
        (Expected("recipe_search"), taken(steps=4, refused=1), "format_error_rate", 0.25),
    ],
)
def test_each_check_is_worth_what_it_says(
    expect: Expected, did: Taken, name: str, score: float | None
) -> None:
    assert scores(expect, did)[name] == score


def test_the_confusion_matrix_counts_each_pair() -> None:
    expected = ["direct"] * 3 + ["summarize"] * 2 + ["recipe_search"]
    taken_routes = ["direct", "recipe_search", "none", "summarize", "weather", "recipe_search"]
    assert confusion(expected, taken_routes) == {
        "expected": ["recipe_search", "summarize", "direct"],
        "taken": ["recipe_search", "summarize", "direct", "other", "none"],
        "counts": [[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [1, 0, 1, 0, 1]],
    }


def test_baselines_and_percentiles_are_the_ones_worked_out_by_hand() -> None:
    found = baselines(["direct", "direct", "summarize", "recipe_search"])["route_accuracy"]
    assert [found["always direct"], found["always summarize"], found["at random"]] == [0.5, 0.25, 1 / 3]
    assert percentiles([4.0, 1.0, 2.0, 3.0, 5.0]) == {"p50": 3.0, "p90": 4.6, "p99": 4.96, "max": 5.0}
