"""Small pure pieces that engines share: stop strings, the context window, a prompt that does not fit it.

llama.cpp and servers handle stop strings themselves; the hf engine uses the filter here.
"""

from collections.abc import Sequence

from tools.errors import SouschefError, UsageError

DEFAULT_CONTEXT_TOKENS = 4096  # a longer one is possible, but on a CPU it takes minutes to read
PENALTY_WINDOW_TOKENS = 256  # how far back a repetition penalty looks, in prompt and answer


def checked_prompt_length(tokens: int, context_tokens: int) -> None:
    """Raise SouschefError where a prompt leaves no room for an answer.

    >>> checked_prompt_length(10, 4096)
    """
    if tokens >= context_tokens:
        raise SouschefError(
            f"The text is too long: {tokens} tokens, and this model reads {context_tokens}. "
            "Shorten it, or choose a larger context."
        )


def checked_context(asked: int | None, trained: int, name: str) -> int:
    """The context window to use; UsageError where more is asked for than the model was trained for.

    >>> checked_context(None, 131072, "some model")
    4096
    """
    if asked is not None and asked > trained:
        raise UsageError(f"{name} reads at most {trained} tokens: choose a context of {trained} or fewer.")
    return asked or min(DEFAULT_CONTEXT_TOKENS, trained)


class StopFilter:
    """Lets text through up to the first stop string, holding back what may be the start of one.

    >>> text = StopFilter(["END"])
    >>> [text.feed("one E"), text.feed("N"), text.feed("D two"), text.stopped]
    ['one ', '', '', True]
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def feed(self, piece: str) -> str:
        """Text that is now certain to come before any stop string."""
        if self.stopped:
            return ""
        text = self._held + piece
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, once the text has ended without a stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
