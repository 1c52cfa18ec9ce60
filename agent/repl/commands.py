"""Find and run a command of the chat: `/name rest of the line`.

A function `cmd_name(chat, argument)` in one of the modules below is the command /name, and its docstring the
help: its arguments, " -- ", what it does. What it returns is shown. A unique
prefix of a name is enough, and a name that is none is answered with the nearest. To add a command, write such
a function: help, completion and the table in docs/chat.md are made from it.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent.repl import cmd_asking, cmd_looking, cmd_saved, cmd_setting
from agent.repl.chat import Chat
from tools.errors import UsageError

Command = Callable[[Chat, str], str | None]

_PREFIX = "cmd_"


def _commands() -> dict[str, Command]:
    modules = (cmd_asking, cmd_looking, cmd_saved, cmd_setting)
    return {
        name.removeprefix(_PREFIX): value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith(_PREFIX) and inspect.isfunction(value)
    }


COMMANDS: Mapping[str, Command] = MappingProxyType(_commands())


def is_command(line: str) -> bool:
    """Whether a line is a command and not a question."""
    return line.startswith("/")


def run_command(chat: Chat, line: str) -> None:
    """Run the command in a line. Raises UsageError where there is none, and what the command raises."""
    name, _, argument = line.removeprefix("/").partition(" ")
    said = COMMANDS[resolve(name.strip())](chat, argument.strip())
    if said:
        chat.view.say(said)


def resolve(name: str) -> str:
    """The command that a name or a unique prefix means.

    >>> resolve("sou")
    'sources'
    """
    name = name.casefold()
    if name in COMMANDS:
        return name
    if name in ("exit", "q", "bye"):
        return "quit"
    begun = [command for command in COMMANDS if name and command.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UsageError(f"/{name} may mean {_listed(begun)}: type more of it.")
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean /{near[0]}?" if near else "/help lists all."
    raise UsageError(f"There is no command /{name}: {hint}")


def usage(name: str) -> tuple[str, str]:
    """How a command is called, and what it does.

    >>> usage("trace")[0]
    '/trace on|off'
    """
    first, _, rest = inspect.cleandoc(COMMANDS[name].__doc__ or "").partition("\n")
    arguments, _, what = first.rpartition(" -- ")
    return f"/{name} {arguments}".strip(), " ".join(f"{what} {rest}".split())


def markdown_table() -> str:
    """All commands as a table for the documentation."""
    rows = [f"| `{call.replace('|', chr(92) + '|')}` | {what} |" for call, what in map(usage, COMMANDS)]
    return "\n".join(["| command | does |", "| --- | --- |", *rows])


def _listed(names: list[str]) -> str:
    return ", ".join(f"/{name}" for name in names[:-1]) + f" or /{names[-1]}"
