"""A model as the judge of two answers, asked in both orders, since models favour a place.

Zheng et al. 2023 (arXiv 2306.05685, section 3.4) count a win only where both orders agree; so does this, and
it reports how often the judge contradicted itself and how often it chose what came first. Any engine judges;
one that takes grammars can say nothing but a verdict. Left out: explanations, which a small model makes up
after it has chosen.
"""

import re
from collections.abc import Mapping
from typing import Literal

from agent.engines.base import Decoding, Engine, Message, Usage
from agent.stopping import current_stop
from prompts import fill, prompt
from tools.untrusted import neutralise

Place = Literal["A", "B", "tie"]

SCORES = ("retrieval_wins", "vanilla_wins", "ties", "disagrees_with_itself", "takes_first", "unreadable")
_GRAMMAR = '%llguidance {}\nstart: "A" | "B" | "tie"'
_MAX_TOKENS = 32  # for an engine without grammars, which may say "Answer A" and more
_VERDICT = re.compile(r"\W*(?:(?:the )?(?:better )?answer(?: is)?\W+)?(A|B|tie)\b", re.IGNORECASE)
_LEAST_CHARACTERS = 200  # of a text that was cut to fit


def judge_pair(engine: Engine, question: str, recipe: str, retrieval: str, vanilla: str) -> dict[str, str]:
    """Who wins when the retrieval answer comes first, and when it comes second.

    The values under "retrieval_first" and "vanilla_first" are "retrieval", "vanilla", "tie" or "unreadable".
    """
    texts = {"question": question, "recipe": recipe}
    asked = _ask(engine, {**texts, "first": retrieval, "second": vanilla})
    turned = _ask(engine, {**texts, "first": vanilla, "second": retrieval})
    named = {"A": "retrieval", "B": "vanilla", "tie": "tie", None: "unreadable"}
    named_turned = {**named, "A": "vanilla", "B": "retrieval"}
    return {"retrieval_first": named[asked], "vanilla_first": named_turned[turned]}


def verdict_scores(said: Mapping[str, str]) -> dict[str, float | None]:
    """The two verdicts as numbers, 1 or 0, to be averaged over dishes.

    `disagrees_with_itself` is None where a verdict cannot be read. `takes_first` is the share of the readable
    verdicts that chose the answer which came first: a half, for a judge without a favourite place.

    >>> scores = verdict_scores({"retrieval_first": "retrieval", "vanilla_first": "vanilla"})
    >>> scores["disagrees_with_itself"], scores["takes_first"], scores["retrieval_wins"]
    (1.0, 1.0, 0.0)
    """
    asked, turned = said["retrieval_first"], said["vanilla_first"]
    readable = "unreadable" not in (asked, turned)
    agreed = asked if readable and asked == turned else None
    chose = [verdict == first for verdict, first in ((asked, "retrieval"), (turned, "vanilla"))
             if verdict in ("retrieval", "vanilla")]  # fmt: skip
    return {
        "retrieval_wins": float(agreed == "retrieval"),
        "vanilla_wins": float(agreed == "vanilla"),
        "ties": float(agreed == "tie"),
        "disagrees_with_itself": float(agreed is None) if readable else None,
        "takes_first": sum(chose) / len(chose) if chose else None,
        "unreadable": float(not readable),
    }


def read_verdict(text: str) -> Place | None:
    """The verdict that a reply begins with, or None.

    >>> read_verdict("Answer B is closer."), read_verdict("tie"), read_verdict("Both are fine.")
    ('B', 'tie', None)
    """
    found = _VERDICT.match(text.strip())
    if found is None:
        return None
    said = found[1].upper()
    return "A" if said == "A" else "B" if said == "B" else "tie"


def _ask(engine: Engine, texts: Mapping[str, str]) -> Place | None:
    grammar = _GRAMMAR if engine.obeys_grammar else None
    decoding = Decoding(max_tokens=_MAX_TOKENS, grammar=grammar)
    pieces = engine.stream(_fitting(engine, texts), decoding, current_stop())
    return read_verdict("".join(piece for piece in pieces if not isinstance(piece, Usage)))


def _fitting(engine: Engine, texts: Mapping[str, str]) -> list[Message]:
    """The question for a verdict, with the longest of the texts halved until the model can read it."""
    shown = {name: neutralise(text) for name, text in texts.items()}
    while True:
        messages: list[Message] = [{"role": "user", "content": fill(prompt("judge"), **shown)}]
        longest = max(shown, key=lambda name: len(shown[name]))
        if engine.count_tokens(messages) + _MAX_TOKENS <= engine.context_tokens:
            return messages
        if len(shown[longest]) < _LEAST_CHARACTERS:
            return messages  # the engine says what does not fit
        shown[longest] = f"{shown[longest][: len(shown[longest]) // 2].rstrip()} ..."
