"""At its time limit a turn ends with the best that was found; waited for, over a scripted engine."""

import threading
import time

import pytest
from scripted import ScriptedEngine, answer, call
from session_samples import ARTICLE, SEARCH, SUMMARIZE, only, session, small_index

from agent import Session, build_agent
from tools.index import RecipeIndex


@pytest.fixture(scope="module")
def index() -> RecipeIndex:
    return small_index()


def test_at_the_time_limit_the_best_recipe_is_the_answer(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SEARCH, lambda _: slow_answer(engine))
    turn = session(index, engine, time_limit_s=0.2).ask("crepes?")
    best = index.search("crepes", 1, "hybrid")[0].text
    assert (turn.exit_reason, turn.route) == ("time_limit", "recipe_search")
    assert turn.answer == f"{best}\n\n[The time limit was reached; this is what was found so far.]"


def slow_answer(engine: ScriptedEngine) -> str:
    engine.pause_s = 10.0
    return answer("never said")


def test_at_the_time_limit_a_tool_that_hangs_is_left_behind() -> None:
    released = threading.Event()
    hangs = only("wait", lambda: str(released.wait(10)))
    chat = Session(build_agent(ScriptedEngine(call("wait", "{}")), tools=[hangs]), time_limit_s=0.2)
    started = time.perf_counter()
    turn = chat.ask("wait")
    took = time.perf_counter() - started
    released.set()
    assert (turn.exit_reason, turn.route) == ("time_limit", "wait")
    assert turn.answer == "[The time limit was reached, and nothing was found yet.]"
    assert took < 1


def test_at_the_time_limit_the_parts_of_a_long_text_that_were_read_are_the_answer(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SUMMARIZE, "One.", "Two.", lambda _: slow_answer(engine))
    turn = session(index, engine, time_limit_s=0.2).ask(f"Summarize this: {ARTICLE}")
    assert (turn.exit_reason, turn.route) == ("time_limit", "summarize")
    assert turn.answer == "One. Two.\n\n[The time limit was reached; this is what was found so far.]"
