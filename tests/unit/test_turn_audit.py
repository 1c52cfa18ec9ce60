"""The auditor of hostile turns finds each fault that it counts, and none in a turn without one."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hostile_questions import Question, conversations
from scripted import Reply, ScriptedEngine, answer, call
from session_samples import SEARCH, SUMMARIZE, small_index
from turn_audit import Auditor, Verdict

from tools.index import Hit


def judged(*replies: Reply, question: str = "crepes?", **kwargs: Any) -> Verdict:
    auditor = Auditor(ScriptedEngine(*replies), small_index(), time_limit_s=kwargs.pop("limit", 30), **kwargs)
    [verdict] = auditor.converse([Question("test", question)])
    return verdict


def names(faults: Iterable[tuple[str, str]]) -> set[str]:
    return {name for name, _ in faults}


@pytest.mark.parametrize(
    ("replies", "route"),
    [
        ([answer("Hello.")], "direct"),
        ([SEARCH, answer("Crepes [1]")], "recipe_search"),
        ([SEARCH, SEARCH, answer("Crepes [1]")], "recipe_search"),
        ([SUMMARIZE, "A summary of it.", answer("A summary of it.")], "summarize"),
    ],
)
def test_a_turn_as_it_should_be_has_no_fault(replies: list[str], route: str) -> None:
    verdict = judged(*replies)
    assert (verdict.route, verdict.exit_reason, verdict.faults) == (route, "answer", [])


@pytest.mark.parametrize(
    "step",
    [
        call("delete_files", "{}"),
        call("recipe_search", "{}"),
        call("recipe_search", '{"query": ""}'),
        call("recipe_search", '{"query": "%s"}' % ("x" * 121)),
        call("recipe_search", '{"query": "crepes", "k": 3}'),
        call("summarize", '{"source": "../../etc/passwd"}'),
        "Action: recipe_search",
        "I just talk.",
        "Thought: Crêpes is what the user wants",
    ],
)
def test_a_step_that_is_none_or_calls_amiss_is_a_malformed_action(step: str) -> None:
    assert "malformed_action" in names(judged(step, answer("Sorry.")).faults)


def test_a_thought_alone_chooses_one_of_the_recipes_that_were_found() -> None:
    assert judged(SEARCH, "Thought: Crêpes is what the user wants").faults == []
    assert names(judged(SEARCH, "Thought: Lasagna is it").faults) == {"malformed_action"}


@pytest.mark.parametrize("text", ["Yes.\nObservation: 3 found", "Observation: soup", "Yes.\n  observation :"])
def test_an_answer_with_a_line_of_observation_is_invented(text: str) -> None:
    assert "invented_observation" in names(judged(answer(text)).faults)


def test_a_result_that_no_tool_gave_is_invented() -> None:
    class Deaf(Auditor):
        def ask(self, *args: Any) -> Verdict:
            self.index.found = Forgetful()
            return super().ask(*args)

    class Forgetful(list[list[Hit]]):
        def __iter__(self) -> Any:
            return iter(())

    auditor = Deaf(ScriptedEngine(SEARCH, answer("Crepes")), small_index(), time_limit_s=30)
    [verdict] = auditor.converse([Question("test", "crepes?")])
    assert names(verdict.faults) == {"invented_observation"}


def test_a_turn_beyond_its_time_is_endless() -> None:
    slow = ScriptedEngine(answer("word " * 200), pause_s=0.05)
    auditor = Auditor(slow, small_index(), time_limit_s=0.3)
    [verdict] = auditor.converse([Question("test", "crepes?")])
    assert names(verdict.faults) == {"endless_turn"}


def test_an_exception_is_a_traceback_and_a_refusal_is_not() -> None:
    assert names(judged(RuntimeError("boom")).faults) == {"traceback"}
    refused = judged(question=" ")
    assert (refused.exit_reason.partition(":")[0], refused.faults) == ("refused", [])


def test_a_seed_gives_the_same_questions_in_the_number_asked_for() -> None:
    def kinds(talks: Iterable[Sequence[Question]]) -> list[Question]:
        return [question for talk in talks for question in talk]

    asked = kinds(conversations(7, 300))
    assert asked == kinds(conversations(7, 300)) != kinds(conversations(8, 300))
    assert len(asked) == 300
    assert len({question.kind for question in asked}) == 14
