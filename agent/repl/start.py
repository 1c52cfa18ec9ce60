"""Put a chat together from what the command line says, and run it: at a prompt, or over lines from a pipe."""

import os
import sys
from dataclasses import dataclass

from agent.repl.chat import Chat, View
from agent.repl.loaders import Loaders
from agent.repl.loading import Models
from agent.repl.loop import run_script, talk
from agent.repl.options import Choice, Settings
from agent.repl.saving import Saver, data_folder
from agent.repl.scripts import JsonView, joined
from tools.errors import SouschefError


@dataclass(frozen=True)
class Start:
    """How a chat begins."""

    choice: Choice
    resume: str | None = None
    go_on: bool = False
    save: bool = True
    plain: bool = False
    as_json: bool = False


def start(begin: Start, loaders: Loaders | None = None) -> int:
    """Run a chat to its end; the exit code. SouschefError where the session to go on with is not there."""
    unstyled = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    is_plain = begin.plain or not sys.stdout.isatty() or bool(unstyled)
    view = _view(begin, is_plain)
    folder = data_folder() if begin.save else None
    chat = Chat(Models(begin.choice, loaders), view, Saver(folder, view.problem), Settings())
    if told := _resumed(chat, begin):
        view.say(told)
    if sys.stdin.isatty() and sys.stdout.isatty() and not begin.as_json:
        return _at_prompt(chat, is_plain)
    chat.models.start()
    return run_script(chat, joined(sys.stdin))


def _view(begin: Start, is_plain: bool) -> View:
    if begin.as_json:
        return JsonView(sys.stdout)
    from agent.repl.screen import Screen

    return Screen(plain=is_plain)


def _resumed(chat: Chat, begin: Start) -> str:
    """Open the session that is asked for; what to tell about it."""
    if begin.resume:
        return chat.open_session(begin.resume)
    if not begin.go_on:
        return ""
    with chat.saver.store() as store:
        newest = [str(row.id) for row in store.sessions(50)]
    for number in newest:
        if chat.saver.claim(int(number)):  # the newest that no other terminal has open
            return chat.open_session(number)
    raise SouschefError("There is no session to go on with: begin one with `souschef chat`.")


def _at_prompt(chat: Chat, is_plain: bool) -> int:
    from agent.repl.completion import ChatCompleter
    from agent.repl.editing import History, NoTerminal, Prompt

    def status() -> str:
        attached = ", ".join(name for name, _ in chat.attached)
        return "  ".join(filter(None, [chat.models.status(), attached and f"attached: {attached}"]))

    history = History(data_folder() / "history", chat.view.hint) if chat.saver.saves else None

    def cleared() -> None:
        chat.replaces = None

    prompt = Prompt(
        history,
        ChatCompleter(),
        status,
        lambda: chat.models.start(read_ahead=True),
        cleared=cleared,
        plain=is_plain,
    )
    chat.models.on_change = prompt.redraw
    chat.view.hint("Ask about cooking. /help lists what else can be done, Ctrl-D leaves.")
    shown, sys.stderr = sys.stderr, NoTerminal(sys.stderr)
    try:
        talk(chat, prompt)
    finally:
        sys.stderr = shown
    return 0
