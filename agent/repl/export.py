"""A conversation as a file: Markdown to read, or JSON with everything that is known of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from agent.repl.exchanges import BAD, GOOD, Exchange
from agent.repl.saving import SessionName
from tools.errors import SouschefError
from tools.files import atomic_write

_RATED = {GOOD: "good", BAD: "bad"}


def export(session: SessionName, exchanges: Sequence[Exchange], path: Path) -> None:
    """Write the exchanges to `path`; its ending chooses the form. SouschefError where that fails."""
    write = as_json if path.suffix == ".json" else as_markdown
    if path.is_dir():
        raise SouschefError(f"{path} is a folder: name a file.")
    with atomic_write(path) as file:
        file.write(write(session, exchanges).encode("utf-8", "replace"))


def as_markdown(session: SessionName, exchanges: Sequence[Exchange]) -> str:
    """The conversation to read: questions quoted, answers as they are, sources below."""
    title = session.name or f"Conversation of {session.started_at[:10]}"
    return "\n\n".join([f"# {title}", *map(_markdown, exchanges)]) + "\n"


def as_json(session: SessionName, exchanges: Sequence[Exchange]) -> str:
    """The conversation as one object."""
    known = {"session": session.id, "name": session.name, "started_at": session.started_at}
    return json.dumps(known | {"exchanges": [_plain(exchange) for exchange in exchanges]}, indent=2) + "\n"


def _markdown(exchange: Exchange) -> str:
    quoted = "\n".join(f"> {line}".rstrip() for line in exchange.question.splitlines())
    sources = "\n".join(f"[{n}] {source['name']}" for n, source in enumerate(exchange.passages, 1))
    rated = _RATED.get(exchange.rating, "")
    rating = f"Rated {rated}{': ' if exchange.note else ''}{exchange.note}" if rated else ""
    return "\n\n".join(filter(None, [quoted, exchange.answer, sources, rating]))


def _plain(exchange: Exchange) -> dict[str, object]:
    names = ("asked_at", "question", "answer", "model", "policy", "prompts", "settings", "turn", "passages")
    return {name: getattr(exchange, name) for name in names} | {
        "attachments": [{"name": name, "text": text} for name, text in exchange.attachments],
        "rating": _RATED.get(exchange.rating),
        "note": exchange.note,
    }
