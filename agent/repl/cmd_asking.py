"""Commands that ask, ask again or take back: /file, /summarize, /retry, /edit, /undo, /new, /quit."""

from dataclasses import replace

from agent.commands.texts import read_text
from agent.repl.asking import ask, ask_again, summarize_file
from agent.repl.chat import Chat
from agent.repl.exchanges import Exchange
from agent.repl.options import changed
from tools.errors import UsageError
from tools.files import expanded

_OTHER_TEMPERATURE = 0.7  # at temperature 0 asking again would only bring the same answer


def cmd_file(chat: Chat, argument: str) -> str:
    """[PATH|none] -- Attach a text file to the next question, or detach all; alone, tell what is attached."""
    if argument == "none":
        chat.attached = []
    if argument in ("", "none"):
        names = ", ".join(name for name, _ in chat.attached)
        return f"Attached: {names}." if names else "Nothing is attached: /file PATH attaches a text."
    path = expanded(argument)
    text = read_text(path)
    chat.attached.append((path.name, text))
    return f"Attached {path.name} ({len(text.split()):,} words) to the next question."


def cmd_summarize(chat: Chat, argument: str) -> None:
    """PATH -- Have the summarizer read a text file, without the agent."""
    if not argument:
        raise UsageError("Which file? /summarize PATH.")
    summarize_file(chat, argument)


def cmd_retry(chat: Chat, argument: str) -> None:
    """[TEMPERATURE] [no-tools] -- Ask the last question again; the new answer takes the old one's place.

    Where the temperature is 0, it is 0.7 for the retry.
    """
    first = _last_asked(chat)
    settings, tools = chat.settings, True
    for word in argument.split():
        if word == "no-tools":
            tools = False
        else:
            settings = changed(settings, "temperature", word)
    if settings.temperature == 0 and "0" not in argument.split():
        settings = replace(settings, temperature=_OTHER_TEMPERATURE)
    if first.state == "done":
        ask_again(chat, first, replace(settings, seed=settings.seed + _tries(chat, first)), tools)
    else:
        ask(chat, first.question)


def cmd_edit(chat: Chat, argument: str) -> None:
    """[QUESTION] -- Put the last question back to the prompt; what you send takes its place.

    With QUESTION, ask that in its place at once.
    """
    last = chat.last()
    chat.replaces = last
    if argument:
        ask(chat, argument)
    else:
        chat.draft, chat.attached = last.question, list(last.attachments)


def cmd_undo(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """Take the last question and its answer out of the conversation."""
    last = chat.last()
    chat.drop(last)
    return f"Taken back: {_in_short(last.question)}"


def cmd_new(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """Begin a new conversation; this one stays saved."""
    chat.begin_session()
    return "A new conversation."


def cmd_quit(chat: Chat, argument: str) -> None:  # noqa: ARG001
    """Leave; Ctrl-D does the same."""
    chat.is_over = True


def _last_asked(chat: Chat) -> Exchange:
    """The last exchange that was not taken back, answered or not."""
    asked = [exchange for exchange in chat.exchanges if exchange.kept]
    return asked[-1] if asked else chat.last()


def _tries(chat: Chat, first: Exchange) -> int:
    """How often a question was asked, so that each time gets another seed."""
    return sum(exchange.question == first.question for exchange in chat.exchanges)


def _in_short(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= 60 else f"{line[:60]} ..."
