"""Commands on what is saved: /sessions, /load, /save, /find, /export, and the ratings /good and /bad."""

from agent.repl.chat import Chat
from agent.repl.exchanges import BAD, GOOD
from agent.repl.export import export
from tools.errors import SouschefError, UsageError
from tools.files import expanded

_MOST = 20
_OPENING = 50


def cmd_sessions(chat: Chat, argument: str) -> str:  # noqa: ARG001
    """List the conversations that were used last."""
    with chat.saver.store() as store:
        rows = store.sessions(_MOST)
    if not rows:
        return "No conversation is saved yet."
    return "\n".join(
        f"{'*' if row.id == chat.session.id else ' '} {row.id:>4}  {row.started_at[:16].replace('T', ' ')}  "
        f"{row.exchanges:>3} asked  {row.name or _short(row.opening)}"
        for row in rows
    )


def cmd_load(chat: Chat, argument: str) -> str:
    """NUMBER|NAME -- Go on with a saved conversation."""
    if not argument:
        raise UsageError("Which one? /sessions shows their numbers and names.")
    return chat.open_session(argument)


def cmd_save(chat: Chat, argument: str) -> str:
    """NAME -- Name this conversation; it is saved anyway."""
    if not argument or argument.isdecimal():
        raise UsageError("Give a name that is no number: /save NAME.")
    if not chat.saver.keep(chat.session, chat.exchanges) or chat.session.id is None:
        raise SouschefError("This conversation is not saved, so it has no name: see what was said about it.")
    with chat.saver.store() as store:
        if not store.name_session(chat.session.id, argument):
            raise UsageError(f"Another conversation is named {argument!r}: choose another name.")
    chat.session.name = argument
    return f"This conversation is session {chat.session.id}, {argument!r}."


def cmd_find(chat: Chat, argument: str) -> str:
    """WORDS -- Find words in all saved conversations."""
    if not argument:
        raise UsageError("Which words? /find WORDS.")
    with chat.saver.store() as store:
        found = store.find(argument, _MOST)
    if not found:
        return f"Nothing was said about {argument!r}."
    return "\n".join(
        f"{hit.session:>4}  {hit.asked_at[:10]}  {_short(hit.question)}: {_short(hit.snippet)}"
        for hit in found
    )


def cmd_export(chat: Chat, argument: str) -> str:
    """FILE.md|FILE.json -- Write this conversation to a file."""
    if not argument.endswith((".md", ".json")):
        raise UsageError("Name a file that ends in .md or .json: /export FILE.md.")
    chat.last()
    path = expanded(argument)
    export(chat.session, chat.kept, path)
    return f"Wrote {path}."


def cmd_good(chat: Chat, argument: str) -> str:
    """[NOTE] -- Rate the last answer as good; `souschef feedback export` makes training data of it."""
    return _rate(chat, GOOD, argument)


def cmd_bad(chat: Chat, argument: str) -> str:
    """[NOTE] -- Rate the last answer as bad; /retry then asks for a better one."""
    return _rate(chat, BAD, argument)


def _rate(chat: Chat, rating: int, note: str) -> str:
    last = chat.last()
    last.change(rating=rating, note=note)
    chat.keep()
    return f"Rated as {'good' if rating == GOOD else 'bad'}: {_short(last.question)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _OPENING else f"{line[:_OPENING]} ..."
