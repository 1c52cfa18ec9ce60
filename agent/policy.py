"""The summarizer that needs no training: any engine with a summarization prompt."""

import re
from collections.abc import Mapping

from agent.engines.base import Decoding, Engine, Message, Usage
from agent.stopping import TurnStopped, current_stop
from prompts import fill, prompt

MAX_SUMMARY_TOKENS = 160
MAX_TEXT_TOKENS = (
    1536  # small models lose the thread of longer texts even where their context would hold them
)

# Templates that a catalogue model was trained with; every other model gets prompts/summarize.txt.
_TEMPLATES: Mapping[str, str] = {"gpt2-cnn": "summarize_gpt2_cnn"}


class PromptedPolicy:
    """An engine as a `tools.summarize.Policy`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = engine.name
        self._template = prompt(_TEMPLATES.get(engine.name, "summarize"))
        self._overhead = engine.count_tokens(self._messages(""))
        room = engine.context_tokens - self._overhead - MAX_SUMMARY_TOKENS
        self.max_text_tokens = max(1, min(MAX_TEXT_TOKENS, room))

    def count_tokens(self, text: str) -> int:
        """Tokens of a text inside the prompt."""
        return self.engine.count_tokens(self._messages(text)) - self._overhead

    def write(self, text: str) -> str:
        """A summary, sampled greedily; raises TurnStopped where the turn is told to stop."""
        decoding = Decoding(max_tokens=MAX_SUMMARY_TOKENS, repetition_penalty=1.1)
        written: list[str] = []
        cut = False
        for item in self.engine.stream(self._messages(text), decoding, current_stop()):
            if not isinstance(item, Usage):
                written.append(item)
            elif item.finish_reason == "cancelled":
                raise TurnStopped
            else:
                cut = item.finish_reason == "length"
        summary = "".join(written).strip()
        return _whole_sentences(summary) if cut else summary

    def _messages(self, text: str) -> list[Message]:
        return [{"role": "user", "content": fill(self._template, text=text)}]


def _whole_sentences(text: str) -> str:
    """Without a last sentence that the token limit cut off, where there is a whole one before it.

    >>> _whole_sentences("One is done. Two is no")
    'One is done.'
    """
    whole = re.match(r"(?s:.*)[.!?](?=\s)", text)
    return whole[0] if whole else text
