"""Commands are found by prefix, typos by their nearest name, and the documentation has them all."""

from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agent.repl.commands import COMMANDS, markdown_table, resolve, usage
from agent.repl.completion import ChatCompleter
from tools.errors import UsageError

DOCUMENTED = Path(__file__).parents[2] / "docs" / "chat.md"
ASKED_FOR = {
    "help", "new", "model", "policy", "sources", "why", "retry", "undo", "edit", "file", "index", "summarize",
    "set", "stats", "good", "bad", "quit", "trace", "sessions", "load", "save", "export", "find",
}  # fmt: skip


def completions(line: str) -> list[str]:
    document = Document(line, len(line))
    return [found.text for found in ChatCompleter().get_completions(document, CompleteEvent())]


def test_every_command_is_there_and_explains_itself() -> None:
    assert set(COMMANDS) == ASKED_FOR
    assert all(what and what[0].isupper() and what.endswith(".") for _, what in map(usage, COMMANDS))


def test_the_documentation_has_the_table_of_all_commands() -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    assert markdown_table() in text, (
        "docs/chat.md: put what agent.repl.commands.markdown_table() returns there"
    )


@pytest.mark.parametrize(
    ("typed", "meant"), [("h", "help"), ("SOU", "sources"), ("q", "quit"), ("exit", "quit")]
)
def test_a_unique_prefix_is_enough(typed: str, meant: str) -> None:
    assert resolve(typed) == meant


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("modle", "There is no command /modle: did you mean /model?"),
        ("xyzzy", "There is no command /xyzzy: /help lists all."),
        ("re", None),
        ("sa", None),
        ("su", None),
        ("s", "/s may mean /summarize, /sources, /stats, /sessions, /save or /set: type more of it."),
        ("", "There is no command /: /help lists all."),
    ],
)
def test_a_typo_names_the_nearest_and_a_short_prefix_its_candidates(typed: str, sentence: str | None) -> None:
    if sentence is None:
        assert resolve(typed).startswith(typed)
        return
    with pytest.raises(UsageError) as error:
        resolve(typed)
    assert str(error.value) == sentence


def test_tab_completes_commands_and_what_they_take() -> None:
    assert completions("/so") == ["sources"]
    assert completions("/trace o") == ["on", "off"]
    assert completions("/model phi") == ["phi-3-mini", "phi-3-mini-gguf"]
    assert completions("/policy g") == ["gpt2-cnn"]
    assert completions("/set temp") == ["temperature"]
    assert completions("what about /so") == []


def test_tab_completes_files_after_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "nuts").mkdir()
    (tmp_path / ".hidden").touch()
    assert completions(f"summarize @{tmp_path}/n") == ["notes.txt", "nuts/"]
    assert completions(f"summarize @{tmp_path}/") == ["notes.txt", "nuts/"]
    assert completions(f"/file {tmp_path}/no") == ["notes.txt"]
    assert completions("@/no/such/folder/n") == []
