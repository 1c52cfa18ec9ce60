"""What keeps a turn from going on for ever: a step limit, and a guard against the same call twice.

LangChain's ModelCallLimitMiddleware ends a run at a count, with nothing to show for it. Here the model gets
one more word instead: at the limit, and after a repeated call, it must answer from what was found. The tools
stay bound, so the prompt, and with it the engine's prompt cache, stays the same.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.types import Command

from prompts import prompt
from tools.citations import this_turn

REPEATED = "repeated"  # marks a ToolMessage that answers a call made before
SECONDS = "seconds"  # how long a tool ran
FORCED = "step_limit"  # marks the answer that the limit asked for


class StepLimit(AgentMiddleware):
    """At most `limit` tool calls a turn; then the model must answer."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Leave the model no choice but to answer where the limit is reached or a call came twice."""
        results = [message for message in this_turn(request.messages) if isinstance(message, ToolMessage)]
        at_limit = len(results) >= self.limit
        repeated = bool(results) and REPEATED in results[-1].additional_kwargs
        if not (request.tools and (at_limit or repeated)):
            return handler(request)
        response = handler(request.override(tool_choice="none"))
        if at_limit:
            for message in response.result:
                message.response_metadata[FORCED] = True
        return response


class NoRepeats(AgentMiddleware):
    """A call with the same tool and arguments as before in this turn is answered without running it."""

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Run the tool once, and note how long it took."""
        call = request.tool_call
        if _made_before(call["name"], call["args"], call["id"], this_turn(request.state["messages"])):
            return ToolMessage(
                prompt("repeated_call"),
                name=call["name"],
                tool_call_id=call["id"],
                status="error",
                additional_kwargs={REPEATED: True},
            )
        started = time.perf_counter()
        result = handler(request)
        if isinstance(result, ToolMessage):
            result.additional_kwargs[SECONDS] = time.perf_counter() - started
        return result


def _made_before(name: str, args: Any, call_id: str | None, messages: Sequence[BaseMessage]) -> bool:
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    return any(call["name"] == name and call["args"] == args and call["id"] != call_id for call in calls)
