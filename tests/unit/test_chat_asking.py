"""What becomes of a question in the chat: answered, stopped, failed, retried, edited, undone."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from chat_samples import ASKED, SEARCH, Talk, small_index
from langchain_core.messages import ToolMessage
from scripted import ScriptedEngine, answer, call, wait_for

from agent.policy import PromptedPolicy
from agent.repl import recall
from agent.repl.commands import run_command
from agent.repl.exchanges import Exchange
from agent.repl.loaders import Loaders
from agent.repl.loading import Models
from agent.repl.loop import talk as talk_with
from agent.repl.options import Choice
from tools.errors import ModelFileError, SouschefError
from tools.index import RecipeIndex
from tools.summarize import Summary

LONG = " ".join(f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "klmnprst")  # 200 different words


def states(talk: Talk) -> list[tuple[str, str, bool]]:
    return [(exchange.question, exchange.state, exchange.kept) for exchange in talk.chat.exchanges]


def stop_while_streaming(talk: Talk, line: str) -> str:
    """Run a line and press Ctrl-C once the engine has said something."""
    talk.engine.pause_s = 0.01
    talk.engine.streaming.clear()

    def press() -> None:
        wait_for(talk.engine.streaming)
        talk.chat.interrupt.press()

    presser = threading.Thread(target=press)
    presser.start()
    said = talk.says(line)
    presser.join()
    talk.engine.pause_s = 0
    return said


def test_an_answer_streams_behind_its_steps_and_before_its_sources() -> None:
    said = Talk(None, *ASKED).says("crepes?")
    assert said == (
        "searched recipes: crepes, 3 found, 0 ms\n"
        "Crêpes [1]\n\nIngredients:\n- 250 g flour\n- ½ l milk\n\nSteps:\n1. Whisk.\n2. Bake thin.\n"
        "\n[1] Brittle (brittle)\n[2] Crêpes (crepes)\n[3] Ratatouille (ratatouille)\n"
    )


def test_a_stopped_turn_is_marked_and_the_model_never_reads_it() -> None:
    talk = Talk(None, answer(LONG), answer("Hello!"))
    assert stop_while_streaming(talk, "tell me all").endswith("[stopped]\n")
    assert states(talk) == [("tell me all", "stopped", True)]
    talk.says("hi")
    assert "tell me all" not in talk.engine.prompt()
    assert [exchange.question for exchange in talk.chat.kept] == ["hi"]


def test_a_question_that_was_stopped_is_ready_to_edit_and_has_its_files_still(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("an attached text")
    talk = Talk(None, answer(LONG))
    talk.says(f"/file {tmp_path / 'a.txt'}")
    drafts: list[str] = []
    talk.engine.pause_s = 0.01

    def press() -> None:
        wait_for(talk.engine.streaming)
        talk.chat.interrupt.press()

    class Once:
        def ask(self, draft: str = "") -> str:
            drafts.append(draft)
            if len(drafts) > 1:
                raise EOFError
            threading.Thread(target=press).start()
            return "what is it?"

    talk_with(talk.chat, Once())
    assert drafts == ["", "what is it?"]
    assert talk.chat.attached == [("a.txt", "an attached text")]


def test_a_retry_takes_the_place_of_the_first_answer() -> None:
    talk = Talk(None, answer("First."), answer("Second."), answer("Third."))
    assert talk.says("hi", "/retry 0.9") == "First.\nSecond.\n"
    assert states(talk) == [("hi", "done", False), ("hi", "done", True)]
    assert talk.engine.decodings[1].temperature == 0.9
    assert talk.engine.prompt(1) == talk.engine.prompt(0)
    talk.says("more")
    assert ("First." in talk.engine.prompt(), "Second." in talk.engine.prompt()) == (False, True)


def test_a_retry_without_tools_asks_the_model_alone() -> None:
    talk = Talk(None, answer("First."), "Plain.")
    assert talk.says("hi", "/retry no-tools").endswith("Plain.\n")
    assert talk.engine.decodings[1].grammar is None


def test_a_stopped_retry_leaves_the_first_answer_in_place() -> None:
    talk = Talk(None, answer("First."), answer(LONG))
    talk.says("hi")
    stop_while_streaming(talk, "/retry")
    assert states(talk) == [("hi", "done", True), ("hi", "stopped", True)]
    assert [exchange.answer for exchange in talk.chat.kept] == ["First."]


def test_an_edited_question_takes_the_place_of_the_last() -> None:
    talk = Talk(None, answer("First."), answer("Second."))
    talk.says("helo", "/edit hello")
    assert states(talk) == [("helo", "done", False), ("hello", "done", True)]
    assert "helo" not in talk.engine.prompt()


def test_edit_puts_the_last_question_to_the_prompt() -> None:
    talk = Talk(None)
    talk.says("hi")
    run_command(talk.chat, "/edit")
    assert (talk.chat.draft, talk.chat.replaces) == ("hi", talk.chat.exchanges[0])


def test_undo_takes_the_last_question_back() -> None:
    talk = Talk(None, answer("First."), answer("Second."))
    assert talk.says("one", "two", "/undo").endswith("Taken back: two\n")
    assert states(talk) == [("one", "done", True), ("two", "done", False)]


def test_a_model_that_fails_is_one_sentence_and_the_next_question_is_asked() -> None:
    talk = Talk(None, SouschefError("The server is gone: start it."), answer("Hello!"))
    assert talk.says("one", "two") == "The server is gone: start it.\nHello!\n"
    assert (talk.code, states(talk)) == (1, [("one", "failed", True), ("two", "done", True)])


def test_a_model_that_does_not_load_is_one_sentence_for_each_question() -> None:
    talk = Talk(None)

    def refuse(_: Choice) -> None:
        raise ModelFileError("There is no model: get one.")

    talk.chat.models = Models(Choice("none"), Loaders(engine=refuse))  # type: ignore[arg-type]
    assert talk.says("one", "two") == "There is no model: get one.\n" * 2


def test_ctrl_c_ends_the_wait_for_a_model_that_still_loads() -> None:
    talk, loading = Talk(None), threading.Event()

    def load(_: Choice) -> Any:
        talk.chat.interrupt.press()
        loading.wait(5)

    talk.chat.models = Models(Choice("slow"), Loaders(engine=load))
    assert talk.says("hi") == "[stopped]\n"
    assert (states(talk), talk.code) == ([("hi", "stopped", True)], 130)
    loading.set()


def test_one_ctrl_c_too_many_does_not_end_the_chat() -> None:
    talk = Talk(None)
    drafts: list[str] = []

    class Twice:
        def ask(self, draft: str = "") -> str:
            drafts.append(draft)
            if len(drafts) > 2:
                raise EOFError
            raise KeyboardInterrupt

    talk.chat.draft = "what is roux?"
    talk_with(talk.chat, Twice())
    assert drafts == ["what is roux?"] * 3


def test_a_command_gives_up_what_was_being_edited() -> None:
    talk = Talk(None, answer("One."), answer("Two."))
    talk.says("one", "/edit")
    talk.says("/why", "two")
    assert states(talk) == [("one", "done", True), ("two", "done", True)]


def test_files_of_a_failed_question_do_not_go_on_to_the_next_in_a_script(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text")
    talk = Talk(None, SouschefError("The server is gone: start it."), answer("Two."))
    talk.says(f"/file {tmp_path / 'a.txt'}", "one", "two")
    assert [len(exchange.attachments) for exchange in talk.chat.exchanges] == [1, 0]


def test_a_file_named_in_the_question_is_attached(tmp_path: Path) -> None:
    (tmp_path / "my notes.txt").write_text("Bring water.")
    talk = Talk(None, answer("Water."))
    talk.says(f'what does @"{tmp_path / "my notes.txt"}" say, and @nobody?')
    assert talk.chat.exchanges[0].attachments == [("my notes.txt", "Bring water.")]
    assert "[Attached file] Bring water." in talk.engine.prompt()


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0\1")
    talk = Talk(None)
    assert (
        talk.says(f"read @{tmp_path / 'a.bin'}.")
        == f"{tmp_path / 'a.bin'} is a binary file: give a text file.\n"
    )
    assert talk.chat.exchanges == []


def test_the_summarizer_alone_is_asked_and_asked_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A long text about bread.")
    talk = Talk(None, "Bread.", "Loaves.")
    said = talk.says(f"/summarize {tmp_path / 'a.txt'}", "/retry")
    assert said == "summarized: a.txt, 0 ms\nBread.\nsummarized: a.txt, 0 ms\nLoaves.\n"
    assert [exchange.is_summary for exchange in talk.chat.exchanges] == [True, True]


def test_a_follow_up_after_resuming_reads_what_was_found(tmp_path: Path) -> None:
    Talk(tmp_path, *ASKED).says("crepes?")
    talk = Talk(tmp_path, SEARCH, answer("Use water."))
    assert talk.chat.open_session("1").startswith("Session 1: 1 answer.\n\n> crepes?\n\nCrêpes [1]")
    talk.says("and without milk?")
    assert "[2] Crêpes: 250 g flour; ½ l milk" in talk.engine.prompt(0)
    [*_, found, _] = recall.from_json(talk.chat.exchanges[0].messages)
    assert isinstance(found, ToolMessage)
    assert [type(hit).__name__ for hit in found.artifact] == ["Hit"] * 3
    assert found.artifact[1].recipe.steps == ("Whisk.", "Bake thin.")


def test_a_summary_is_recalled_as_what_it_was(tmp_path: Path) -> None:
    first = Talk(tmp_path, call("summarize", '{"source": "message"}'), "Bread.", answer("It is about bread."))
    first.says(f"summarize this: {LONG}")
    talk = Talk(tmp_path)
    talk.chat.open_session("1")
    [_, _, found, _] = recall.from_json(talk.chat.exchanges[0].messages)
    assert isinstance(found, ToolMessage)
    assert isinstance(found.artifact, Summary)
    assert (found.artifact.text, found.artifact.policy) == ("Bread.", "scripted")


def test_another_model_and_another_summarizer_answer_once_they_are_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A long text about bread.")
    talk, other, writer = Talk(None), ScriptedEngine(answer("Other.")), ScriptedEngine("Bread.")
    closed: list[str] = []
    talk.engine.close = lambda: closed.append("scripted")  # type: ignore[method-assign]
    engines = {"scripted": talk.engine, "openai/other": other}
    loaders = Loaders(
        engine=lambda choice: engines[choice.model],
        index=lambda _: small_index(),
        policy=lambda name: PromptedPolicy(writer, name=name),
    )
    talk.chat.models = Models(Choice("scripted"), loaders)
    summarize = f"/summarize {tmp_path / 'a.txt'}"
    said = talk.says("hi", "/model openai/other", "hi", "/policy openai/p", summarize)
    assert said.splitlines() == [
        "Hello!",
        "openai/other answers from now on; it loads while you type.",
        "Other.",
        "openai/p writes summaries from now on; it loads while you type.",
        "summarized: a.txt, 0 ms",
        "Bread.",
    ]
    told = [(exchange.model, exchange.policy) for exchange in talk.chat.exchanges]
    assert told == [("scripted", ""), ("openai/other", ""), ("openai/other", "openai/p")]
    assert closed == ["scripted"]


def test_settings_reach_the_model() -> None:
    talk = Talk(None)
    talk.says("/set temperature 0.5", "/set max-tokens=99", "/set k 2", "hi")
    assert (talk.engine.decodings[0].temperature, talk.engine.decodings[0].max_tokens) == (0.5, 99)


def test_k_is_how_many_recipes_a_search_finds() -> None:
    said = Talk(None, *ASKED).says("/set k 1", "crepes?")
    assert "searched recipes: crepes, 1 found" in said


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/set k 0", "k is a whole number from 1 to 20: '0' is not."),
        ("/set temperature warm", "temperature is a number from 0 to 2: 'warm' is not."),
        ("/set heat 3", "There is no setting 'heat': set one of temperature, max_tokens, step_limit, k, "
         "time_limit_s, seed."),
        ("/retry", "Nothing has been answered yet: ask something first."),
        ("/sources", "No answer has sources yet: ask for a recipe."),
        ("/load 9", "This chat is not saved: start it without --no-save."),
        ("/index add 'a", "A quotation mark is not closed in \"add 'a\": close it."),
        ("/model nosuch", "There is no model named 'nosuch': `souschef models list` shows all names."),
        ("/export notes.txt", "Name a file that ends in .md or .json: /export FILE.md."),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(line: str, sentence: str) -> None:
    talk = Talk(None)
    assert (talk.says(line), talk.code in (1, 2)) == (f"{sentence}\n", True)


def test_recipes_are_added_for_the_chat(tmp_path: Path) -> None:
    recipe = {"name": "Toast", "ingredients": ["bread"], "steps": ["Toast it."]}
    (tmp_path / "more.jsonl").write_text(json.dumps(recipe))
    talk = Talk(None)
    index = talk.chat.models.index(lambda: False)
    assert isinstance(index, RecipeIndex)
    try:
        assert talk.says(f"/index add {tmp_path / 'more.jsonl'}").startswith(
            "1 added, 0 updated, 0 unchanged"
        )
        assert index.count == 5
    finally:
        index.delete([uid for uid in index._content.uids if "toast" in uid.casefold()])


def test_stats_count_tokens_and_time() -> None:
    talk = Talk(None, answer("Hello!"))
    assert talk.says("/stats").startswith("Nothing has been answered yet. Memory: ")
    lines = talk.says("hi", "/stats").splitlines()
    assert lines[1].startswith("last answer: ")
    assert [line.partition(":")[0] for line in lines[1:]] == ["last answer", "all answers (1)", "memory"]


def test_an_exchange_has_all_that_feedback_needs() -> None:
    talk = Talk(None)
    talk.says("hi", "/good crisp")
    exchange: Exchange = talk.chat.exchanges[0]
    told = (
        exchange.question,
        exchange.answer,
        exchange.model,
        exchange.policy,
        exchange.rating,
        exchange.note,
    )
    assert told == ("hi", "Hello!", "scripted", "", 1, "crisp")
    assert len(exchange.prompts) == 12
