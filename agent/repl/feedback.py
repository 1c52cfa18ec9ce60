"""Ratings as training data: pairs of a better and a worse answer, as `souschef train reward` reads them.

Two answers to the same question make a pair where the one was rated good and the other either rated bad, or
left unrated and asked again: whoever retries was not content. Nothing else does; two good answers say nothing
of which is better. `prompt` is what the user had said up to there, or for the summarizer alone the prompt
that a summarizer reads, so that a reward model of pairs can judge a policy that writes summaries.
"""

from collections.abc import Iterator, Mapping, Sequence

from agent.repl.exchanges import BAD, GOOD, UNRATED, Exchange
from prompts import fill, prompt

Pair = dict[str, str | int]


def pairs(exchanges: Sequence[Exchange], sessions: Mapping[int, int]) -> Iterator[Pair]:
    """The pairs of all exchanges, in the order they were asked; `sessions` maps row to session."""
    for family in _families(exchanges):
        earlier = _said_before(family[0], exchanges, sessions)
        answered = [exchange for exchange in family if exchange.state == "done"]
        for good in (exchange for exchange in answered if exchange.rating == GOOD):
            for other in answered:
                if other.answer != good.answer and _is_worse(other, good, answered):
                    yield _pair(good, other, earlier, sessions)


def _families(exchanges: Sequence[Exchange]) -> list[list[Exchange]]:
    """Exchanges that ask the same question: the first of it and its retries."""
    families: dict[int, list[Exchange]] = {}
    for exchange in exchanges:
        families.setdefault(id(_first(exchange)), []).append(exchange)
    return list(families.values())


def _first(exchange: Exchange) -> Exchange:
    while exchange.again:
        exchange = exchange.again
    return exchange


def _is_worse(other: Exchange, good: Exchange, family: Sequence[Exchange]) -> bool:
    return other.rating == BAD or (other.rating == UNRATED and family.index(other) < family.index(good))


def _said_before(first: Exchange, exchanges: Sequence[Exchange], sessions: Mapping[int, int]) -> list[str]:
    """The questions of the conversation before one; what was undone or asked again does not count."""
    if first.is_summary:
        return []
    session = sessions.get(first.row or 0)
    before = exchanges[: exchanges.index(first)]
    return [e.question for e in before if e.counts and sessions.get(e.row or 0) == session]


def _pair(good: Exchange, bad: Exchange, earlier: Sequence[str], sessions: Mapping[int, int]) -> Pair:
    files = [text for _, text in good.attachments]
    if good.is_summary:
        asked = fill(prompt("summarize"), text=files[0])
    else:
        asked = "\n\n".join([*earlier, good.question, *files]) + "\n\n"
    return {
        "prompt": asked,
        "chosen": good.answer,
        "rejected": bad.answer,
        "note": good.note or bad.note,
        "session": sessions.get(good.row or 0, 0),
        "model": good.model,
        "policy": good.policy,
        "prompts": good.prompts,
        "rejected_model": bad.model,
        "rejected_policy": bad.policy,
    }
