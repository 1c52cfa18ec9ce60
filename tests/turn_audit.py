"""Watch an agent's turns from outside: what the model wrote, what the tools gave, and what the turn says.

The engine and the recipe index are wrapped by recorders, so that a turn is judged by what really happened and
not by the agent's own account. Four faults are counted: malformed actions, invented observations, endless
turns and tracebacks.
"""

import json
import re
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from hostile_questions import Question
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent import Session, build_agent
from agent.engines import Decoding, Engine, Message, Usage
from agent.events import StepRecord, Turn
from agent.policy import PromptedPolicy
from prompts import prompt
from tools import build_tools
from tools.errors import SouschefError
from tools.index import Hit
from tools.search import Searcher, search_text
from tools.untrusted import neutralise

FAULTS = ("malformed_action", "invented_observation", "endless_turn", "traceback")

_STEP = re.compile(
    r"Thought: [^\n]+\n"
    r"(?:Action: (?P<tool>\w+)\nAction Input: (?P<args>\{.*\})|Final Answer: (?s:.+))"
)
_OBSERVATION = re.compile(r"^\W*observation\s*:", re.IGNORECASE | re.MULTILINE)


@dataclass
class Written:
    """One call of the model; `react` is False where a tool called it to write a summary."""

    react: bool
    text: str = ""
    finish: str = "closed"


class RecordingEngine:
    """An engine that notes what the engine in it writes."""

    def __init__(self, engine: Engine) -> None:
        self.inner = engine
        self.name, self.context_tokens = engine.name, engine.context_tokens
        self.obeys_grammar = engine.obeys_grammar
        self.adapters, self.adapter_files = engine.adapters, engine.adapter_files
        self.written: list[Written] = []

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        written = Written(decoding.grammar is not None)
        self.written.append(written)
        for item in self.inner.stream(messages, decoding, cancelled):
            if isinstance(item, Usage):
                written.finish = item.finish_reason
            else:
                written.text += item
            yield item

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self.inner.count_tokens(messages)

    def close(self) -> None:
        self.inner.close()


class RecordingIndex:
    """A recipe index that notes what was found."""

    def __init__(self, index: Searcher) -> None:
        self.inner = index
        self.found: list[list[Hit]] = []

    def search(self, query: str, k: int, mode: Any, *, avoid: Sequence[str]) -> list[Hit]:
        self.found.append(self.inner.search(query, k, mode, avoid=avoid))
        return self.found[-1]


@dataclass(frozen=True)
class Verdict:
    """What one turn did, and what was wrong with it: fault, and why."""

    question: Question
    route: str
    exit_reason: str
    seconds: float
    model_calls: int
    faults: list[tuple[str, str]] = field(default_factory=list)


class Auditor:
    """Asks an agent questions and judges its turns."""

    def __init__(
        self,
        engine: Engine,
        index: Searcher,
        *,
        step_limit: int = 4,
        max_tokens: int = 512,
        time_limit_s: float,
    ) -> None:
        self.engine, self.index = RecordingEngine(engine), RecordingIndex(index)
        self.step_limit, self.time_limit_s = step_limit, time_limit_s
        self.agent = build_agent(self.engine, self.index, step_limit=step_limit, max_tokens=max_tokens)
        offered = build_tools(self.index, PromptedPolicy(self.engine))
        self._tools = {tool.name: tool for tool in offered}

    def converse(self, questions: Sequence[Question]) -> list[Verdict]:
        """One conversation."""
        session = Session(self.agent, time_limit_s=self.time_limit_s)
        return [self.ask(session, question) for question in questions]

    def ask(self, session: Session, question: Question) -> Verdict:
        """One turn; a question that is refused in a sentence (it is empty, say) is no fault."""
        self.engine.written.clear()
        self.index.found.clear()
        started = time.monotonic()
        route, exit_reason, faults = "none", "refused", []
        try:
            turn = session.ask(question.text, [("a.txt", question.file)] if question.file else [])
            route, exit_reason, faults = turn.route, turn.exit_reason, list(self._faults(turn))
        except SouschefError as error:
            exit_reason = f"refused: {error}"
        except Exception:  # noqa: BLE001 - this is what is being counted
            faults = [("traceback", traceback.format_exc())]
        seconds = time.monotonic() - started
        calls = sum(written.react for written in self.engine.written)
        if exit_reason == "time_limit" or seconds > self.time_limit_s or calls > self.step_limit + 1:
            faults.append(("endless_turn", f"{seconds:.0f} s, {calls} calls of the model"))
        return Verdict(question, route, exit_reason, seconds, calls, faults)

    def _faults(self, turn: Turn) -> Generator[tuple[str, str], None, None]:
        for written in self.engine.written:
            if written.react and written.finish != "cancelled" and (wrong := self._misstep(written)):
                yield "malformed_action", wrong
        for step in turn.steps:
            if wrong := self._malformed(step.tool, dict(step.args)):
                yield "malformed_action", wrong
            if not self._was_given(step):
                yield "invented_observation", f"{step.tool} never gave {step.observation!r}"
        said = [
            turn.answer,
            *(step.thought for step in turn.steps),
            *(w.text for w in self.engine.written if w.react),
        ]
        for text in said:
            if _OBSERVATION.search(text):
                yield "invented_observation", repr(text)

    def _misstep(self, written: Written) -> str:
        """What is wrong with a step as the model wrote it."""
        step = _STEP.fullmatch(written.text)
        if step is None and self._is_choice(written.text):
            return ""
        if step is None:
            return f"no step ({written.finish}): {written.text!r}"
        if step["tool"] is None:
            return ""
        try:
            return self._malformed(step["tool"], json.loads(step["args"]))
        except json.JSONDecodeError:
            return f"no JSON ({written.finish}): {written.text!r}"

    def _is_choice(self, text: str) -> bool:
        """Whether a text is no more than a thought that names a recipe which this turn's search found."""
        names = (" ".join(neutralise(hit.name).split()) for hits in self.index.found for hit in hits)
        return bool(re.fullmatch(r"Thought: [^\n]+", text)) and any(name in text for name in names)

    def _malformed(self, name: str, args: dict[str, Any]) -> str:
        """What is wrong with a call, by the schema that the tool shows."""
        if name not in self._tools:
            return f"there is no tool {name!r}"
        schema = convert_to_openai_tool(self._tools[name])["function"]["parameters"]
        properties: dict[str, Any] = schema["properties"]
        if set(args) != set(properties):
            return f"{name} has no such arguments: {args!r}"
        wrong = [key for key, value in args.items() if not _fits(value, properties[key])]
        return f"{name} does not take {args!r}" if wrong else ""

    def _was_given(self, step: StepRecord) -> bool:
        """Whether a tool of this turn gave a step's observation."""
        if step.error:
            return step.observation == prompt("repeated_call") or step.observation.startswith("There is no ")
        if step.tool == "recipe_search":
            return step.observation in self._passages()
        summaries = [written.text.strip() for written in self.engine.written if not written.react]
        return any(text.startswith(step.observation) for text in [*summaries, prompt("no_summary")])

    def _passages(self) -> Iterator[str]:
        """The text of each search of this turn, with numbers that go on from one to the next."""
        number: dict[str, int] = {}
        for hits in self.index.found:
            numbers = [number.setdefault(hit.uid, len(number) + 1) for hit in hits]
            yield search_text(hits, numbers=numbers)


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a string is one that its schema allows; all arguments of our tools are strings."""
    return (
        isinstance(value, str)
        and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        and re.search(schema.get("pattern", ""), value) is not None
    )
