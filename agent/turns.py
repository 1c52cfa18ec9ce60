"""The record of one turn, filled while it runs: steps, sources, tokens, time, and the best answer so far."""

import time
from collections.abc import Iterator

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agent.events import Answering, Event, ExitReason, Source, StepRecord, Timing, Turn
from agent.limits import FORCED, SECONDS
from agent.rendering import thought_of
from tools.citations import cited_hits
from tools.index import Hit
from tools.summarize import Summary

_MOST_CHARACTERS_FOUND = 5000  # of what was found, where it stands in for an answer: the longest recipes


class TurnRecord:
    """What is known of a turn so far."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.messages: list[BaseMessage] = []
        self.parts: list[str] = []  # summaries of the parts of a long text that were read so far
        self._summary = ""
        self._answer = ""
        self._steps: list[StepRecord] = []
        self._pending: dict[str, tuple[str, str, dict[str, object]]] = {}  # call id: thought, tool, arguments
        self._exit_reason: ExitReason = "answer"
        self._input_tokens = self._output_tokens = 0
        self._model_s = self._tools_s = self._first_s = 0.0
        self._model = ""
        self._started = time.perf_counter()

    def saw_a_piece(self) -> None:
        """Something was streamed."""
        self._first_s = self._first_s or time.perf_counter() - self._started

    def saw_answer(self, text: str) -> None:
        """A piece of the answer was streamed."""
        self._answer += text

    def add_step(self, message: AIMessage) -> None:
        """The model has finished a step."""
        self.messages.append(message)
        usage, metadata = message.usage_metadata, message.response_metadata
        if usage:
            self._input_tokens += usage["input_tokens"]
            self._output_tokens += usage["output_tokens"]
        self._model_s += metadata.get("engine_s", 0.0)
        self._model = metadata.get("model_name", self._model)
        if metadata.get(FORCED):
            self._exit_reason = "step_limit"
        self._answer = message.text
        thought = thought_of(message)
        for call in message.tool_calls:
            self._pending[call["id"] or ""] = (thought, call["name"], call["args"])

    def add_result(self, message: ToolMessage) -> None:
        """A tool has answered."""
        self.messages.append(message)
        self._tools_s += message.additional_kwargs.get(SECONDS, 0.0)
        thought, tool, args = self._pending.pop(message.tool_call_id)
        self._steps.append(StepRecord(thought, tool, args, message.text, message.status == "error"))
        if isinstance(message.artifact, Summary):
            self._summary = message.artifact.text

    @property
    def hits(self) -> list[Hit]:
        """The recipes that the searches of this turn found, each once, in the order of their numbers."""
        return cited_hits(self.messages)

    @property
    def found(self) -> str:
        """The best that was found so far, of a length that an answer may have; empty if nothing was."""
        hits = self.hits
        best = self._summary or " ".join(filter(None, self.parts)) or (hits[0].text if hits else "")
        return (
            best if len(best) <= _MOST_CHARACTERS_FOUND else f"{best[:_MOST_CHARACTERS_FOUND].rstrip()} ..."
        )

    def give_best(self, reason: ExitReason, why: str) -> Iterator[Event]:
        """End a turn that could not be finished with the best that it has."""
        self._exit_reason = reason
        best = self._answer.strip() or self.found
        shown = "" if self._answer.strip() else best
        note = f"[{why}; this is what was found so far.]" if best else f"[{why}, and nothing was found yet.]"
        yield Answering(f"{shown}\n\n{note}" if shown or best else note)
        self._answer = f"{best}\n\n{note}" if best else note
        self._drop_unanswered_calls()
        self.messages.append(AIMessage(self._answer))

    def finish(self) -> Turn:
        """The turn as it is told."""
        total, hits = time.perf_counter() - self._started, tuple(self.hits)
        return Turn(
            question=self.question,
            answer=self._answer.strip(),
            steps=tuple(self._steps),
            sources=tuple(Source(hit.uid, hit.name, hit.score) for hit in hits),
            exit_reason=self._exit_reason,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            timing=Timing(total, self._model_s, self._tools_s, self._first_s or total),
            model=self._model,
            hits=hits,
        )

    def _drop_unanswered_calls(self) -> None:
        """A call without a result must not stay in the conversation, but it is a step that was taken."""
        self._steps += [StepRecord(*call, observation="", error=True) for call in self._pending.values()]
        self._pending.clear()
        while self.messages and isinstance(last := self.messages[-1], AIMessage) and last.tool_calls:
            self.messages.pop()
