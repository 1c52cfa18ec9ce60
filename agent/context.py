"""What of a conversation a model gets to read: as much as its context window holds.

The system prompt and the current turn always go in. Of earlier turns the oldest go first, whole; then
observations of the current turn lose their beginnings, since a search puts its best recipe last. Cutting the
past before the present is what a person would do, and it keeps follow-up questions answerable.
"""

from collections.abc import Callable, Sequence

from agent.engines.base import Message
from agent.react import render_observation
from tools.errors import SouschefError

Count = Callable[[Sequence[Message]], int]

MIN_OBSERVATION_CHARACTERS = 400


class QuestionTooLong(SouschefError):
    """The current turn does not fit, however much is cut."""


def fit(
    turns: Sequence[Sequence[Message]],
    head: Sequence[Message],
    count: Count,
    limit: int,
    context_tokens: int | None = None,
) -> list[Message]:
    """The head and the newest turns that fit into `limit` tokens together.

    Raises QuestionTooLong, which names the model's `context_tokens`, where the last turn alone does not fit.
    """
    kept = list(turns[-1:])
    for turn in reversed(turns[:-1]):
        if count([*head, *turn, *_joined(kept)]) > limit:
            break
        kept.insert(0, turn)
    messages = [*head, *_joined(kept)]
    while count(messages) > limit:
        messages = _with_a_shorter_observation(messages, len(head), context_tokens or limit)
    return messages


def _with_a_shorter_observation(messages: list[Message], fixed: int, context_tokens: int) -> list[Message]:
    """The messages with the longest observation halved; an error where none can be cut any more."""
    observations = [n for n in range(fixed + 1, len(messages)) if messages[n]["role"] == "user"]
    longest = max(observations, key=lambda place: len(messages[place]["content"]), default=None)
    if longest is None or len(messages[longest]["content"]) < MIN_OBSERVATION_CHARACTERS:
        raise QuestionTooLong(
            f"The question is longer than the model's context of {context_tokens} tokens: shorten it, "
            "or choose a model with a longer one."
        )
    content = messages[longest]["content"]
    kept = render_observation(f"[...] {content[len(content) // 2 :]}")
    shorter: Message = {"role": "user", "content": kept}
    return [*messages[:longest], shorter, *messages[longest + 1 :]]


def _joined(turns: Sequence[Sequence[Message]]) -> list[Message]:
    return [message for turn in turns for message in turn]
