"""Messages to prompt text, for every engine that applies a chat template itself.

A template is seen here as a function from messages to text, so that the same rules serve the templates that
llama.cpp runs and those that transformers runs. Some templates (Phi-3's first one) silently drop system
messages and others refuse them; a probe finds that out once, and the system text then opens the first user
turn. What this leaves out: tools in templates, which the ReAct format does not use.
"""

from collections.abc import Callable, Sequence

from agent.engines.base import Message

Template = Callable[[Sequence[Message]], str]

_PROBE = "a system message that the template keeps"


class TemplateRefused(Exception):
    """The chat template raised an error over these messages."""


def keeps_system(template: Template) -> bool:
    """Whether a system message shows in what the template renders.

    >>> keeps_system(lambda messages: "".join(m["content"] for m in messages))
    True
    >>> keeps_system(lambda messages: messages[-1]["content"])
    False
    """
    probe: list[Message] = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "Hello."}]
    try:
        return _PROBE in template(probe)
    except TemplateRefused:
        return False


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """Move all system text to the head of the first user turn, for a template that has no place for it.

    >>> fold_system([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    [{'role': 'user', 'content': 'Be brief.\\n\\nHi'}]
    """
    system = [message["content"] for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    if not system:
        return turns
    if not turns or turns[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(system)}, *turns]
    first: Message = {"role": "user", "content": "\n\n".join([*system, turns[0]["content"]])}
    return [first, *turns[1:]]


def join_contents(messages: Sequence[Message]) -> str:
    """Plain text for a base model, which has no chat template: the contents, a blank line between them.

    >>> join_contents([{"role": "system", "content": "TL;DR"}, {"role": "user", "content": "Eggs."}])
    'TL;DR\\n\\nEggs.'
    """
    return "\n\n".join(message["content"] for message in messages)
