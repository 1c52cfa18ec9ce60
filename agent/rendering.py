"""LangChain messages as the plain messages an engine takes.

Tool calls and their results become Thought / Action / Observation text. Everything a person or a tool wrote
is neutralised, long texts are folded, and attached files stand behind the question as their own paragraph.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agent.engines.base import Message
from agent.folding import fold
from agent.react import Action, render_action, render_answer, render_observation
from tools.untrusted import neutralise


def system_text(messages: Sequence[BaseMessage]) -> str:
    """All system messages as one text."""
    return "\n\n".join(message.text for message in messages if isinstance(message, SystemMessage))


def turns(messages: Sequence[BaseMessage], react: bool) -> list[list[Message]]:
    """The conversation without its system messages; a turn begins where a person speaks.

    `react` says whether past steps are shown in the ReAct format or as plain chat.
    """
    rendered: list[list[Message]] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, HumanMessage) or not rendered:
            rendered.append([])
        rendered[-1].append(_render(message, react))
    return [_joining_neighbours(turn) for turn in rendered]


def question(message: BaseMessage) -> str:
    """What a person wrote, without the files they attached."""
    return message.text


def attachments(message: BaseMessage) -> list[str]:
    """The texts of the files attached to a message."""
    if isinstance(message.content, str):
        return []
    blocks = (block for block in message.content if isinstance(block, dict))
    return [str(block.get("text", "")) for block in blocks if block.get("type") == "text-plain"]


def _render(message: BaseMessage, react: bool) -> Message:
    if isinstance(message, AIMessage):
        return {"role": "assistant", "content": _assistant(message, react)}
    if isinstance(message, ToolMessage):
        return {"role": "user", "content": render_observation(neutralise(message.text))}
    asked, files = question(message), attachments(message)
    if react:  # a model with tools can have a long text read; one without must read it itself
        asked, files = fold(asked, "message"), [fold(text, "file") for text in files]
    return {"role": "user", "content": neutralise("\n\n".join([asked, *map(_attached, files)]))}


def _attached(text: str) -> str:
    return f"[Attached file] {text}"


def _assistant(message: AIMessage, react: bool) -> str:
    if not react and not message.tool_calls:
        return neutralise(message.text)
    thought = neutralise(thought_of(message))
    if not message.tool_calls:
        return render_answer(neutralise(message.text), thought)
    calls = [Action(call["name"], _safe(call["args"])) for call in message.tool_calls]
    return "\n".join(render_action(call, thought) for call in calls)


def _safe(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments as they may stand in a prompt: a model can copy a hostile text into them."""
    return {name: neutralise(value) if isinstance(value, str) else value for name, value in args.items()}


def thought_of(message: BaseMessage) -> str:
    """The reasoning blocks of a message as one line."""
    reasoning = (
        block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning"
    )
    return " ".join(" ".join(reasoning).split())


def _joining_neighbours(turn: list[Message]) -> list[Message]:
    """Chat templates want roles that alternate: messages of one role in a row become one."""
    joined: list[Message] = []
    for message in turn:
        if joined and joined[-1]["role"] == message["role"]:
            content = f"{joined[-1]['content']}\n{message['content']}"
            joined[-1] = {"role": message["role"], "content": content}
        else:
            joined.append(message)
    return joined
