"""An engine that notes which steps of a turn could not be read, and can end a step at its decision.

It stands between the agent and an engine and changes nothing else. What writes summaries must be given the
engine itself: here every text is taken for a step of the agent.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from threading import Event

from agent.engines.base import Decoding, Engine, FinishReason, Message, Usage
from agent.react import ACTION, ANSWER, StepParser


class WatchedEngine:
    """See `Engine` for the members. Of the `steps` written so far, `refused` could not be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.context_tokens = engine.context_tokens
        self.obeys_grammar = engine.obeys_grammar
        self.adapters, self.adapter_files = engine.adapters, engine.adapter_files
        self.steps = self.refused = 0
        self.decisions_only = False  # end an answer once it has begun: that it is one was the decision

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        """What the engine writes; see `Engine.stream`."""
        parser, pieces = StepParser(), 0
        finish: FinishReason | None = None
        try:
            with closing(self._engine.stream(messages, decoding, cancelled)) as stream:
                for item in stream:
                    if isinstance(item, Usage):
                        finish = item.finish_reason
                        yield item
                        return
                    answers = any(part.kind == "answer" and part.text.strip() for part in parser.feed(item))
                    pieces += 1
                    yield item
                    if answers and self.decisions_only:
                        break
            yield Usage(self._engine.count_tokens(messages), pieces, "stop")
        finally:
            if finish != "cancelled" and _is_step(decoding):
                self.steps += 1
                self.refused += parser.step().mistake is not None

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `Engine.count_tokens`."""
        return self._engine.count_tokens(messages)

    def close(self) -> None:
        """Nothing: the engine belongs to who made it."""

    def forget(self) -> None:
        """Begin to count again."""
        self.steps = self.refused = 0


def _is_step(decoding: Decoding) -> bool:
    """Whether a whole step is asked for: the grammar of a mere choice has neither actions nor an answer."""
    return decoding.grammar is None or any(f'"{label} ' in decoding.grammar for label in (ACTION, ANSWER))
