"""One step in the making: what an engine streams, as chunks of a LangChain message.

`react_step` reads the ReAct format and streams thought, tool call and answer as they come; `plain_answer` is
a model without tools. Both count tokens and the engine's own seconds, and end an answer that has begun to
loop. An engine that takes no grammar gets one retry that shows the model its mistake.
"""

import json
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from agent.engines.base import Decoding, Engine, Message, Usage
from agent.extraction import Found
from agent.loops import is_looping
from agent.react import Choice, Part, Step, StepParser, answer_in, parse
from agent.stopping import TurnStopped, current_stop
from prompts import fill, prompt

_THOUGHT_BLOCK, _ANSWER_BLOCK, _CALL_BLOCK = 0, 1, 2  # places in a message, by which pieces are merged
_PIECES_BETWEEN_CHECKS = 8  # of the engine's pieces, before looking for a loop again


def plain_answer(
    engine: Engine, prompted: list[Message], decoding: Decoding
) -> Iterator[ChatGenerationChunk]:
    """The engine's text as it is."""
    run = _Run(engine, decoding)
    for piece in run.pieces(prompted):
        yield _chunk(piece)
    yield run.last_chunk()


def copied_answer(
    engine: Engine, prompted: list[Message], decoding: Decoding, offered: Sequence[Found]
) -> Iterator[ChatGenerationChunk]:
    """A thought that chooses one of the texts that were found, and that text as the answer.

    The model is asked only where there is a choice: what a grammar forces needs no model to compute it.
    """
    run = _Run(engine, decoding)
    thought = parse("".join(run.pieces(prompted))).thought if len(offered) > 1 else offered[0].thought
    chosen = next((one for one in offered if one.thought == thought), offered[0])
    yield _chunk([{"type": "reasoning", "reasoning": chosen.thought, "index": _THOUGHT_BLOCK}])
    for line in chosen.answer.splitlines(keepends=True):
        yield _chunk([{"type": "text", "text": line, "index": _ANSWER_BLOCK}])
    yield run.last_chunk()


def react_step(
    engine: Engine, prompted: list[Message], decoding: Decoding, choice: Choice
) -> Iterator[ChatGenerationChunk]:
    """A thought, then a tool call or an answer."""
    run = _Run(engine, decoding)
    call_id = f"call_{uuid.uuid4().hex}"
    step = _permitted((yield from _attempt(run, prompted, call_id)), choice)
    if step.mistake and not engine.obeys_grammar:
        correction = fill(prompt("mistake"), mistake=step.mistake)
        again: list[Message] = [
            *prompted,
            {"role": "assistant", "content": run.parser.text or "..."},
            {"role": "user", "content": correction},
        ]
        step = _permitted((yield from _attempt(run, again, call_id)), choice)
    if step.mistake and not run.called:  # what was written is all there is: let the user read it
        yield _chunk([{"type": "text", "text": run.parser.text.strip() or "...", "index": _ANSWER_BLOCK}])
    elif step.action and not run.streams_actions:
        yield from _action_chunks(step, call_id)
    yield run.last_chunk()


def _attempt(
    run: "_Run", prompted: list[Message], call_id: str
) -> Generator[ChatGenerationChunk, None, Step]:
    run.parser = StepParser()
    for piece in run.pieces(prompted):
        yield from run.show(run.parser.feed(piece), call_id)
    yield from run.show(run.parser.finish(), call_id)
    return run.parser.step()


class _Run:
    """One answer in the making: its parser, its tokens and the engine's time, over all attempts."""

    def __init__(self, engine: Engine, decoding: Decoding) -> None:
        self.engine, self.decoding = engine, decoding
        self.parser = StepParser()
        self.streams_actions = engine.obeys_grammar  # else an action is shown once it is known to be whole
        self.input_tokens = self.output_tokens = 0
        self.engine_s = 0.0
        self.finish_reason = "stop"
        self.called = False  # a call was streamed; should it be cut short, its tool says what is missing

    def pieces(self, messages: list[Message]) -> Iterator[str]:
        """The engine's text; the time that the reader takes between pieces is not the engine's."""
        stream = self.engine.stream(messages, self.decoding, current_stop())
        text, pieces = "", 0
        started = time.perf_counter()
        for item in stream:
            self.engine_s += time.perf_counter() - started
            if isinstance(item, Usage):
                self._count(item)
                break
            yield item
            text, pieces = text + item, pieces + 1
            if pieces % _PIECES_BETWEEN_CHECKS == 0 and is_looping(answer_in(text)):
                self._count(Usage(self.engine.count_tokens(messages), pieces, "stop"))
                break
            started = time.perf_counter()
        stream.close()
        if self.finish_reason == "cancelled":
            raise TurnStopped

    def _count(self, usage: Usage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.finish_reason = usage.finish_reason

    def show(self, parts: list[Part], call_id: str) -> Iterator[ChatGenerationChunk]:
        """Parts of a step as chunks of a message."""
        for part in parts:
            if part.kind == "thought":
                yield _chunk([{"type": "reasoning", "reasoning": part.text, "index": _THOUGHT_BLOCK}])
            elif part.kind == "answer":
                yield _chunk([{"type": "text", "text": part.text, "index": _ANSWER_BLOCK}])
            elif self.streams_actions:
                self.called = True
                yield _call_chunk(part, call_id)

    def last_chunk(self) -> ChatGenerationChunk:
        usage = UsageMetadata(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            total_tokens=self.input_tokens + self.output_tokens,
        )
        metadata = {
            "model_name": self.engine.name,
            "finish_reason": self.finish_reason,
            "engine_s": self.engine_s,
        }
        message = AIMessageChunk(
            content="", usage_metadata=usage, response_metadata=metadata, chunk_position="last"
        )
        return ChatGenerationChunk(message=message)


def _permitted(step: Step, choice: Choice) -> Step:
    """The step, or a mistake where it calls a tool that it was told not to (engines without grammars do)."""
    if step.action and choice == "none":
        return Step(step.thought, mistake="no tool may be used any more, only a Final Answer given")
    return step


def _chunk(content: str | list[str | dict[str, Any]]) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=content))


def _call_chunk(part: Part, call_id: str) -> ChatGenerationChunk:
    piece = (
        tool_call_chunk(name=part.text, args="", id=call_id, index=_CALL_BLOCK)
        if part.kind == "tool"
        else tool_call_chunk(args=part.text, index=_CALL_BLOCK)
    )
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))


def _action_chunks(step: Step, call_id: str) -> Iterator[ChatGenerationChunk]:
    assert step.action is not None
    yield _call_chunk(Part("tool", step.action.tool), call_id)
    yield _call_chunk(Part("args", json.dumps(dict(step.action.args))), call_id)
