"""Conversations with the agent over a scripted engine: events, follow-ups, step limits and errors."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from index_samples import SAMPLES, CountingEmbeddings
from scripted import ScriptedEngine, answer, call
from session_samples import ARTICLE, SEARCH, SUMMARIZE, only, session, small_index

from agent import Session, build_agent
from agent.events import Answering, Calling, Finished, Observed, Source, StepRecord, Thinking
from prompts import prompt
from tools.errors import SouschefError, UsageError
from tools.index import RecipeIndex
from tools.search import search_text


@pytest.fixture(scope="module")
def index() -> RecipeIndex:
    return small_index()


def test_a_turn_is_told_in_events_and_ends_with_its_record(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, answer("Crêpes [1]"), piece_characters=1000)
    events = list(session(index, engine).stream("crepes?"))
    assert [type(event) for event in events] == [Thinking, Calling, Observed, Thinking, Answering, Finished]
    assert events[0] == Thinking("a recipe is needed")
    assert events[1] == Calling("recipe_search", {"query": "crepes"})
    assert events[4] == Answering("Crêpes [1]")


def test_thoughts_and_answers_arrive_in_pieces_that_add_up(index: RecipeIndex) -> None:
    engine = ScriptedEngine(answer("Hello, you. How are you?", thought="a greeting"), piece_characters=2)
    events = list(session(index, engine).stream("hi"))
    thought = [event.text for event in events if isinstance(event, Thinking)]
    said = [event.text for event in events if isinstance(event, Answering)]
    assert ("".join(thought), "".join(said)) == ("a greeting", "Hello, you. How are you?")
    assert (len(thought), len(said)) > (3, 8)


def test_the_record_has_exactly_the_keys_that_scripts_depend_on(index: RecipeIndex) -> None:
    record = session(index, ScriptedEngine(SEARCH, answer("Crêpes [1]"))).ask("crepes?").to_dict()
    keys = ["question", "answer", "route", "steps", "sources", "exit_reason", "usage", "timing_s", "model"]
    assert list(record) == keys
    assert list(record["steps"][0]) == ["thought", "tool", "args", "observation", "error"]
    assert list(record["sources"][0]) == ["uid", "name", "score"]
    assert list(record["usage"]) == ["input_tokens", "output_tokens"]
    assert list(record["timing_s"]) == ["total", "model", "tools", "first_token"]


def test_the_record_tells_route_steps_sources_and_tokens(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, answer("Crêpes [1]"))
    turn = session(index, engine).ask("crepes?")
    hits = index.search("crepes", 3, "hybrid")
    step = StepRecord("a recipe is needed", "recipe_search", {"query": "crepes"}, search_text(hits), False)
    assert (turn.question, turn.answer, turn.model) == ("crepes?", "Crêpes [1]", "scripted")
    assert (turn.route, turn.steps, turn.exit_reason) == ("recipe_search", (step,), "answer")
    assert turn.sources == tuple(Source(hit.uid, hit.name, hit.score) for hit in hits)
    assert turn.input_tokens == sum(map(engine.count_tokens, engine.sent))
    assert 0 <= turn.timing.first_token <= turn.timing.total


def test_an_answer_without_tools_is_direct(index: RecipeIndex) -> None:
    turn = session(index, ScriptedEngine(answer("Hello!"))).ask("hi")
    assert (turn.route, turn.steps, turn.sources) == ("direct", (), ())


def test_an_agent_without_tools_answers_in_plain_text() -> None:
    engine = ScriptedEngine("Hello!")
    turn = Session(build_agent(engine, tools=[])).ask("hi")
    assert (turn.answer, turn.route, engine.decodings[0].grammar) == ("Hello!", "direct", None)
    assert engine.sent[0][0]["content"] == prompt("agent_plain")


def test_follow_ups_see_what_was_said_and_found(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, answer("Crêpes [1]"), answer("Use water."))
    chat = session(index, engine)
    chat.ask("crepes?")
    assert chat.ask("and without milk?").answer == "Use water."
    said = [message["content"] for message in engine.sent[-1]][-5:]
    assert said[0] == "crepes?"
    assert said[1] == SEARCH
    assert said[2].startswith("Observation: ")
    assert said[3].endswith("Final Answer: Crêpes [1]")
    assert said[4] == "and without milk?"


def test_an_empty_question_is_refused(index: RecipeIndex) -> None:
    chat = session(index, ScriptedEngine(answer("never")))
    with pytest.raises(UsageError, match="The question is empty"):
        chat.ask(" \n")
    assert chat.messages == []


# ---- long texts


def test_a_long_article_is_summarized_whole_and_never_sent_whole(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SUMMARIZE, *["Bread is good."] * 5, answer("Bread is good."), context_tokens=4096)
    turn = session(index, engine).ask(f"Please summarize this: {ARTICLE}")
    summarizing = "\n".join(messages[-1]["content"] for messages in engine.sent[1:-1])
    assert (turn.route, turn.answer) == ("summarize", "Bread is good.")
    assert [n for n in range(1000) if f"Sentence {n} is about bread." not in summarizing] == []
    assert "the whole message has 5,003 words" in engine.sent[0][-1]["content"]
    assert max(map(engine.count_tokens, engine.sent)) < 4096


def test_an_attached_file_is_summarized_by_name(index: RecipeIndex) -> None:
    engine = ScriptedEngine(call("summarize", '{"source": "file"}'), "A short file.", answer("It is short."))
    turn = session(index, engine).ask("what does it say?", [("note.txt", "Bread needs time.")])
    assert "Bread needs time." in engine.prompt(1)
    assert turn.steps[0].observation == "A short file."


def test_a_recipe_that_was_found_is_summarized_by_number(index: RecipeIndex) -> None:
    summarize = call("summarize", '{"source": "recipe 1"}')
    engine = ScriptedEngine(SEARCH, summarize, "Whisk and bake.", answer("So."))
    session(index, engine).ask("crepes in short?")
    assert index.search("crepes", 1, "hybrid")[0].text in engine.prompt(2)


# ---- small contexts


def used_tokens(index: RecipeIndex, question: str) -> tuple[int, int]:
    """What a question takes with the examples, and without them."""
    engine = ScriptedEngine(answer("Hello!"))
    session(index, engine).ask(question)
    [sent] = engine.sent
    return engine.count_tokens(sent), engine.count_tokens([sent[0], sent[-1]])


def test_in_a_small_context_the_examples_go_and_the_question_stays(index: RecipeIndex) -> None:
    most, least = used_tokens(index, "hi")
    engine = ScriptedEngine(answer("Hello!"), context_tokens=2 * (most - 1))
    assert session(index, engine).ask("hi").answer == "Hello!"
    assert engine.count_tokens(engine.sent[0]) == least


def test_in_a_smaller_context_the_answer_has_the_least_room_that_it_needs(index: RecipeIndex) -> None:
    context = used_tokens(index, "hi")[1] + 64
    engine = ScriptedEngine(answer("Hello!"), context_tokens=context)
    assert session(index, engine).ask("hi").answer == "Hello!"
    assert engine.decodings[0].max_tokens == 64


def test_a_context_that_is_too_small_is_named_with_its_own_size(index: RecipeIndex) -> None:
    context = used_tokens(index, "hi")[1] + 63
    chat = session(index, ScriptedEngine(answer("never"), context_tokens=context))
    with pytest.raises(SouschefError, match=f"the model's context of {context} tokens"):
        chat.ask("hi")


# ---- limits


def searches() -> Iterator[str]:
    for number in range(1000):
        yield call("recipe_search", f'{{"query": "dish {number}"}}')


def test_at_the_step_limit_the_model_must_answer(index: RecipeIndex) -> None:
    steps = searches()
    engine = ScriptedEngine(lambda _: next(steps) if len(engine.sent) <= 2 else answer("The best I found."))
    turn = session(index, engine, step_limit=2).ask("dinner?")
    assert (turn.answer, len(turn.steps), turn.exit_reason) == ("The best I found.", 2, "step_limit")
    assert ['"Action: ' in (decoding.grammar or "") for decoding in engine.decodings] == [True, True, False]


def test_an_engine_that_only_ever_calls_tools_comes_to_an_end(index: RecipeIndex) -> None:
    steps = searches()
    engine = ScriptedEngine(lambda _: next(steps), obeys_grammar=False)
    turn = session(index, engine, step_limit=2).ask("dinner?")
    assert (len(turn.steps), turn.exit_reason, len(engine.sent)) == (2, "step_limit", 4)


def test_the_same_call_is_run_once_and_then_the_model_must_answer(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, SEARCH, answer("Crêpes [1]"))
    turn = session(index, engine).ask("crepes?")
    assert (turn.answer, turn.exit_reason) == ("Crêpes [1]", "answer")
    assert [step.error for step in turn.steps] == [False, True]
    assert turn.steps[1].observation == prompt("repeated_call")
    assert '"Action: ' not in (engine.decodings[2].grammar or "")


def test_the_same_call_in_a_later_turn_runs_again(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, answer("Crêpes [1]"), SEARCH, answer("Again."))
    chat = session(index, engine)
    chat.ask("crepes?")
    assert [step.error for step in chat.ask("crepes again?").steps] == [False]


def test_the_best_recipe_is_cut_where_it_is_longer_than_an_answer_may_be() -> None:
    index = RecipeIndex(CountingEmbeddings())
    index.add([replace(SAMPLES[0], steps=("Mix it well. " * 8_000,))])
    engine = ScriptedEngine(SEARCH, SouschefError("The server is gone: start it."))
    turn = session(index, engine).ask("crepes?")
    assert len(turn.answer) < 5100
    assert " ...\n\n[The server is gone: start it; this is what was found so far.]" in turn.answer


# ---- mistakes and errors


def test_arguments_that_a_tool_refuses_become_an_observation(index: RecipeIndex) -> None:
    engine = ScriptedEngine(call("recipe_search", '{"dish": "pie"}'), answer("Sorry."), obeys_grammar=False)
    [step] = session(index, engine).ask("pie?").steps
    assert (step.error, "query" in step.observation) == (True, True)


def test_an_unknown_tool_becomes_an_observation(index: RecipeIndex) -> None:
    engine = ScriptedEngine(call("bake", "{}"), answer("Sorry."), obeys_grammar=False)
    [step] = session(index, engine).ask("pie?").steps
    assert (step.tool, step.error, "recipe_search" in step.observation) == ("bake", True, True)


def test_an_error_of_the_engine_is_raised_where_nothing_was_found(index: RecipeIndex) -> None:
    chat = session(index, ScriptedEngine(SouschefError("The server is gone: start it.")))
    with pytest.raises(SouschefError, match="The server is gone"):
        chat.ask("pie?")
    assert chat.messages == []


def test_after_an_error_the_user_gets_the_best_that_was_found(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, SouschefError("The server is gone: start it."))
    turn = session(index, engine).ask("crepes?")
    assert turn.exit_reason == "error"
    assert turn.answer.endswith("[The server is gone: start it; this is what was found so far.]")


def test_after_an_error_the_user_gets_the_summary_that_was_written(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SUMMARIZE, "Bread is good.", SouschefError("The server is gone: start it."))
    turn = session(index, engine).ask(f"Summarize this: {'Bread is good. ' * 60}")
    assert turn.exit_reason == "error"
    assert turn.answer.startswith("Bread is good.\n\n[The server is gone")


def test_an_error_of_a_tool_is_raised() -> None:
    def broken() -> str:
        raise SouschefError("The index is gone: build it.")

    chat = Session(build_agent(ScriptedEngine(call("broken", "{}")), tools=[only("broken", broken)]))
    with pytest.raises(SouschefError, match="The index is gone"):
        chat.ask("pie?")


def test_a_bug_in_a_tool_traces_back() -> None:
    chat = Session(build_agent(ScriptedEngine(call("bug", "{}")), tools=[only("bug", lambda: str(1 / 0))]))
    with pytest.raises(ZeroDivisionError):
        chat.ask("pie?")


def test_a_folder_without_an_index_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match="holds no index: make one with `souschef index build"):
        build_agent(ScriptedEngine(answer("never")), tmp_path)
