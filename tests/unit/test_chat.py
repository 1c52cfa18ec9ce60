"""ReActChat over a scripted engine: tool calls, thoughts, retries, usage, and what the engine is sent."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from scripted import ScriptedEngine, answer, call

from agent.chat import ReActChat
from agent.stopping import Stop, TurnStopped, stopping
from tools.errors import SouschefError


@tool
def recipe_search(query: str) -> str:
    """Find recipes."""
    return query


@tool
def weather(place: str) -> str:
    """Tell the weather."""
    return place


SEARCH = call("recipe_search", '{"query": "pie"}', thought="a recipe is needed")
CALLED = [{"name": "recipe_search", "args": {"query": "pie"}}]


def asked(engine: ScriptedEngine, text: str = "pie?", tool_choice: Any = None, **kwargs: Any) -> AIMessage:
    chat = ReActChat(engine=engine, **kwargs).bind_tools([recipe_search, weather], tool_choice=tool_choice)
    return chat.invoke(text)


def calls(message: AIMessage) -> list[dict[str, Any]]:
    return [{"name": each["name"], "args": each["args"]} for each in message.tool_calls]


def test_an_action_becomes_a_tool_call_with_its_thought_as_reasoning() -> None:
    message = asked(ScriptedEngine(SEARCH))
    kinds = [(block["type"], block.get("reasoning")) for block in message.content_blocks]
    assert (calls(message), message.text) == (CALLED, "")
    assert kinds == [("reasoning", "a recipe is needed"), ("tool_call", None)]


def test_a_final_answer_becomes_the_text_and_the_thought_does_not() -> None:
    message = asked(ScriptedEngine(answer("Pie it is.", thought="easy")))
    assert (message.text, message.tool_calls) == ("Pie it is.", [])
    assert message.content_blocks[0]["type"] == "reasoning"


def test_without_tools_it_is_a_plain_chat() -> None:
    engine = ScriptedEngine("Hello: there")
    message = ReActChat(engine=engine).invoke([SystemMessage("be brief"), HumanMessage("hi")])
    sent = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert (message.text, engine.sent, engine.decodings[0].grammar) == ("Hello: there", [sent], None)


def test_the_tools_and_the_format_are_explained_before_the_conversation() -> None:
    engine = ScriptedEngine(answer("ok"))
    asked(engine)
    system = engine.sent[0][0]["content"]
    assert '- recipe_search: Find recipes. Arguments: {"query": string}' in system
    assert "one of recipe_search, weather" in system


def test_pieces_are_streamed_as_they_are_certain_and_add_up_to_the_message() -> None:
    chat = ReActChat(engine=ScriptedEngine(SEARCH, piece_characters=4)).bind_tools([recipe_search])
    chunks = [chunk for chunk in chat.stream("pie?") if isinstance(chunk, AIMessageChunk)]
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert [piece["name"] for piece in pieces] == ["recipe_search"] + [None] * (len(pieces) - 1)
    assert "".join(piece["args"] or "" for piece in pieces) == '{"query": "pie"}'
    assert len(pieces) >= 4


def test_streamed_calls_stand_in_the_content_of_v1_messages_too() -> None:
    chat = ReActChat(engine=ScriptedEngine(SEARCH), output_version="v1").bind_tools([recipe_search])
    whole: BaseMessage | None = None
    for chunk in chat.stream("pie?"):
        whole = chunk if whole is None else whole + chunk  # type: ignore[assignment]
    assert isinstance(whole, AIMessageChunk)
    assert [block["type"] for block in whole.content_blocks] == ["reasoning", "tool_call"]


def test_usage_and_origin_are_reported() -> None:
    engine = ScriptedEngine(answer("Pie it is.", thought="easy"))
    message = asked(engine)
    read = engine.count_tokens(engine.sent[0])
    assert message.usage_metadata == {"input_tokens": read, "output_tokens": 7, "total_tokens": read + 7}
    assert message.response_metadata["model_name"] == "scripted"
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("choice", "actions", "may_reply"),
    [
        (None, ["recipe_search", "weather"], True),
        ("auto", ["recipe_search", "weather"], True),
        ("any", ["recipe_search", "weather"], False),
        ("required", ["recipe_search", "weather"], False),
        ("weather", ["weather"], False),
        ({"type": "function", "function": {"name": "weather"}}, ["weather"], False),
        ("none", [], True),
    ],
)
def test_the_tool_choice_decides_the_grammar(choice: Any, actions: list[str], may_reply: bool) -> None:
    engine = ScriptedEngine(answer("ok") if may_reply else call("weather", '{"place": "Rome"}'))
    asked(engine, tool_choice=choice)
    grammar = engine.decodings[0].grammar or ""
    offered = [name for name in ("recipe_search", "weather") if f'"Action: {name}' in grammar]
    assert (offered, '"Final Answer: "' in grammar) == (actions, may_reply)


def test_a_choice_that_is_no_tool_is_the_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="tool_choice 'bake' is none of"):
        asked(ScriptedEngine(SEARCH), tool_choice="bake")


def test_structured_output_is_a_forced_call() -> None:
    class Dish(BaseModel):
        """A dish."""

        name: str
        minutes: int

    engine = ScriptedEngine(call("Dish", '{"name": "pie", "minutes": 40}'))
    assert ReActChat(engine=engine).with_structured_output(Dish).invoke("pie?") == Dish(
        name="pie", minutes=40
    )


# ---- engines without grammars


def lenient(*replies: str) -> ScriptedEngine:
    return ScriptedEngine(*replies, obeys_grammar=False)


def test_without_a_grammar_the_engine_is_sent_none_but_a_stop_string() -> None:
    engine = lenient(SEARCH)
    asked(engine)
    assert (engine.decodings[0].grammar, engine.decodings[0].stop) == (None, ("\nObservation:",))


def test_without_a_grammar_a_made_up_observation_is_cut_off() -> None:
    message = asked(lenient(f"{SEARCH}\nObservation: a pie\nThought: ok\nFinal Answer: Made up."))
    assert (calls(message), message.text) == (CALLED, "")


def test_a_mistake_is_shown_to_the_model_once() -> None:
    engine = lenient("Pie is nice.", SEARCH)
    message = asked(engine)
    assert (calls(message), message.text, len(engine.sent)) == (CALLED, "", 2)
    assert engine.sent[1][: len(engine.sent[0])] == engine.sent[0]
    assert engine.sent[1][-2] == {"role": "assistant", "content": "Pie is nice."}
    assert 'there is no line "Action:" or "Final Answer:"' in engine.sent[1][-1]["content"]


def test_after_a_second_mistake_the_text_is_the_answer() -> None:
    engine = lenient("Pie is nice.", "Really nice.", "never asked for")
    message = asked(engine)
    assert (message.text, message.tool_calls, len(engine.sent)) == ("Really nice.", [], 2)


def test_a_retry_counts_towards_usage() -> None:
    engine = lenient("Pie is nice.", answer("Yes."))
    message = asked(engine)
    assert message.usage_metadata
    assert message.usage_metadata["output_tokens"] == 3 + 7
    assert message.usage_metadata["input_tokens"] == sum(map(engine.count_tokens, engine.sent))


def test_a_forbidden_action_is_a_mistake_and_never_a_call() -> None:
    engine = lenient(SEARCH)
    message = asked(engine, tool_choice="none")
    assert (message.tool_calls, len(engine.sent)) == ([], 2)
    assert message.text


def test_an_engine_with_a_grammar_is_not_asked_again() -> None:
    engine = ScriptedEngine("Pie is nice.")
    assert (asked(engine).text, len(engine.sent)) == ("Pie is nice.", 1)


def test_an_action_that_the_token_limit_cut_is_shown_neither_as_text_nor_as_a_whole_call() -> None:
    message = asked(ScriptedEngine('Thought: hm\nAction: recipe_search\nAction Input: {"query": "pie'))
    assert "Action" not in message.text
    assert calls(message) in ([], [{"name": "recipe_search", "args": {"query": "pie"}}])


# ---- limits of an answer


def test_an_answer_has_room_beside_a_conversation_that_fills_the_context() -> None:
    engine = ScriptedEngine(answer("ok"), context_tokens=400)
    history: list[BaseMessage] = [HumanMessage("w " * 80), AIMessage("w " * 80)] * 5
    ReActChat(engine=engine, max_tokens=100).bind_tools([recipe_search]).invoke(
        [*history, HumanMessage("pie?")]
    )
    assert engine.count_tokens(engine.sent[0]) + 100 <= 400
    assert engine.sent[0][-1] == {"role": "user", "content": "pie?"}


def test_a_question_longer_than_the_context_is_refused_in_one_sentence() -> None:
    with pytest.raises(SouschefError, match="longer than the model's context"):
        asked(ScriptedEngine(answer("ok"), context_tokens=300), "word " * 149, max_tokens=100)


def test_generation_stops_with_its_turn() -> None:
    stop = Stop()
    stop.because("cancelled")
    with stopping(stop), pytest.raises(TurnStopped):
        asked(ScriptedEngine(SEARCH))


def test_stop_strings_end_a_plain_answer() -> None:
    assert ReActChat(engine=ScriptedEngine("one two three")).invoke("count", stop=["two"]).text == "one "


def test_an_answer_that_goes_round_in_circles_is_ended() -> None:
    engine = ScriptedEngine(answer("Stir. " + "And then stir it all once more again. " * 200))
    assert len(asked(engine, max_tokens=2000).text) < 600
