"""Choosing the next token: grammar, repetition penalty, temperature, nucleus.

The grammar comes first, as a mask over the vocabulary from llguidance, so that whatever follows only ever
chooses among allowed tokens. Temperature 0 takes the likeliest token and uses no random numbers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent.engines.base import Decoding
from agent.engines.grammar import checked_grammar

if TYPE_CHECKING:
    import torch
    from llguidance import LLTokenizer


class GrammarMask:
    """Where a text stands in its grammar, and which tokens may follow."""

    def __init__(self, tokenizer: "LLTokenizer", grammar: str) -> None:
        from llguidance import LLMatcher

        self._matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(checked_grammar(grammar)))
        self._words = (tokenizer.vocab_size + 31) // 32
        self._must_be_well()

    @property
    def complete(self) -> bool:
        """Whether nothing more can follow."""
        return bool(self._matcher.is_stopped())

    def allowed(self, vocabulary: int) -> "torch.Tensor":
        """Which tokens may come next, as booleans: (vocabulary,)."""
        import numpy as np
        import torch
        from llguidance.numpy import fill_next_token_bitmask

        bits = np.zeros((1, self._words), dtype=np.int32)
        fill_next_token_bitmask(self._matcher, bits)
        self._must_be_well()
        mask = np.zeros(vocabulary, dtype=bool)
        unpacked = np.unpackbits(bits.view(np.uint8), bitorder="little")[:vocabulary]
        mask[: len(unpacked)] = unpacked
        return torch.from_numpy(mask)

    def accept(self, token: int) -> None:
        """Move on by one token, which must be an allowed one."""
        self._matcher.consume_token(token)
        self._must_be_well()

    def _must_be_well(self) -> None:
        if self._matcher.is_error():
            raise RuntimeError(f"The grammar cannot be followed: {self._matcher.get_error()}")


def next_token(
    logits: "torch.Tensor",
    recent: Sequence[int],
    decoding: Decoding,
    generator: "torch.Generator",
    mask: GrammarMask | None,
) -> int:
    """Choose a token from logits (vocabulary,); a token among `recent` counts as a repetition."""
    if mask is not None:
        allowed = mask.allowed(logits.shape[-1]).to(logits.device)
        logits = logits.masked_fill(~allowed, float("-inf"))
    if decoding.repetition_penalty != 1.0 and recent:
        logits = penalised(logits, recent, decoding.repetition_penalty)
    if decoding.temperature == 0.0:
        return int(logits.argmax())
    probabilities = (logits / decoding.temperature).softmax(dim=-1)
    return _draw(nucleus(probabilities, decoding.top_p), generator)


def penalised(logits: "torch.Tensor", recent: Sequence[int], penalty: float) -> "torch.Tensor":
    """Make tokens seen recently less likely (Keskar et al. 2019, CTRL, section 4.1)."""
    import torch

    seen = torch.tensor(sorted(set(recent)), device=logits.device)
    scores = logits[seen]
    return logits.scatter(0, seen, torch.where(scores > 0, scores / penalty, scores * penalty))


def nucleus(probabilities: "torch.Tensor", top_p: float) -> "torch.Tensor":
    """Keep the likeliest tokens that together reach top_p (Holtzman et al. 2020, section 3.1)."""
    if top_p >= 1.0:
        return probabilities
    ordered, order = probabilities.sort(descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p  # the token that crosses top_p stays
    return probabilities.scatter(0, order, ordered.masked_fill(beyond, 0.0))


def _draw(probabilities: "torch.Tensor", generator: "torch.Generator") -> int:
    """On the CPU, so that a seed means the same with and without a GPU."""
    import torch

    return int(torch.multinomial(probabilities.float().cpu(), 1, generator=generator))


def seeded(seed: int) -> Any:
    """A generator of its own, so that other users of torch's random numbers change nothing here."""
    import torch

    return torch.Generator().manual_seed(seed)
