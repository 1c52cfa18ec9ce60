"""Wire the agent: engine, tools, prompt and limits into LangChain's `create_agent`.

The embedder loads in a background thread while the model already reads the question.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts import prompt
from tools.errors import SouschefError
from tools.readahead import read_ahead

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from langgraph.graph.state import CompiledStateGraph

    from agent.engines.base import Engine
    from tools.index import RecipeIndex
    from tools.search import Searcher
    from tools.summarize import Policy

DEFAULT_STEP_LIMIT = 4
REACT_ADAPTER = "react"  # an engine that has it knows the agent's own tools and the format of its steps
_TOO_SMALL_TO_RETELL = frozenset({"smollm2-135m"})


def build_agent(
    engine: Engine | str | None = None,
    index: Searcher | Path | None = None,
    *,
    tools: Sequence[BaseTool] | None = None,
    policy: Policy | None = None,
    step_limit: int = DEFAULT_STEP_LIMIT,
    temperature: float = 0.0,
    max_tokens: int = 512,
    seed: int = 0,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A LangChain agent that answers cooking questions.

    `engine` is an engine or a model's name (default: the embedded one), `index` a recipe index or its folder
    (default: the embedded recipes), `tools` what the agent may call instead of recipe_search and summarize:
    an empty list makes it a plain chat. `policy` writes summaries in the engine's stead. After `step_limit`
    tool calls it must answer.
    """
    from langchain.agents import create_agent

    from agent.chat import ReActChat
    from agent.engines import DEFAULT_MODEL, load_engine
    from agent.limits import NoRepeats, StepLimit
    from agent.policy import PromptedPolicy

    running = load_engine(engine or DEFAULT_MODEL) if isinstance(engine, str | None) else engine
    taught = tools is None and REACT_ADAPTER in running.adapters
    chat = ReActChat(
        engine=running,
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
        grounded=taught or running.name in _TOO_SMALL_TO_RETELL,
        examples=examples() if tools is None and not taught else [],
        adapter=REACT_ADAPTER if taught else "",
    )
    offered = list(tools) if tools is not None else _own_tools(index, policy or PromptedPolicy(running))
    return create_agent(
        chat,
        offered,
        system_prompt=prompt("agent_taught" if taught else "agent" if offered else "agent_plain"),
        middleware=[StepLimit(step_limit), NoRepeats()],
        name="souschef",
    )


def _own_tools(index: Searcher | Path | None, policy: Policy) -> list[BaseTool]:
    from tools import build_tools

    searcher = open_index(index) if isinstance(index, Path | None) else index
    return build_tools(searcher, policy)


def examples() -> list[BaseMessage]:
    """The turns of prompts/examples.txt: a blank line ends a turn, a step begins with Thought."""
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    from agent.react import parse

    shown: list[BaseMessage] = []
    for block in prompt("examples").split("\n\n---\n\n"):
        speaker, _, text = block.partition("\n")
        if speaker == "User":
            shown.append(HumanMessage(text))
        elif speaker == "Observation":
            shown.append(ToolMessage(text, tool_call_id="example"))
        else:
            step = parse(text)
            calls = (
                [{"name": step.action.tool, "args": dict(step.action.args), "id": "example"}]
                if step.action
                else []
            )
            thought = {"type": "reasoning", "reasoning": step.thought}
            shown.append(AIMessage([thought, {"type": "text", "text": step.answer or ""}], tool_calls=calls))
    return shown


def open_index(folder: Path | None = None) -> RecipeIndex:
    """The index in a folder, or the embedded one, whose embedder loads in a thread while you go on.

    The first search waits for what is left to load. Raises IndexFileError where there is no whole index.
    """
    read_ahead()
    from tools.index import RecipeIndex, embedded_index

    index = embedded_index() if folder is None else RecipeIndex.load(folder)
    # A daemon, so that a program which needs no search need not wait for it when it ends.
    threading.Thread(target=_warm_up, args=[index], name="index", daemon=True).start()
    return index


def _warm_up(index: RecipeIndex) -> None:
    """Load the embedder and the lexical table; what goes wrong is said by the first search."""
    if index.count:
        with suppress(SouschefError):
            index.search("warm up", k=1, mode="hybrid")
