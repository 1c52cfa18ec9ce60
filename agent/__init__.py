"""The assistant: engines, the ReAct chat model, the agent, sessions and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.build import build_agent
    from agent.session import Session

__all__ = ["Session", "build_agent"]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that `souschef --help` waits for none of it.
    if name == "build_agent":
        from agent.build import build_agent

        return build_agent
    if name == "Session":
        from agent.session import Session

        return Session
    raise AttributeError(f"module 'agent' has no attribute {name!r}")
