"""What keeps a turn from going on for ever, seen by the graph itself rather than through a session."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool, ToolException
from langgraph.graph.state import CompiledStateGraph
from scripted import ScriptedEngine, answer, call

from agent import build_agent
from agent.limits import FORCED, REPEATED, SECONDS

ran: list[str] = []


def look(where: str) -> str:
    """Look somewhere."""
    ran.append(where)
    if where == "nowhere":
        raise ToolException("Nothing is there.")
    return f"seen: {where}"


@pytest.fixture(autouse=True)
def _nothing_has_run() -> None:
    ran.clear()


def agent(engine: ScriptedEngine, step_limit: int = 3) -> CompiledStateGraph[Any, Any, Any, Any]:
    return build_agent(
        engine, tools=[StructuredTool.from_function(look, handle_tool_error=True)], step_limit=step_limit
    )


def run(engine: ScriptedEngine, step_limit: int = 3) -> list[BaseMessage]:
    found: list[BaseMessage] = agent(engine, step_limit).invoke({"messages": [HumanMessage("look")]})[
        "messages"
    ]
    return found


def looking(where: str) -> str:
    return call("look", f'{{"where": "{where}"}}', thought=f"look {where}")


def forced(messages: list[BaseMessage]) -> bool:
    return FORCED in messages[-1].response_metadata


def test_below_the_limit_the_model_decides_for_itself() -> None:
    messages = run(ScriptedEngine(looking("a"), looking("b"), answer("Seen.")))
    assert (ran, messages[-1].text, forced(messages)) == (["a", "b"], "Seen.", False)


def test_at_the_limit_the_last_word_is_forced_and_marked() -> None:
    messages = run(ScriptedEngine(looking("a"), looking("b"), answer("Seen.")), step_limit=2)
    assert (ran, messages[-1].text, forced(messages)) == (["a", "b"], "Seen.", True)


def test_a_failed_call_counts_as_a_step() -> None:
    messages = run(ScriptedEngine(looking("nowhere"), answer("Nothing.")), step_limit=1)
    assert isinstance(messages[2], ToolMessage)
    assert (messages[2].status, messages[2].content, forced(messages)) == ("error", "Nothing is there.", True)


def test_the_tools_stay_in_the_prompt_at_the_limit() -> None:
    engine = ScriptedEngine(looking("a"), answer("Seen."))
    run(engine, step_limit=1)
    assert engine.sent[1][0] == engine.sent[0][0]


def test_a_call_is_timed() -> None:
    [result] = [m for m in run(ScriptedEngine(looking("a"), answer("Seen."))) if isinstance(m, ToolMessage)]
    assert 0 <= result.additional_kwargs[SECONDS] < 1


def test_the_same_call_does_not_run_twice_and_forces_an_answer() -> None:
    engine = ScriptedEngine(looking("a"), looking("a"), answer("Seen."))
    messages = run(engine)
    assert (ran, messages[-1].text, forced(messages)) == (["a"], "Seen.", False)
    assert [REPEATED in m.additional_kwargs for m in messages if isinstance(m, ToolMessage)] == [False, True]
    assert '"Action: ' not in (engine.decodings[-1].grammar or "")


def test_other_arguments_are_another_call() -> None:
    run(ScriptedEngine(looking("a"), looking("b"), looking("a "), answer("Seen.")), step_limit=4)
    assert ran == ["a", "b", "a "]


def test_a_new_turn_begins_anew() -> None:
    engine = ScriptedEngine(looking("a"), answer("Seen."), looking("a"), answer("Seen again."))
    graph = agent(engine, step_limit=1)
    before = graph.invoke({"messages": [HumanMessage("look")]})["messages"]
    after = graph.invoke({"messages": [*before, HumanMessage("look again")]})["messages"]
    assert (ran, after[-1].text) == (["a", "a"], "Seen again.")


def test_an_engine_without_a_grammar_that_will_not_answer_is_ended() -> None:
    messages = run(ScriptedEngine(looking("a"), obeys_grammar=False), step_limit=1)
    last = messages[-1]
    assert isinstance(last, AIMessage)
    assert (ran, last.tool_calls, len(messages)) == (["a"], [], 4)
