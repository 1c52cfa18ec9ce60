"""ReActChat: a LangChain chat model that lets any engine call tools by way of the ReAct text format.

With tools bound it renders the conversation as Thought / Action / Observation, generates one step under a
grammar and returns it parsed: the thought as a reasoning block, then a tool call or the answer as text.
Without tools it is a plain chat model. Here is what goes into the engine; agent/generation.py has what comes
out. Not here: which tools there are, and what stops a turn.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from agent.context import QuestionTooLong, fit
from agent.engines.base import Decoding, Message
from agent.extraction import Found, found, grounded_step
from agent.generation import copied_answer, plain_answer, react_step
from agent.grounding import applicable, in_brief, own_words
from agent.react import (
    STOP_STRINGS,
    Choice,
    ToolSpec,
    grammar,
    instructions,
)
from agent.rendering import system_text, thought_of, turns
from tools.citations import this_turn

_MIN_ANSWER_TOKENS = 64
_MOST_COPIED_TOKENS = 1500  # about 5,000 characters: the longest recipes


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
    adapter: str = (
        ""  # of the engine, on where tools are offered; it knows the format, so nothing explains it
    )

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
        offered = self._found(messages) if specs and choice != "any" else []
        rules = grounded_step(offered) if offered else self._grammar(messages, specs, choice)
        decoding = self._decoding(stop, rules if specs else None, kwargs)
        shown = in_brief(messages) if self.grounded else messages
        prompted = self._prompt(shown, specs, decoding.max_tokens)
        decoding = self._within_context(decoding, prompted)
        if offered:
            chunks = copied_answer(self.engine, prompted, decoding, offered)
        elif specs:
            chunks = react_step(self.engine, prompted, decoding, choice)
        else:
            chunks = plain_answer(self.engine, prompted, decoding)
        for chunk in chunks:
            if run_manager:
                run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"], params["ls_model_name"] = "souschef", kwargs.get("model", self.engine.name)
        return params

    # ---- what goes in

    def _prompt(self, messages: list[BaseMessage], specs: list[ToolSpec], max_tokens: int) -> list[Message]:
        explained = instructions(specs) if specs and not self.adapter else ""
        system = "\n\n".join(filter(None, [system_text(messages), explained]))
        head: list[Message] = [{"role": "system", "content": system}] if system else []
        shown = turns(self.examples, react=True) if specs else []
        taught = [*head, *(message for turn in shown for message in turn)]
        context, said = self.engine.context_tokens, turns(messages, react=bool(specs))
        room = context - max(_MIN_ANSWER_TOKENS, max_tokens)
        # In a small context the examples go first; then, where it left the answer less than was asked for
        # anyhow, most of the answer's room.
        most = context - _MIN_ANSWER_TOKENS if max_tokens >= context // 2 else room
        for opening, limit in ((taught, room), (head, room)):
            with suppress(QuestionTooLong):
                return fit(said, opening, self.engine.count_tokens, limit, context)
        return fit(said, head, self.engine.count_tokens, most, context)

    def _within_context(self, decoding: Decoding, prompted: Sequence[Message]) -> Decoding:
        """The decoding with no more tokens than the prompt leaves, which is fewer in a small context only."""
        left = max(1, self.engine.context_tokens - self.engine.count_tokens(prompted))
        return replace(decoding, max_tokens=min(decoding.max_tokens, left))

    def _found(self, messages: list[BaseMessage]) -> list[Found]:
        return found(messages, _MOST_COPIED_TOKENS) if self.grounded and self.engine.obeys_grammar else []

    def _grammar(self, messages: list[BaseMessage], specs: list[ToolSpec], choice: Choice) -> str:
        said = [thought_of(m) for m in this_turn(messages) if isinstance(m, AIMessage)]
        if self.grounded:
            specs = own_words(applicable(specs, messages) if choice == "auto" else specs, messages)
        return grammar(specs, choice, said, brief=self.grounded)

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
            adapter=self.adapter if react_grammar else "",
        )


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
