"""The command line on odd input: one sentence and an exit code, never a traceback. No model is loaded."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.cli import main
from agent.commands import ask, index
from agent.commands.turn_view import TurnView
from agent.events import Finished, Source, Timing, Turn
from tools.errors import SouschefError
from tools.passage_store import Hit

LONG = "n" * 300
ESCAPE = "\x1b[31mPie\x07"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence with which a command ends that exits with 1."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (1, "", 1)
    return err


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "path", "~nosuchuser/x"],
        ["ask", "pie?", "--no-tools", "--model", "~nosuchuser/x"],
        ["summarize", __file__, "--policy", "~nosuchuser/x"],
    ],
)
def test_the_home_of_nobody_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert refused(capsys, *arguments).startswith("souschef: ~nosuchuser/x begins with a user")


@pytest.mark.parametrize(
    "arguments",
    [["ask", "pie?", "--file", LONG], ["models", "path", f"./{LONG}.gguf"], ["summarize", LONG]],
)
def test_a_name_too_long_for_the_system_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    err = refused(capsys, *arguments)
    assert "nnn... cannot be used (File name too long): check the path" in err
    assert len(err) < 200


def test_a_folder_that_may_not_be_entered_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: bool) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    assert "closed/a.txt may not be read" in refused(capsys, "ask", "pie?", "--file", "closed/a.txt")
    assert "closed/a.gguf cannot be used (Permission denied)" in refused(
        capsys, "models", "path", "closed/a.gguf"
    )


def test_an_error_of_the_system_without_a_file_traces_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path | None) -> str:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(ask, "read_text", fail)
    with pytest.raises(OSError, match="broken"):
        main(["ask", "-"])


def test_a_closed_standard_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert refused(capsys, "ask", "-").startswith("souschef: Standard input is closed: name a file")


@pytest.mark.parametrize(("closed", "code"), [("<&-", 1), (">&-", 1), ("2>&-", 1), ("<&- >&- 2>&-", 1)])
def test_closed_standard_streams_change_no_exit_code(closed: str, code: int) -> None:
    ended = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m agent ask - {closed}'],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    said = "" if "2>" in closed else "souschef: standard input is empty: give a text.\n"
    assert (ended.returncode, ended.stderr, ended.stdout) == (code, said, "")


def test_a_device_or_a_socket_is_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(tmp_path / "s"))
    for path in ("/dev/zero", str(tmp_path / "s")):
        assert f"{path} is neither a file nor a pipe" in refused(capsys, "ask", "pie?", "--file", path)
    bound.close()


@pytest.mark.parametrize(("size", "large"), [(10, False), (11, True)])
def test_a_text_above_the_limit_is_refused_and_never_cut(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    large: bool,
) -> None:
    from agent.commands import texts

    monkeypatch.setattr(texts, "_MAX_BYTES", 10)
    (tmp_path / "a.txt").write_text("a" * size)
    with (tmp_path / "a.txt").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        if not large:
            assert texts.read_text(tmp_path / "a.txt") == texts.read_text(None) == "a" * size
            return
        assert "a.txt is larger than" in refused(capsys, "ask", "pie?", "--file", str(tmp_path / "a.txt"))
        assert "standard input is larger than" in refused(capsys, "ask", "-")


def test_a_pipe_is_read_as_a_file_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f'printf "a\\000b" > "{pipe}"'])
    assert f"{pipe} is a binary file" in refused(capsys, "summarize", str(pipe))
    assert writer.wait() == 0


def test_found_recipes_show_without_what_controls_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = Hit(1, ESCAPE, ESCAPE, 0.5, ESCAPE)
    monkeypatch.setattr(index, "_opened", lambda _: SimpleNamespace(search=lambda *_, **__: [hit]))
    assert main(["index", "search", "pie"]) == 0
    assert capsys.readouterr().out == "1. [31mPie  0.500  [31mPie\n   [31mPie\n"


def turn(**changed: object) -> Turn:
    timing = Timing(**dict.fromkeys(Timing.__dataclass_fields__, 0.0))
    known = {
        "question": "pie?",
        "answer": "Pie",
        "steps": (),
        "sources": (),
        "exit_reason": "answer",
        "input_tokens": 1,
        "output_tokens": 1,
        "timing": timing,
        "model": "scripted",
    }
    return Turn(**(known | changed))  # type: ignore[arg-type]


def test_sources_show_without_what_controls_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with TurnView() as view:
        view.show(Finished(turn(sources=(Source(ESCAPE, ESCAPE, 0.5),))))
    assert capsys.readouterr().out.endswith("[1] [31mPie ([31mPie)\n")


def test_a_turn_that_ended_with_an_error_ends_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    failed = SimpleNamespace(stream=lambda *_: [Finished(turn(exit_reason="error"))])
    with pytest.raises(SouschefError, match="only what was found before something failed"):
        ask._run(failed, "pie?", [], True, False)  # type: ignore[arg-type]
    assert capsys.readouterr().out.startswith('{"question": "pie?"')
