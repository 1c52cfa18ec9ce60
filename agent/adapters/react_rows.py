"""One row of the ReAct adapter's training data: what the agent shows its model, and the step to write.

The prompt is made by the agent's own functions, as for the smallest models (agent/grounding.py) and without
instructions or examples, so that what is trained on is what is met in use. A step that the agent's grammar
would refuse in that conversation is no row. Left out: the engine, and the cutting of what a context does not
hold.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agent.engines.base import Message
from agent.grounding import applicable, in_brief, own_words
from agent.react import Action, ToolSpec, render_action, render_answer
from agent.rendering import system_text, turns
from prompts import prompt
from tools.index import Hit
from tools.search import Searcher, search_text

_CALL = "call"


@dataclass(frozen=True)
class Row:
    """A conversation, the step that continues it, and the pieces of the sources it was made of."""

    conversation: tuple[BaseMessage, ...]
    thought: str
    step: Action | str  # a tool call, or the answer
    source: str
    made_of: tuple[str, ...]
    route: str = field(init=False)

    def __post_init__(self) -> None:
        called = [
            call["name"] for m in self.conversation if isinstance(m, AIMessage) for call in m.tool_calls
        ]
        after = isinstance(self.conversation[-1], ToolMessage)
        now = self.step.tool if isinstance(self.step, Action) else called[-1] if after else "direct"
        object.__setattr__(self, "route", now)

    @property
    def question(self) -> str:
        """What the user wrote last."""
        return next(str(m.text) for m in reversed(self.conversation) if isinstance(m, HumanMessage))

    def completion(self) -> str:
        """The step in the words that the model is to use."""
        if isinstance(self.step, Action):
            return render_action(self.step, self.thought)
        return render_answer(self.step, self.thought)

    def to_dict(self, number: int) -> dict[str, Any]:
        """The row as training reads it."""
        said: Message = {"role": "assistant", "content": self.completion()}
        return {
            "messages": [*prompted(self.conversation), said],
            "route": self.route,
            "source": self.source,
            "id": f"{self.source}-{number}",
            "made_of": list(self.made_of),
        }


def prompted(conversation: Sequence[BaseMessage]) -> list[Message]:
    """The messages that the agent sends to a model that has the adapter."""
    shown = in_brief([SystemMessage(prompt("agent_taught")), *conversation])
    head: Message = {"role": "system", "content": system_text(shown)}
    return [head, *(message for turn in turns(shown, react=True) for message in turn)]


def permitted(row: Row) -> bool:
    """Whether the agent's grammar lets a model take the row's step."""
    if not isinstance(row.step, Action):
        return True
    specs = own_words(applicable(tool_specs(), row.conversation), row.conversation)
    offered = {spec.name: spec.parameters["properties"] for spec in specs}
    if row.step.tool not in offered:
        return False
    return all(
        len(value) <= schema.get("maxLength", len(value)) and re.search(schema.get("pattern", ""), value)
        for name, value in row.step.args.items()
        for schema in [offered[row.step.tool][name]]
    )


@cache
def tool_specs() -> tuple[ToolSpec, ...]:
    """The agent's own tools as its chat model sees them."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    from tools import build_tools

    functions = [convert_to_openai_tool(tool)["function"] for tool in build_tools(_NoRecipes(), _NoPolicy())]
    return tuple(
        ToolSpec(one["name"], " ".join(one["description"].split()), one["parameters"]) for one in functions
    )


class _NoRecipes(Searcher):
    """An index for tools that are described and never called."""

    def search(self, query: str, k: int, mode: Any, *, avoid: Sequence[str]) -> list[Hit]:
        raise NotImplementedError


class _NoPolicy:
    """A policy for tools that are described and never called."""

    name = "none"
    max_text_tokens = 1

    def count_tokens(self, text: str) -> int:
        raise NotImplementedError

    def write(self, text: str) -> str:
        raise NotImplementedError


# ---- the pieces of a conversation


def asked(text: str, file: str = "") -> HumanMessage:
    """What a user wrote, and the file they attached."""
    if not file:
        return HumanMessage(text)
    return HumanMessage(
        [{"type": "text", "text": text}, {"type": "text-plain", "title": "text.txt", "text": file}]
    )


def called(thought: str, action: Action) -> AIMessage:
    """A tool call that the agent made."""
    call = {"name": action.tool, "args": dict(action.args), "id": _CALL}
    return AIMessage([{"type": "reasoning", "reasoning": thought}], tool_calls=[call])


def answered(thought: str, text: str) -> AIMessage:
    """An answer that the agent gave."""
    return AIMessage([{"type": "reasoning", "reasoning": thought}, {"type": "text", "text": text}])


def observed(hits: Sequence[Hit]) -> ToolMessage:
    """What recipe_search returned."""
    return ToolMessage(search_text(hits), artifact=list(hits), tool_call_id=_CALL, name="recipe_search")


def search(query: str) -> Action:
    """A call of recipe_search."""
    return Action("recipe_search", {"query": query})


def summarize(source: str) -> Action:
    """A call of summarize."""
    return Action("summarize", {"source": source})
