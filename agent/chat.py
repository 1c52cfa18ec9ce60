"""ReActChat: a LangChain chat model that lets any engine call tools by way of the ReAct text format.

With tools bound it renders the conversation as Thought / Action / Observation, generates one step under a
grammar and returns it parsed: the thought as a reasoning block, then a tool call or the answer as text.
Without tools it is a plain chat model. An engine that takes no grammar gets one retry that shows the model
its mistake; after that its text is the answer. Not here: which tools there are, and what stops a turn.
"""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from agent.context import fit
from agent.engines.base import Decoding, Engine, Message, Usage
from agent.grounding import applicable, found, grounded_step, in_brief, own_words
from agent.loops import is_looping
from agent.react import (
    STOP_STRINGS,
    Choice,
    Part,
    Step,
    StepParser,
    ToolSpec,
    answer_in,
    grammar,
    instructions,
)
from agent.rendering import system_text, this_turn, thought_of, turns
from agent.stopping import TurnStopped, current_stop
from prompts import fill, prompt

_THOUGHT_BLOCK, _ANSWER_BLOCK, _CALL_BLOCK = 0, 1, 2  # places in a message, by which pieces are merged
_MIN_ANSWER_TOKENS = 64
_GROUNDED_SHARE = 0.85  # of the most tokens, because their number in a found text is an estimate
_PIECES_BETWEEN_CHECKS = 8  # of the engine's pieces, before looking for a loop again


class ReActChat(BaseChatModel):
    """A chat model over an engine; `max_tokens` bounds one step, thought included."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Any  # an Engine; pydantic cannot check a protocol
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    max_tokens: int = 512
    stop: list[str] = Field(default_factory=list)
    grounded: bool = False  # search in the user's words, answer in those of the results: agent/grounding.py
    examples: list[BaseMessage] = Field(default_factory=list)  # shown before the conversation, with tools

    @property
    def _llm_type(self) -> str:
        return "souschef-react"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools. `tool_choice` is "auto", "any" (must call one), "none" (must answer) or a name."""
        return self.bind(
            tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        specs, choice = _offered(kwargs.get("tools") or [], kwargs.get("tool_choice"))
        decoding = self._decoding(stop, self._grammar(messages, specs, choice) if specs else None, kwargs)
        shown = in_brief(messages) if self.grounded else messages
        prompted = self._prompt(shown, specs, decoding.max_tokens)
        steps = self._react(prompted, decoding, choice) if specs else self._plain(prompted, decoding)
        for chunk in steps:
            if run_manager:
                run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"], params["ls_model_name"] = "souschef", kwargs.get("model", self.engine.name)
        return params

    # ---- what goes in

    def _prompt(self, messages: list[BaseMessage], specs: list[ToolSpec], max_tokens: int) -> list[Message]:
        system = "\n\n".join(filter(None, [system_text(messages), instructions(specs) if specs else ""]))
        head: list[Message] = [{"role": "system", "content": system}] if system else []
        if specs:
            head += [message for turn in turns(self.examples, react=True) for message in turn]
        room = self.engine.context_tokens - max(_MIN_ANSWER_TOKENS, max_tokens)
        return fit(turns(messages, react=bool(specs)), head, self.engine.count_tokens, room)

    def _grammar(self, messages: list[BaseMessage], specs: list[ToolSpec], choice: Choice) -> str:
        offered = found(messages, int(self.max_tokens * _GROUNDED_SHARE)) if self.grounded else []
        if offered and choice != "any":
            return grounded_step(offered)
        said = [thought_of(m) for m in this_turn(messages) if isinstance(m, AIMessage)]
        if self.grounded:
            specs = own_words(applicable(specs, messages) if choice == "auto" else specs, messages)
        return grammar(specs, choice, said)

    def _decoding(
        self, stop: list[str] | None, react_grammar: str | None, kwargs: dict[str, Any]
    ) -> Decoding:
        obeys = self.engine.obeys_grammar
        most = self.engine.context_tokens // 2  # the other half is for what is read
        return Decoding(
            max_tokens=min(kwargs.get("max_tokens") or self.max_tokens, most),
            temperature=kwargs.get("temperature", self.temperature),
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            seed=kwargs.get("seed", self.seed),
            stop=(*(stop or self.stop), *(() if obeys or not react_grammar else STOP_STRINGS)),
            grammar=react_grammar if obeys else None,
        )

    # ---- what comes out

    def _plain(self, prompted: list[Message], decoding: Decoding) -> Iterator[ChatGenerationChunk]:
        run = _Run(self.engine, decoding)
        for piece in run.pieces(prompted):
            yield _chunk(piece)
        yield run.last_chunk()

    def _react(
        self, prompted: list[Message], decoding: Decoding, choice: Choice
    ) -> Iterator[ChatGenerationChunk]:
        run = _Run(self.engine, decoding)
        call_id = f"call_{uuid.uuid4().hex}"
        step = _permitted((yield from self._attempt(run, prompted, call_id)), choice)
        if step.mistake and not self.engine.obeys_grammar:
            correction = fill(prompt("mistake"), mistake=step.mistake)
            again: list[Message] = [
                *prompted,
                {"role": "assistant", "content": run.parser.text or "..."},
                {"role": "user", "content": correction},
            ]
            step = _permitted((yield from self._attempt(run, again, call_id)), choice)
        if step.mistake and not run.called:  # what was written is all there is: let the user read it
            yield _chunk([{"type": "text", "text": run.parser.text.strip() or "...", "index": _ANSWER_BLOCK}])
        elif step.action and not run.streams_actions:
            yield from _action_chunks(step, call_id)
        yield run.last_chunk()

    def _attempt(
        self, run: "_Run", prompted: list[Message], call_id: str
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
        self.streams_actions = (
            engine.obeys_grammar
        )  # without one, an action is shown once it is known to be whole
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
    import json

    assert step.action is not None
    yield _call_chunk(Part("tool", step.action.tool), call_id)
    yield _call_chunk(Part("args", json.dumps(dict(step.action.args))), call_id)


def _offered(tools: Sequence[dict[str, Any]], tool_choice: Any) -> tuple[list[ToolSpec], Choice]:
    """The tools that may be called, and whether one must be; a name as choice leaves only that tool."""
    specs = [
        ToolSpec(
            function["name"],
            " ".join(function.get("description", "").split()),
            function.get("parameters") or {"type": "object", "properties": {}},
        )
        for function in (tool["function"] for tool in tools)
    ]
    if isinstance(tool_choice, dict):  # OpenAI's form of a name
        tool_choice = tool_choice.get("function", tool_choice).get("name")
    if tool_choice in (None, "auto", False):
        return specs, "auto"
    if tool_choice in ("any", "required", True):
        return specs, "any"
    if tool_choice == "none":
        return specs, "none"
    named = [spec for spec in specs if spec.name == tool_choice]
    if not named:
        raise ValueError(f"tool_choice {tool_choice!r} is none of {[spec.name for spec in specs]}")
    return named, "any"
