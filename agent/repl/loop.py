"""The loop of the chat: read a line, run it, say what went wrong, until the end.

`talk` is the same for a person at a prompt and for lines from a pipe; they differ in where lines come from
and in what happens to a question that failed: a person gets it back, a script goes on and ends with a code.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from agent.repl.asking import ask
from agent.repl.chat import Chat
from agent.repl.commands import is_command, run_command
from tools.errors import SouschefError


class Lines(Protocol):
    """Where lines come from, one at a time; EOFError at the end."""

    def ask(self, draft: str = "") -> str:
        """The next line; `draft` stands there to edit."""
        ...


def talk(chat: Chat, lines: Lines) -> None:
    """Chat with a person until they leave."""
    while not chat.is_over:
        draft, chat.draft = chat.draft, ""
        try:
            _run(chat, lines.ask(draft))
        except EOFError:
            break
        except KeyboardInterrupt:  # pressed once more after a turn was stopped, or while a command ran
            chat.draft = chat.draft or draft
            chat.view.hint("Stopped.")


def run_script(chat: Chat, lines: Iterable[str]) -> int:
    """Run every line; the exit code: 0, that of the first line that failed, or 130 after Ctrl-C."""
    code = 0
    for line in lines:
        failed = _run(chat, line)
        code = code or failed
        if chat.draft:  # nobody is there to edit a question that came back
            chat.draft, chat.attached, chat.replaces = "", [], None
        if chat.interrupt.pressed:
            return 130
        if chat.is_over:
            break
    return code


def _run(chat: Chat, line: str) -> int:
    """Run a line; its exit code. A question that failed is put back to the prompt."""
    line = line.encode("utf-8", "replace").decode()  # bytes that are no text arrive as half characters
    if not line.strip():
        return 0
    run: Callable[[Chat, str], None] = ask
    if is_command(line):
        run, chat.replaces = run_command, None  # what was being edited is given up
    try:
        run(chat, line.strip())
    except SouschefError as error:
        chat.view.problem(str(error))
        if not chat.draft and not is_command(line):
            chat.draft = line
        return error.exit_code
    return 0
