"""The ReAct text format: what the model reads, what it may write, and what that means.

    Thought: a recipe is needed
    Action: recipe_search
    Action Input: {"query": "banana bread"}
    Observation: ... (written by the program, never by the model)
    Thought: a recipe was found
    Final Answer: ...

Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", ICLR 2023 (arXiv 2210.03629). This
module is pure: the tools as text, the grammar of one step, and the parser that reads a step as it streams.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prompts import fill, prompt

THOUGHT, ACTION, INPUT, OBSERVATION, ANSWER = (
    "Thought:",
    "Action:",
    "Action Input:",
    "Observation:",
    "Final Answer:",
)
MAX_THOUGHT_CHARACTERS = 160
MAX_BRIEF_THOUGHT_CHARACTERS = 72
MAX_ARGUMENT_CHARACTERS = 200  # of a string argument whose schema names no maxLength
STOP_STRINGS = (f"\n{OBSERVATION}",)  # for engines without grammars

Choice = Literal["auto", "any", "none"]


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model sees it; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Action:
    """A tool call that the model asked for."""

    tool: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """What the model wrote: a thought, and then an action, an answer, or a mistake."""

    thought: str = ""
    action: Action | None = None
    answer: str | None = None
    mistake: str | None = None


@dataclass(frozen=True)
class Part:
    """A piece of a step as it streams in. "tool" and "args" make up the action."""

    kind: Literal["thought", "tool", "args", "answer"]
    text: str


# ---- what the model reads


def instructions(tools: Sequence[ToolSpec]) -> str:
    """The part of the system prompt that explains the format and the tools."""
    return fill(
        prompt("react"),
        names=", ".join(tool.name for tool in tools),
        tools="\n".join(f"- {tool.name}: {tool.description} {_signature(tool)}" for tool in tools),
    )


def _signature(tool: ToolSpec) -> str:
    properties = tool.parameters.get("properties", {})
    fields = [
        f'"{name}": {schema.get("description") or _kind(schema)}' for name, schema in properties.items()
    ]
    return f"Arguments: {{{', '.join(fields)}}}"


def _kind(schema: Mapping[str, Any]) -> str:
    return (
        " or ".join(map(json.dumps, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))
    )


def render_action(action: Action, thought: str = "") -> str:
    """A past action in the words that the model would have used.

    >>> render_action(Action("recipe_search", {"query": "pie"}), "a recipe is needed")
    'Thought: a recipe is needed\\nAction: recipe_search\\nAction Input: {"query": "pie"}'
    """
    args = json.dumps(dict(action.args), ensure_ascii=False)
    return f"{THOUGHT} {thought or 'a tool can help'}\n{ACTION} {action.tool}\n{INPUT} {args}"


def render_answer(answer: str, thought: str = "") -> str:
    """A past answer in the words that the model would have used."""
    return f"{THOUGHT} {thought or 'I can reply now'}\n{ANSWER} {answer}"


def render_observation(text: str) -> str:
    """What the model reads of a tool's result."""
    return f"{OBSERVATION} {text}"


# ---- what the model may write


def grammar(
    tools: Sequence[ToolSpec], choice: Choice = "auto", said: Sequence[str] = (), *, brief: bool = False
) -> str:
    """One step as an llguidance grammar: the tool exists, its arguments fit its schema, no Observation.

    `choice` "any" leaves out the answer and "none" leaves out the actions. `said` are the turn's earlier
    thoughts: a step may not begin with one again, or small models would take the same step for ever. A
    `brief` thought is in ASCII, so that even one of digits leaves a step's tokens to the action.
    """
    actions = [f"tool_{number}" for number, _ in enumerate(tools)] if choice != "none" else []
    endings = [*actions, *(["answer"] if choice != "any" else [])]
    rules = [
        f'{name}: "{ACTION} {tool.name}\\n{INPUT} " %json {_json_schema(tool.parameters)}'
        for name, tool in zip(actions, tools, strict=False)
    ]
    if "answer" in endings:
        rules.append(f'answer: "{ANSWER} " ANSWER_TEXT')
        rules.append(rf"ANSWER_TEXT: /[^\s](?s:.)*/ & ~/((?s:.)*\n\s*)?{_labels()}(?s:.)*/")
    return "\n".join(
        [
            "%llguidance {}",
            f'start: "{THOUGHT} " THOUGHT_TEXT "\\n" ({" | ".join(endings)})',
            f"THOUGHT_TEXT: {_thought(brief)}{_unlike(said)}",
            *rules,
        ]
    )


def _thought(brief: bool) -> str:
    """A line in which a colon follows the word "needed" alone, so that it holds no label.

    A rule that counts characters and looks for labels as well grows beyond what llguidance follows: once a
    label's name is written, it gives up, and llama.cpp goes on without a grammar.
    """
    first, then = ("[!-9;-~]", "[ -9;-~]") if brief else (r"[^\s:]", r"[^\n:]")
    most = MAX_BRIEF_THOUGHT_CHARACTERS if brief else MAX_THOUGHT_CHARACTERS
    return rf"/{first}{then}{{0,{most - 1}}}|{first}{then}{{0,20}}needed: {first}{then}{{0,{most - 31}}}/"


def _unlike(said: Sequence[str]) -> str:
    """The rest of the thought's rule: not beginning with any of these."""
    plain = (re.sub(r"([^\w\s])", r"\\\1", " ".join(thought.split())) for thought in said if thought.strip())
    known = "|".join(dict.fromkeys(plain))
    return rf" & ~/({known})[^\n]*/" if known else ""


def _labels() -> str:
    """What no text of the model's may hold: a label, in capitals or not, with or without spaces."""
    names = "|".join(label.rstrip(":") for label in (THOUGHT, ACTION, INPUT, OBSERVATION, ANSWER))
    return rf"(?i:{names})\s*:"


def _json_schema(parameters: Mapping[str, Any]) -> str:
    """The schema with every string bounded and every object closed, so that a call always ends."""
    schema = dict(_bounded(parameters))
    # Without these a model can fill its budget with white space. Unknown keywords are left to the tool.
    schema["x-guidance"] = {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
        "lenient": True,
    }
    return json.dumps(schema, ensure_ascii=True)


def _bounded(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    bounded = {key: _bounded(value) for key, value in schema.items()}
    if bounded.get("type") == "string" and not {"enum", "const", "pattern", "format"} & bounded.keys():
        bounded.setdefault("maxLength", MAX_ARGUMENT_CHARACTERS)
    if bounded.get("type") == "array":
        bounded.setdefault("maxItems", 8)
    if bounded.get("type") == "object" and "properties" in bounded:
        bounded.setdefault("additionalProperties", False)
    return bounded


# ---- what the model wrote


class StepParser:
    """Reads one step as it streams in: feed it pieces, take the parts, and ask for the step at the end.

    >>> parser = StepParser()
    >>> [part.kind for part in parser.feed("Thought: hm\\nFinal Answer: Hi") if part.text.strip()]
    ['thought', 'answer']
    >>> parser.step().answer
    'Hi'
    """

    _LABEL = re.compile(r"[ \t]*(Thought|Action Input|Action|Final Answer|Observation)[ \t]*:", re.IGNORECASE)
    _KINDS: Mapping[str, Literal["thought", "tool", "args", "answer"]] = {
        "thought": "thought",
        "action": "tool",
        "action input": "args",
        "final answer": "answer",
    }

    def __init__(self) -> None:
        self.text = ""  # all that was fed
        self._unread = ""  # the start of a line that may become a label
        self._at_line_start = True
        self._ended = False  # a whole action was read, or the model began to write its own observation
        self._kind: Literal["thought", "tool", "args", "answer"] | None = None
        self._said: dict[str, str] = {}

    def feed(self, piece: str) -> list[Part]:
        """The parts that are certain now."""
        self.text += piece
        self._unread += piece
        return list(self._read(final=False))

    def finish(self) -> list[Part]:
        """What was held back until it was certain that no label follows."""
        return list(self._read(final=True))

    def step(self) -> Step:
        """The whole step, once the text has ended."""
        self.finish()
        said = {kind: text.strip() for kind, text in self._said.items()}
        thought = " ".join(said.get("thought", "").split())
        if said.get("answer"):
            return Step(thought, answer=said["answer"])
        if "tool" not in said:
            return Step(thought, mistake=f'there is no line "{ACTION}" or "{ANSWER}"')
        return _action_step(thought, said["tool"], said.get("args", ""))

    def _read(self, final: bool) -> Iterator[Part]:
        while self._unread and not self._ended:
            if self._at_line_start and self._kind != "answer":
                label = self._LABEL.match(self._unread)
                if label:
                    kind = self._KINDS.get(label[1].lower())
                    self._ended = kind is None or ("args" in self._said and kind != "args")
                    if self._ended:
                        return
                    self._kind = kind
                    self._said.setdefault(str(kind), "")
                    self._unread = self._unread[label.end() :]
                    self._at_line_start = False
                    continue
                if not final and "\n" not in self._unread and self._may_become_label():
                    return
            line, newline, rest = self._unread.partition("\n")
            self._unread, self._at_line_start = rest, bool(newline)
            if self._kind is not None:
                yield from self._said_more(line + newline)

    def _said_more(self, text: str) -> Iterator[Part]:
        assert self._kind is not None
        before = self._said[self._kind]
        self._said[self._kind] += text if before else text.lstrip()
        if self._kind == "tool":  # a name is shown once, whole
            if text.endswith("\n") and "\n" not in before and (before + text).strip():
                yield Part("tool", (before + text).strip())
            return
        # The line break that ends a thought belongs to the format, not to the text.
        said = self._said[self._kind]
        if self._kind == "thought":
            said, before = said.rstrip("\n"), before.rstrip("\n")
        if shown := said[len(before) :]:
            yield Part(self._kind, shown)

    def _may_become_label(self) -> bool:
        start = self._unread.strip(" \t").lower()
        return any(
            label.startswith(start)
            for label in ("thought:", "action:", "action input:", "final answer:", "observation:")
        )


def answer_in(text: str) -> str:
    """What of an unfinished step is its answer; all of a text that is no step.

    >>> answer_in("Thought: hm\\nFinal Answer: Hi"), answer_in("Thought: Hi"), answer_in("Hi")
    (' Hi', '', 'Hi')
    """
    thought, label, answer = text.partition(f"\n{ANSWER}")
    if label:
        return answer
    return "" if thought.startswith(THOUGHT) else text


def parse(text: str) -> Step:
    """The step that a whole text holds.

    >>> parse('Thought: hm\\nAction: summarize\\nAction Input: {"source": "message"}').action
    Action(tool='summarize', args={'source': 'message'})
    """
    parser = StepParser()
    parser.feed(text)
    return parser.step()


def _action_step(thought: str, tool: str, args: str) -> Step:
    args = args.removeprefix("```json").strip("`\n ") or "{}"
    try:
        known = json.loads(args)
    # Not only for a misplaced comma: also for a number of 5,000 digits, and for brackets thousands deep.
    except (ValueError, RecursionError):
        return Step(thought, mistake=f'the text after "{INPUT}" is not JSON')
    if not isinstance(known, dict):
        return Step(thought, mistake=f'the JSON after "{INPUT}" is not an object')
    return Step(thought, action=Action(tool.strip("`'\"* "), known))
