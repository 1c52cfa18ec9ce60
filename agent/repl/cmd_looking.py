"""Commands that only show something: /help, /sources, /why, /trace, /stats."""

import inspect
from pathlib import Path
from typing import Any

from agent.repl.chat import Chat, Markdown
from agent.repl.exchanges import Exchange
from tools.errors import UsageError

_KEYS = """
Enter sends, Alt-Enter or a backslash at the end of a line begins a new one, a paste may have many.
Up and Ctrl-R find earlier lines, Tab completes, @PATH in a question attaches a file.
Ctrl-C stops an answer, Ctrl-D leaves. A question that begins with / needs a space before it.
"""


def cmd_help(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """[COMMAND] -- List the commands, or explain one."""
    from agent.repl.commands import COMMANDS, resolve, usage

    if argument:
        call, what = usage(resolve(argument.removeprefix("/")))
        return f"{call}\n{what}"
    calls = [usage(name) for name in COMMANDS]
    width = max(len(call) for call, _ in calls) + 2
    lines = [f"{call:<{width}}{what.partition('. ')[0].rstrip('.')}" for call, what in calls]
    return "\n".join([*lines, inspect.cleandoc(_KEYS)])


def cmd_sources(chat: Chat, argument: str) -> str:
    """[N] -- List what the last search found, or show passage N in full with its score."""
    passages = next((exchange.passages for exchange in reversed(chat.kept) if exchange.passages), [])
    if not passages:
        raise UsageError("No answer has sources yet: ask for a recipe.")
    if not argument:
        rows = [f"[{n}] {p['name']} ({p['uid']}, score {p['score']:.3f})" for n, p in enumerate(passages, 1)]
        return "\n".join(rows)
    if not (argument.isdecimal() and 1 <= int(argument) <= len(passages)):
        raise UsageError(f"There is no source {argument}: name one from 1 to {len(passages)}.")
    return recipe_markdown(int(argument), passages[int(argument) - 1])


def recipe_markdown(number: int, passage: dict[str, Any]) -> Markdown:
    """A passage as title, ingredients and numbered steps."""
    title = f"# {passage['name']} [{number}]\n\nscore {passage['score']:.3f}, {passage['uid']}\n"
    name, _, rest = passage["text"].partition("\n\n")
    ingredients, _, steps = rest.partition("\n\n")
    if name != passage["name"] or not steps:  # a text that is no recipe
        return Markdown(f"{title}\n{passage['text']}")
    listed = "\n".join(f"- {line}" for line in ingredients.splitlines())
    numbered = "\n".join(f"{n}. {line}" for n, line in enumerate(steps.splitlines(), 1))
    return Markdown(f"{title}\nIngredients:\n{listed}\n\nSteps:\n{numbered}")


def cmd_why(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """Show the steps of the last answer: each thought, call and result in full."""
    turn = chat.last().turn or {}
    shown = [
        f"{number}. {step['thought'] or '(no thought)'}\n"
        f"   {step['tool']} {step['args']}{' (failed)' if step['error'] else ''}\n{step['observation']}"
        for number, step in enumerate(turn.get("steps", []), 1)
    ]
    if turn.get("exit_reason") != "answer":
        shown.append(f"It ended by its {str(turn.get('exit_reason')).replace('_', ' ')}.")
    return "\n\n".join(shown) or "It answered directly, without a tool."


def cmd_trace(chat: Chat, argument: str) -> str:
    """on|off -- Show every step in full as it happens, or folded into one line."""
    if argument not in ("on", "off", ""):
        raise UsageError("Say /trace on or /trace off.")
    if argument:
        chat.view.trace = argument == "on"
    return f"Trace is {'on' if chat.view.trace else 'off'}."


def cmd_stats(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """Show tokens, tokens a second, time by part, and memory."""
    answered = [exchange for exchange in chat.exchanges if exchange.turn]
    if not answered:
        return f"Nothing has been answered yet. Memory: {_memory_mb():,.0f} MB."
    lines = [_stats("last answer", answered[-1:]), _stats(f"all answers ({len(answered)})", answered)]
    return "\n".join([*lines, f"memory: {_memory_mb():,.0f} MB"])


def _stats(title: str, answered: list[Exchange]) -> str:
    turns = [exchange.turn for exchange in answered if exchange.turn]
    read = sum(turn["usage"]["input_tokens"] for turn in turns)
    written = sum(turn["usage"]["output_tokens"] for turn in turns)
    total, model, tools = (
        sum(turn["timing_s"][part] for turn in turns) for part in ("total", "model", "tools")
    )
    rate = f" ({(read + written) / model:.0f} tokens a second)" if model and written else ""
    return (
        f"{title}: {read:,} tokens read, {written:,} written{rate}; {total:.1f} s: "
        f"model {model:.1f} s, tools {tools:.1f} s, rest {max(0.0, total - model - tools):.1f} s"
    )


def _memory_mb() -> float:
    """What this process holds in memory, in MB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="replace").splitlines() if status.exists() else []
    held = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), "0")
    return int(held) / 1000
