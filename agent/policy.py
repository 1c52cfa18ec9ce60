"""What writes summaries: any engine with a summarization prompt, or a policy that was trained to.

An engine that carries the shipped summarizer's adapter writes with that. A trained policy is prompted as in
its training. It runs in the gguf engine where it was exported (an adapter: where its base is a GGUF as well),
and in the hf engine elsewhere. Left out: exporting, which is training's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.engines import load_engine, shipped
from agent.engines.base import Decoding, Engine, Message, Usage
from agent.stopping import TurnStopped, current_stop
from prompts import fill, prompt
from tools.errors import UsageError
from tools.files import expanded
from tools.models import CATALOGUE, model_path
from tools.policy_folder import PolicyCard, PolicyFolder, base_of, is_policy, read_policy

MAX_SUMMARY_TOKENS = 160
MAX_TEXT_TOKENS = (
    1536  # small models lose the thread of longer texts even where their context would hold them
)

# Templates that a catalogue model was trained with; every other model gets prompts/summarize.txt.
_TEMPLATES: Mapping[str, str] = {"gpt2-cnn": "summarize_gpt2_cnn"}
_UNTRAINED = Decoding(max_tokens=MAX_SUMMARY_TOKENS, repetition_penalty=1.1)
SUMMARIZER_ADAPTER = "summarizer"


@dataclass(frozen=True)
class Prompting:
    """How a policy is asked for a summary: a template with {{text}}, the longest text, and the decoding."""

    template: str
    max_text_tokens: int = MAX_TEXT_TOKENS
    decoding: Decoding = _UNTRAINED


class PromptedPolicy:
    """An engine as a `tools.summarize.Policy`. Without a `prompting` it gets the one that suits its model."""

    def __init__(self, engine: Engine, prompting: Prompting | None = None, *, name: str = "") -> None:
        self.engine = engine
        self.name = name or engine.name
        self._prompting = prompting or _suiting(engine)
        self._overhead = engine.count_tokens(self._messages(""))
        room = engine.context_tokens - self._overhead - self._prompting.decoding.max_tokens
        self.max_text_tokens = max(1, min(self._prompting.max_text_tokens, room))

    @property
    def adapter(self) -> str:
        """The engine's adapter that is on while it writes; "" for none."""
        return self._prompting.decoding.adapter

    def count_tokens(self, text: str) -> int:
        """Tokens of a text inside the prompt."""
        return self.engine.count_tokens(self._messages(text)) - self._overhead

    def write(self, text: str) -> str:
        """A summary, sampled greedily; raises TurnStopped where the turn is told to stop."""
        written: list[str] = []
        cut = False
        for item in self.engine.stream(self._messages(text), self._prompting.decoding, current_stop()):
            if not isinstance(item, Usage):
                written.append(item)
            elif item.finish_reason == "cancelled":
                raise TurnStopped
            else:
                cut = item.finish_reason == "length"
        summary = "".join(written).strip()
        return _whole_sentences(summary) if cut else summary

    def close(self) -> None:
        """Give the engine's memory and threads back."""
        self.engine.close()

    def _messages(self, text: str) -> list[Message]:
        return [{"role": "user", "content": fill(self._prompting.template, text=text)}]


def zero_shot(policy: PromptedPolicy) -> PromptedPolicy:
    """The policy's model as it is without the shipped adapter; the policy itself where it has none on."""
    if not policy.adapter:
        return policy
    return PromptedPolicy(policy.engine, _untrained(policy.engine), name=policy.name)


def load_policy(name_or_run: str, *, base_url: str | None = None) -> PromptedPolicy:
    """A policy by a model's name or path, or by a run directory or its policy/ directory; close it after use.

    Raises SouschefError for what cannot be found, is not whole, or does not fit its base.
    """
    path = expanded(name_or_run)
    if name_or_run in CATALOGUE or not is_policy(path):
        return PromptedPolicy(load_engine(name_or_run, base_url=base_url))
    if base_url is not None:
        raise UsageError(f"{path} is a policy on this machine: leave out the server's address.")
    return _trained(read_policy(path))


def _trained(policy: PolicyFolder) -> PromptedPolicy:
    """The policy, greedy and without the penalty that untrained models need, unless its card has one."""
    card = policy.card
    return PromptedPolicy(_engine(policy), _as_trained(card), name=card.name)


def _suiting(engine: Engine) -> Prompting:
    """The shipped summarizer's where the engine carries its adapter, else a prompt for any model."""
    if SUMMARIZER_ADAPTER not in engine.adapters:
        return _untrained(engine)
    return _as_trained(read_policy(shipped.ADAPTERS / SUMMARIZER_ADAPTER).card, SUMMARIZER_ADAPTER)


def _untrained(engine: Engine) -> Prompting:
    return Prompting(prompt(_TEMPLATES.get(engine.name, "summarize")))


def _as_trained(card: PolicyCard, adapter: str = "") -> Prompting:
    decoding = Decoding(
        max_tokens=card.max_new_tokens, repetition_penalty=card.repetition_penalty, adapter=adapter
    )
    return Prompting(card.template, card.max_text_tokens, decoding)


def _engine(policy: PolicyFolder) -> Engine:
    plain = not policy.card.chat
    if policy.card.kind == "full":
        return load_engine(str(policy.gguf or policy.path), plain=plain)
    base = base_of(policy)
    exported = policy.gguf if policy.gguf and model_path(base).format == "gguf" else None
    return load_engine(base, adapter=exported or policy.path, plain=plain)


def _whole_sentences(text: str) -> str:
    """Without a last sentence that the token limit cut off, where there is a whole one before it.

    >>> _whole_sentences("One is done. Two is no")
    'One is done.'
    """
    whole = re.match(r"(?s:.*)[.!?](?=\s)", text)
    return whole[0] if whole else text
