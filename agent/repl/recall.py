"""The model's memory of a conversation: LangChain messages as JSON, and back.

What tools found (hits, a summary) travels with the messages as their artifact, since follow-up questions
("summarize recipe 2") go by it. It is written field by field: nothing is unpickled. This module imports
LangChain and is imported only where a turn runs.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, messages_from_dict, messages_to_dict

from agent.repl.exchanges import Exchange
from tools.index import Hit
from tools.recipes import Recipe
from tools.summarize import Summary


def to_json(messages: Sequence[BaseMessage]) -> str:
    """The messages of a turn as JSON."""
    plain = [
        message.model_copy(update={"artifact": None}) if isinstance(message, ToolMessage) else message
        for message in messages
    ]
    rows = messages_to_dict(plain)
    for row, message in zip(rows, messages, strict=True):
        if isinstance(message, ToolMessage):
            row["artifact"] = _packed(message.artifact)
    return json.dumps(rows)


def from_json(text: str) -> list[BaseMessage]:
    """The messages that `to_json` wrote."""
    rows: list[dict[str, Any]] = json.loads(text)
    artifacts = [row.pop("artifact", None) for row in rows]
    messages = messages_from_dict(rows)
    for message, artifact in zip(messages, artifacts, strict=True):
        if isinstance(message, ToolMessage):
            message.artifact = _unpacked(artifact)
    return messages


def conversation(exchanges: Iterable[Exchange]) -> list[BaseMessage]:
    """All that the model reads of earlier exchanges: whole answers only, and none that was undone."""
    return [message for exchange in exchanges if exchange.counts for message in from_json(exchange.messages)]


def passages(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Hits as /sources shows them."""
    return [{"uid": hit.uid, "name": hit.name, "score": hit.score, "text": hit.text} for hit in hits]


def _packed(artifact: Any) -> dict[str, Any] | None:
    if isinstance(artifact, Summary):
        return {"summary": asdict(artifact)}
    if isinstance(artifact, list):
        return {"hits": [_packed_hit(hit) for hit in artifact]}
    return None


def _packed_hit(hit: Hit) -> dict[str, Any]:
    known = {name: getattr(hit, name) for name in ("rank", "uid", "name", "score", "text")}
    return known | {"recipe": hit.recipe.to_dict() if hit.recipe else None, "metadata": dict(hit.metadata)}


def _unpacked(artifact: dict[str, Any] | None) -> Any:
    if artifact is None:
        return None
    if "summary" in artifact:
        return Summary(**artifact["summary"])
    return [
        Hit(**hit | {"recipe": Recipe.from_dict(hit["recipe"]) if hit["recipe"] else None})
        for hit in artifact["hits"]
    ]
