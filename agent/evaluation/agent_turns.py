"""One case of `eval agent`: a session of its own, and a record of what the agent did in it.

What a case was asked before is asked again, so cases do not depend on each other. For a first decision the
turn ends with the agent's first message: no tool runs, and an answer is not written out. An engine that fails
ends the evaluation, which goes on later; a question too long for the model is its case's own failure.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.evaluation.agent_cases import AgentCase
from agent.evaluation.agent_scores import NONE, Taken, scores

if TYPE_CHECKING:
    from agent.engines.base import Engine
    from agent.evaluation.watched_engine import WatchedEngine
    from agent.events import Turn
    from agent.session import Session
    from tools.index import RecipeIndex
    from tools.summarize import Policy

_ATTACHED = "text.txt"  # what a case's text is called in its session


@dataclass(frozen=True)
class TurnOptions:
    """How turns are run, as `souschef ask` would. `first_action` ends them at their first decision."""

    first_action: bool = False
    step_limit: int = 4
    time_limit_s: float = 300.0
    temperature: float = 0.0
    max_tokens: int = 512


@dataclass(frozen=True)
class AgentParts:
    """What all sessions share."""

    engine: "Engine"
    index: "RecipeIndex"
    policy: "Policy"


class FirstDecision:
    """An agent whose turns end with its first message."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    def stream(self, *given: Any, **named: Any) -> Iterator[tuple[str, Any]]:
        """What the agent streams, until a message of its own is whole; the next step never begins."""
        from langchain_core.messages import AIMessage

        with closing(self._agent.stream(*given, **named)) as stream:
            for mode, item in stream:
                yield mode, item
                updates = item.values() if mode == "updates" else ()
                if any(isinstance(m, AIMessage) for u in updates for m in (u or {}).get("messages", [])):
                    return


def judge_case(case: AgentCase, parts: AgentParts, options: TurnOptions, seed: int) -> dict[str, Any]:
    """Run a case and judge it. Raises SouschefError where the engine, the index or the policy fails."""
    from agent.build import build_agent
    from agent.context import QuestionTooLong
    from agent.evaluation.watched_engine import WatchedEngine
    from agent.session import Session

    watched = WatchedEngine(parts.engine)
    agent = build_agent(
        watched,
        parts.index,
        policy=parts.policy,
        step_limit=options.step_limit,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        seed=seed,
    )
    session = Session(agent, time_limit_s=options.time_limit_s)
    started = time.perf_counter()
    try:
        for question in case.history:
            session.ask(question)
        watched.forget()
        started = time.perf_counter()
        if options.first_action:
            session.agent, watched.decisions_only = FirstDecision(agent), True
        return _result(case, *_turn(case, session, watched, options.first_action))
    except QuestionTooLong as error:
        seconds = time.perf_counter() - started
        taken = Taken(NONE, (), "", (), "error", watched.steps, watched.refused, 0, 0, seconds, seconds)
        return _result(case, taken, {"error": str(error)})


def _turn(
    case: AgentCase, session: "Session", watched: "WatchedEngine", first_action: bool
) -> tuple[Taken, dict[str, Any]]:
    """What was done, and what of it is shown."""
    from agent.events import Calling, Finished

    attached = [(_ATTACHED, case.file)] if case.file is not None else []
    calls: list[tuple[str, Mapping[str, Any]]] = []
    turn: Turn | None = None
    for event in session.stream(case.question, attached):
        if isinstance(event, Calling):
            calls.append((event.tool, event.args))
        elif isinstance(event, Finished):
            turn = event.turn
    assert turn is not None, "a turn ends with Finished or an exception"
    undecided = not calls and turn.exit_reason in ("time_limit", "error")
    taken = Taken(
        route=NONE if undecided else calls[0][0] if calls else "direct",
        calls=tuple(calls),
        answer=None if first_action else turn.answer,
        sources=None if first_action else tuple(source.uid for source in turn.sources),
        exit_reason=turn.exit_reason,
        steps=watched.steps,
        refused=watched.refused,
        input_tokens=turn.input_tokens,
        output_tokens=turn.output_tokens,
        seconds=turn.timing.total,
        first_token_s=turn.timing.first_token,
    )
    return taken, {} if first_action else _told(turn)


def _told(turn: "Turn") -> dict[str, Any]:
    told = turn.to_dict()
    passages = [{"name": hit.name, "score": hit.score, "text": hit.text} for hit in turn.hits]
    return {"observations": [step["observation"] for step in told["steps"]], "passages": passages}


def _result(case: AgentCase, taken: Taken, shown: Mapping[str, Any]) -> dict[str, Any]:
    """One line of results.jsonl; report.html shows "title", "failed", "columns" and "passages"."""
    found = scores(case.expect, taken)
    return {
        "title": case.question,
        "failed": [
            name for name, value in found.items() if name in _CHECKS and value is not None and value < 1
        ],
        "expected": case.expect.in_words(),
        "route": taken.route,
        "calls": [{"tool": tool, "args": dict(args)} for tool, args in taken.calls],
        "answer": taken.answer,
        "sources": taken.sources,
        "exit_reason": taken.exit_reason,
        "steps_written": taken.steps,
        "format_errors": taken.refused,
        "first_token_s": taken.first_token_s,
        "scores": found,
        "columns": _columns(case, taken),
        **shown,
    }


_CHECKS = ("route_accuracy", "args_accuracy", "answer_accuracy", "source_recall")


def _columns(case: AgentCase, taken: Taken) -> list[dict[str, str]]:
    """For the report: what was expected, what was done, and the answer."""
    did = [f"{tool} {_one_line(args)}" for tool, args in taken.calls] or [taken.route]
    columns = [("Expected", case.expect.in_words()), ("Done", "\n".join(did))]
    if taken.answer is not None:
        columns.append(("Answer", taken.answer))
    if case.history:
        columns.insert(0, ("Asked before", "\n".join(case.history)))
    return [{"title": title, "text": text} for title, text in columns]


def _one_line(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in args.items())
