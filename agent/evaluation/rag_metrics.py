"""The metrics of `eval rag` out of the results of its dishes: by answer, of the difference, of the judge.

The difference is retrieval less vanilla, dish by dish, so that its interval is narrow where dishes agree.
Left out: a test of significance; an interval that leaves out 0 says as much.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.evaluation import judge
from agent.evaluation.rag_scores import MEASURES
from agent.evaluation.runs import Metrics, summarize_metric

ANSWERS = ("retrieval", "vanilla")


def rag_metrics(
    results: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], seed: int, *, judged: bool
) -> Metrics:
    """Means over dishes with their intervals; `facts` about the run stand beside them as they are."""
    values = {
        group: {key: [result["scores"][f"{group}.{key}"] for result in results] for key in keys}
        for group, keys in _groups(judged=judged).items()
        if group != "difference"
    }
    values["difference"] = {
        key: [_difference(*pair) for pair in zip(*(values[name][key] for name in ANSWERS), strict=True)]
        for key in MEASURES
    }
    found = {
        group: {key: summarize_metric(column, seed) for key, column in columns.items()}
        for group, columns in values.items()
    }
    return Metrics(
        {group: {key: mean for key, (mean, _) in columns.items()} for group, columns in found.items()},
        {group: {key: span for key, (_, span) in columns.items()} for group, columns in found.items()},
        len(results),
        dict(facts),
    )


def metric_names(*, judged: bool) -> list[str]:
    """What --min may name, such as "retrieval.ingredient_recall"."""
    return [f"{group}.{key}" for group, keys in _groups(judged=judged).items() for key in keys]


def _groups(*, judged: bool) -> dict[str, Sequence[str]]:
    groups: dict[str, Sequence[str]] = {
        "retrieval": (*MEASURES, "searched"),
        "vanilla": MEASURES,
        "difference": MEASURES,
    }
    return {**groups, "judge": judge.SCORES} if judged else groups


def _difference(retrieval: float | None, vanilla: float | None) -> float | None:
    return None if retrieval is None or vanilla is None else retrieval - vanilla
