"""Two evaluations of the same kind against each other, case by case.

Differences are paired by the cases' ids, so what both find hard cancels out. One is called more than noise
where its bootstrap interval leaves out 0 and at least six pairs differ: with five, all in one direction, a
sign test still gives chance one case in sixteen, and a bootstrap of so few is too narrow. Each metric is
looked at by itself; among twenty without any true difference, one may well stand out.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.evaluation.results_file import RESULTS, read_results
from agent.evaluation.runs import SETTINGS, Evaluation, Metrics, summarize_metric
from tools.errors import SouschefError, UsageError

LEAST_PAIRS_THAT_DIFFER = 6


def compare(a: Path, b: Path, *, seed: int = 0) -> Evaluation:
    """The differences b - a of every score, over the cases that both evaluations judged.

    `metrics` are mean differences; `extra` has the means of both ("before", "after"), the names that are
    "more_than_noise", how many cases only one judged, and the settings that differ. Raises SouschefError
    where a folder holds no evaluation, or no case is shared.
    """
    settings = [_settings(folder) for folder in (a, b)]
    kinds = [str(one.get("evaluation")) for one in settings]
    if kinds[0] != kinds[1]:
        raise UsageError(f"{a} is an evaluation of {kinds[0]}, {b} of {kinds[1]}: compare two of one kind.")
    before, after = (_scores(folder) for folder in (a, b))
    shared = [case for case in before if case in after]
    if not shared:
        raise SouschefError(f"{a} and {b} judged no case in common: compare runs over the same cases.")
    names = [name for name in _names(before.values()) if name in _names(after.values())]
    pairs = {name: _pairs(name, shared, before, after) for name in names}
    pairs = {name: found for name, found in pairs.items() if found}
    differences = {name: [late - early for early, late in found] for name, found in pairs.items()}
    summarized = {name: summarize_metric(values, seed) for name, values in differences.items()}
    intervals = {name: interval for name, (_, interval) in summarized.items()}
    extra = {
        "before": {name: _mean([early for early, _ in found]) for name, found in pairs.items()},
        "after": {name: _mean([late for _, late in found]) for name, found in pairs.items()},
        "more_than_noise": [name for name in pairs if more_than_noise(differences[name], intervals[name])],
        "only_before": len(before) - len(shared),
        "only_after": len(after) - len(shared),
        "settings_that_differ": _different(*settings),
    }
    metrics = Metrics({name: mean for name, (mean, _) in summarized.items()}, intervals, len(shared), extra)
    return Evaluation(metrics, _by_case(shared, before, after))


def more_than_noise(differences: Sequence[float], interval: Mapping[str, Any]) -> bool:
    """Whether enough pairs differ and the interval of their mean leaves out 0.

    >>> more_than_noise([1.0] * 5, {"low": 1.0, "high": 1.0})
    False
    >>> more_than_noise([1.0] * 6, {"low": 1.0, "high": 1.0})
    True
    """
    differ = sum(value != 0 for value in differences)
    return differ >= LEAST_PAIRS_THAT_DIFFER and (interval["low"] > 0 or interval["high"] < 0)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not (folder / RESULTS).is_file():
        raise SouschefError(f"{folder} holds no evaluation: name a folder that `souschef eval` wrote.")
    return found


def _scores(folder: Path) -> dict[str, dict[str, float | None]]:
    """The scores of each case by its id."""
    return {result["id"]: result.get("scores") or {} for result in read_results(folder / RESULTS)}


def _names(scored: Any) -> list[str]:
    return list(dict.fromkeys(name for scores in scored for name in scores))


def _pairs(
    name: str,
    shared: Sequence[str],
    before: Mapping[str, Mapping[str, float | None]],
    after: Mapping[str, Mapping[str, float | None]],
) -> list[tuple[float, float]]:
    """Both values of a score, in the cases where both have one."""
    both = ((before[case].get(name), after[case].get(name)) for case in shared)
    return [(early, late) for early, late in both if early is not None and late is not None]


def _by_case(
    shared: Sequence[str],
    before: Mapping[str, Mapping[str, float | None]],
    after: Mapping[str, Mapping[str, float | None]],
) -> list[dict[str, Any]]:
    return [{"id": case, "before": dict(before[case]), "after": dict(after[case])} for case in shared]


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    keys = sorted({*before, *after})
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
