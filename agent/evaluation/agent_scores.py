"""What a turn is worth, check by check, and what the turns of all cases come to.

A check that a case does not ask for is None and counts nowhere. A turn that took the wrong route fails the
checks of arguments and sources with it: a model that never searches must not look as if it searched well.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.evaluation.agent_cases import ROUTES, AgentCase, Expected
from agent.evaluation.runs import Metrics, summarize_metric

OTHER, NONE = "other", "none"  # taken instead of a route: a tool that is not there; nothing at all
_PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


@dataclass(frozen=True)
class Taken:
    """What the agent did, as far as it was watched.

    `answer` and `sources` are None where only the first decision was asked for. `steps` and `refused` count
    the texts that the model wrote as steps, retries included, and those of them that could not be read.
    """

    route: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    answer: str | None
    sources: tuple[str, ...] | None
    exit_reason: str
    steps: int
    refused: int
    input_tokens: int
    output_tokens: int
    seconds: float
    first_token_s: float


def scores(expect: Expected, taken: Taken) -> dict[str, float | None]:
    """Each check of one case in [0, 1], and its counts: tool calls, tokens, seconds."""
    return {
        "route_accuracy": float(taken.route == expect.route),
        "args_accuracy": _args(expect, taken),
        "answer_accuracy": _answer(expect, taken),
        "source_recall": _sources(expect, taken),
        "format_error_rate": taken.refused / taken.steps if taken.steps else 0.0,
        "steps": float(len(taken.calls)),
        "input_tokens": float(taken.input_tokens),
        "output_tokens": float(taken.output_tokens),
        "latency_s": taken.seconds,
    }


SCORES = (
    "route_accuracy", "args_accuracy", "answer_accuracy", "source_recall", "format_error_rate", "steps",
    "input_tokens", "output_tokens", "latency_s",
)  # fmt: skip
METRIC_NAMES = (*SCORES, *(f"route_accuracy_by_route.{route}" for route in ROUTES))


def _args(expect: Expected, taken: Taken) -> float | None:
    """Whether the first call of the expected tool has every argument as it must be."""
    if not expect.args:
        return None
    call = next((args for tool, args in taken.calls if tool == expect.route), None)
    if call is None:
        return 0.0
    return float(all(name in call and rule.search(_plain(call[name])) for name, rule in expect.args.items()))


def _answer(expect: Expected, taken: Taken) -> float | None:
    answer = taken.answer
    if not expect.answer or answer is None:
        return None
    return float(all(pattern.search(answer) for pattern in expect.answer))


def _sources(expect: Expected, taken: Taken) -> float | None:
    """The share of the expected recipes that were found."""
    if not expect.sources or taken.sources is None:
        return None
    return len(set(expect.sources) & set(taken.sources)) / len(set(expect.sources))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def summarize_turns(cases: Sequence[AgentCase], results: Sequence[Mapping[str, Any]], seed: int) -> Metrics:
    """Means with intervals over the cases, the confusion matrix, latency percentiles and trivial routers."""
    expected = [case.expect.route for case in cases]
    metrics: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for name in SCORES:
        metrics[name], intervals[name] = summarize_metric(
            [result["scores"][name] for result in results], seed
        )
    by_route = {
        route: summarize_metric(
            [
                r["scores"]["route_accuracy"]
                for right, r in zip(expected, results, strict=True)
                if right == route
            ],
            seed,
        )
        for route in ROUTES
    }
    metrics["route_accuracy_by_route"] = {route: mean for route, (mean, _) in by_route.items()}
    intervals["route_accuracy_by_route"] = {route: interval for route, (_, interval) in by_route.items()}
    extra = {
        "confusion": confusion(expected, [result["route"] for result in results]),
        "baselines": baselines(expected),
        "latency_s": percentiles([result["scores"]["latency_s"] for result in results]),
        "first_token_s": percentiles([result["first_token_s"] for result in results]),
        "format_errors": {
            "refused": sum(result["format_errors"] for result in results),
            "steps": sum(result["steps_written"] for result in results),
        },
        "exit_reasons": dict(sorted(Counter(result["exit_reason"] for result in results).items())),
    }
    return Metrics(metrics, intervals, len(results), extra)


def confusion(expected: Sequence[str], taken: Sequence[str]) -> dict[str, Any]:
    """How often each route was taken where another was expected: a row for each expected route.

    >>> confusion(["direct", "direct"], ["direct", "guess"])["counts"]
    [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    """
    known = {*ROUTES, NONE}
    seen = [route if route in known else OTHER for route in taken]
    columns = [*ROUTES, *(name for name in (OTHER, NONE) if name in seen)]
    pairs = Counter(zip(expected, seen, strict=True))
    counts = [[pairs[row, column] for column in columns] for row in ROUTES]
    return {"expected": list(ROUTES), "taken": columns, "counts": counts}


def baselines(expected: Sequence[str]) -> dict[str, dict[str, float]]:
    """The route accuracy of routers that read no question: always the same route, or one at random."""
    always = {f"always {route}": expected.count(route) / len(expected) for route in ROUTES}
    return {"route_accuracy": {**always, "at random": 1 / len(ROUTES)}}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles, linear between the two nearest cases.

    >>> percentiles([1.0, 2.0, 3.0])["p50"]
    2.0
    """
    return {name: float(np.percentile(seconds, share)) for name, share in _PERCENTILES.items()}
