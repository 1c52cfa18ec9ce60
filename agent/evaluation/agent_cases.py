"""Cases for `eval agent`: a JSON object a line, checked before anything runs.

    {"id": "soup-1", "question": "a soup for four", "file"?: "a text that is attached",
     "history"?: ["asked before in the same session", ...],
     "expect": {"route": "recipe_search", "args"?: {"query": "soup"}, "answer"?: ["boil|simmer"],
                "sources"?: ["pdr-12"]}}

Patterns are regular expressions that may match anywhere, in capitals or not; (?-i:...) minds them. Further
fields of a case are notes and pass; an unknown field of `expect` would check nothing, so it is an error.
"""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tools.errors import SouschefError

Route = Literal["recipe_search", "summarize", "direct"]
ROUTES: tuple[Route, ...] = get_args(Route)
SHIPPED = Path(__file__).parent / "cases"

_CHECKS = ("route", "args", "answer", "sources")


@dataclass(frozen=True)
class Expected:
    """What a case asks of its turn; what is empty is not checked."""

    route: Route
    args: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    answer: tuple[re.Pattern[str], ...] = ()
    sources: tuple[str, ...] = ()

    def in_words(self) -> str:
        """The expectations for a reader, one a line."""
        lines = [self.route, *(f"{name}: /{pattern.pattern}/" for name, pattern in self.args.items())]
        lines += [f"answer: /{pattern.pattern}/" for pattern in self.answer]
        return "\n".join([*lines, *(f"source: {uid}" for uid in self.sources)])


@dataclass(frozen=True)
class AgentCase:
    """A question, what was asked before it in the session, an attached text, and what is right."""

    id: str
    question: str
    expect: Expected
    file: str | None = None
    history: tuple[str, ...] = ()


class _Wrong(Exception):
    """What is wrong with a case, before its line is known."""


def read_cases(path: Path) -> list[AgentCase]:
    """The cases of a file; a bare name is one that ships (`routing`).

    Raises SouschefError, which names the line and what is wrong there.
    """
    file = cases_file(path)
    cases: dict[str, AgentCase] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            case = _case(line)
            if case.id in cases:
                raise _Wrong(f"the id {case.id!r} stands in line {lines[case.id]} as well: give each its own")
        except _Wrong as error:
            raise SouschefError(f"{file}, line {number}: {error}.") from error
        cases[case.id], lines[case.id] = case, number
    if not cases:
        raise SouschefError(f"{file} is empty: write one case a line.")
    return list(cases.values())


def cases_file(path: Path) -> Path:
    """The file itself, or the one that ships under a bare name."""
    shipped = SHIPPED / f"{path}.jsonl"
    return shipped if not path.exists() and path.parent == Path() and shipped.is_file() else path


def sampled(cases: Sequence[AgentCase], limit: int | None, seed: int) -> list[AgentCase]:
    """At most `limit` of the cases in their order; the seed decides which."""
    if limit is None or limit >= len(cases):
        return list(cases)
    chosen = sorted(random.Random(seed).sample(range(len(cases)), limit))
    return [cases[place] for place in chosen]


def fingerprint(cases: Sequence[AgentCase]) -> str:
    """A sha256 of all that the cases ask and expect, for runs that must agree."""
    told = [[case.id, case.question, case.file, case.history, case.expect.in_words()] for case in cases]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _text(path: Path) -> str:
    if path.is_dir():
        raise SouschefError(f"{path} is a folder: name a file of cases.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.jsonl")))
        raise SouschefError(
            f"There is no file {path}: check the path, or name one that ships ({shipped})."
        ) from error
    except UnicodeDecodeError as error:
        number = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise SouschefError(f"{path}, line {number}: not UTF-8: save the file as UTF-8.") from error


def _case(line: str) -> AgentCase:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Wrong("not JSON: write one case a line as a JSON object") from error
    if not isinstance(fields, dict):
        raise _Wrong("not a JSON object: write {...}")
    for name in ("id", "question", "expect"):
        if name not in fields:
            raise _Wrong(f'"{name}" is missing')
    return AgentCase(
        id=_string(fields["id"], '"id"'),
        question=_string(fields["question"], '"question"'),
        expect=_expected(fields["expect"]),
        file=_string(fields["file"], '"file"') if fields.get("file") is not None else None,
        history=_strings(fields.get("history"), '"history"'),
    )


def _expected(fields: Any) -> Expected:
    if not isinstance(fields, dict):
        raise _Wrong('"expect" is no object: write {"route": ...}')
    if "route" not in fields:
        raise _Wrong('"route" is missing in "expect"')
    if unknown := [name for name in fields if name not in _CHECKS]:
        raise _Wrong(f'"expect" cannot check {unknown[0]!r}: it takes {", ".join(_CHECKS)}')
    route = fields["route"]
    if route not in ROUTES:
        raise _Wrong(f"unknown route {route!r}: it is one of {', '.join(ROUTES)}")
    args = fields.get("args") or {}
    if not isinstance(args, dict):
        raise _Wrong('"args" is no object: write {"name of an argument": "pattern"}')
    if args and route == "direct":
        raise _Wrong('a direct answer has no arguments: leave out "args"')
    return Expected(
        route=route,
        args={name: _pattern(text, f'"args" of {name!r}') for name, text in args.items()},
        answer=tuple(_pattern(text, '"answer"') for text in _strings(fields.get("answer"), '"answer"')),
        sources=_strings(fields.get("sources"), '"sources"'),
    )


def _pattern(text: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(_string(text, where), re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise _Wrong(f"bad regular expression in {where}: {text!r} ({error})") from error


def _string(value: Any, where: str) -> str:
    if not (isinstance(value, str) and value.strip()):
        raise _Wrong(f"{where} is no text, or empty")
    return value


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _Wrong(f"{where} is no list of texts")
    return tuple(_string(item, f"an item of {where}") for item in value)
