"""What a retrieval evaluation found: means with intervals, by kind of question, by pair, and latency.

A difference between two retrievers is taken question by question, which tells much smaller ones from noise
than two intervals side by side do. Many pairs are compared at once, and no correction is made for that: of
twenty differences that are nothing, one is expected to look like more.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from agent.evaluation.runs import Metrics, summarize_metric
from tools.bootstrap import difference_interval

Results = Sequence[Mapping[str, Any]]


def retrieval_metrics(results: Results, retrievers: Sequence[str], seed: int = 0) -> Metrics:
    """Everything in one: `results` have "scores" by "RETRIEVER.METRIC", "groups", and "latency_s"."""
    means, intervals = _summaries(results, retrievers, seed)
    extra = {
        "groups": _groups(results, retrievers, seed),
        "differences": _differences(results, retrievers, seed),
        "latency_ms": {name: _latency(results, name) for name in retrievers if name != "random"},
    }
    return Metrics(means, intervals, len(results), extra)


def _summaries(
    results: Results, retrievers: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Means and intervals by retriever and metric."""
    means: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for name in retrievers:
        found = {metric: summarize_metric(values, seed) for metric, values in _values(results, name).items()}
        means[name] = {metric: mean for metric, (mean, _) in found.items()}
        intervals[name] = {metric: interval for metric, (_, interval) in found.items()}
    return means, intervals


def _groups(results: Results, retrievers: Sequence[str], seed: int) -> dict[str, Any]:
    """The same for each kind of question."""
    groups: dict[str, Any] = {}
    for group in dict.fromkeys(group for result in results for group in result["groups"]):
        members = [result for result in results if group in result["groups"]]
        means, intervals = _summaries(members, retrievers, seed)
        groups[group] = {"n": len(members), "metrics": means, "intervals": intervals}
    return groups


def _differences(results: Results, retrievers: Sequence[str], seed: int) -> dict[str, Any]:
    """The later retriever minus the earlier one, for each pair and metric."""
    differences: dict[str, Any] = {}
    for before, after in combinations(retrievers, 2):
        if after == "random":
            continue  # every figure beats it, or is worth nothing
        early, late = _values(results, before), _values(results, after)
        differences[f"{after} - {before}"] = {
            metric: _difference(early[metric], late[metric], seed) for metric in early
        }
    return differences


def _difference(early: Sequence[float], late: Sequence[float], seed: int) -> dict[str, Any]:
    found = difference_interval(early, late, seed=seed)
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "more_than_noise": not found.low <= 0 <= found.high,
    }


def _latency(results: Results, name: str) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    import numpy as np

    taken_ms = [1000 * result["latency_s"][name] for result in results]
    median, p95 = np.quantile(taken_ms, [0.5, 0.95])
    return {"median": float(median), "p95": float(p95), "n": len(taken_ms)}


def _values(results: Results, name: str) -> dict[str, list[float]]:
    """One retriever's scores by metric, in the order of the results."""
    before = f"{name}."
    metrics = [key.removeprefix(before) for key in results[0]["scores"] if key.startswith(before)]
    return {metric: [result["scores"][before + metric] for result in results] for metric in metrics}
