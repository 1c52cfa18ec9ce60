"""The tables of a report: before and after with baselines, and samples side by side.

Reads evaluation.json and samples.jsonl as plain values and shows whatever metrics they hold, the known ones
first; a metric that a baseline lacks leaves its cell empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KNOWN = ("reward", "rouge1", "rouge2", "rougeL", "words", "tokens", "repetition", "copied", "kl", "finished")
_SIDES = {"before": "before", "after": "after", "change": "difference"}
_MEANINGS = {
    "words": "length in words",
    "tokens": "length in tokens",
    "repetition": "repeated 3-grams",
    "copied": "copied from the article",
    "kl": "KL to the reference",
    "finished": "ended by itself",
    "loss": "loss, nats a token",
    "token_accuracy": "tokens guessed right",
    "accuracy": "pairs in the right order",
    "margin": "chosen above rejected by",
    "rouge1": "ROUGE-1 F",
    "rouge2": "ROUGE-2 F",
    "rougeL": "ROUGE-L F",
}


@dataclass(frozen=True)
class Cell:
    """A mean with its interval; `clear` marks a difference whose interval leaves out 0."""

    mean: str
    interval: str
    deviation: str
    clear: bool = False


@dataclass(frozen=True)
class Comparison:
    """A table: for each metric a cell under each column, None where there is no number."""

    title: str
    n: int | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class Sample:
    """What one article became; rewards as (name, text)."""

    id: str
    article: str
    reference: str
    before: str
    after: str
    rewards_before: str
    rewards_after: str


@dataclass(frozen=True)
class SampleGroup:
    """Samples written at one temperature; `total` counts those that are not shown too."""

    title: str
    total: int
    shown: tuple[Sample, ...]


def comparisons(evaluation: Mapping[str, Any]) -> list[Comparison]:
    """A table for each temperature in evaluation.json."""
    baselines = {name: cells for name, cells in _dict(evaluation.get("baselines")).items() if _dict(cells)}
    found = []
    for temperature, compared in evaluation.items():
        if not temperature.startswith("temperature_") or not isinstance(compared, dict):
            continue
        sides = {name: _dict(compared.get(key)) for name, key in _SIDES.items()} | baselines
        names = {metric for side in sides.values() for metric in side}
        names -= {f"reward/{metric}" for metric in names}  # the same number twice
        rows = tuple((_label(name), _cells(sides, name)) for name in sorted(names, key=_rank))
        n = evaluation.get("n")
        found.append(
            Comparison(
                _title(temperature.partition("_")[2]), n if isinstance(n, int) else None, tuple(sides), rows
            )
        )
    return found


def plain_comparison(evaluation: Mapping[str, Any]) -> list[Comparison]:
    """The table of an evaluation.json that has one number for a side and a metric, as supervised runs do."""
    before, after = _dict(evaluation.get("before")), _dict(evaluation.get("after"))
    n = after.get("n", before.get("n"))
    names = [name for name in {**before, **after} if name not in ("n", "tokens")]
    if not isinstance(n, int) or not names:
        return []
    sides = [{name: {"mean": side.get(name)} for name in names} for side in (before, after)]
    rows = tuple(
        (_label(name), tuple(_cell(side[name], signed=False, spread=False) for side in sides))
        for name in names
    )
    return [Comparison("", n, ("before", "after"), rows)]


def sample_groups(lines: Sequence[Mapping[str, Any]], most: int) -> list[SampleGroup]:
    """The first `most` samples of each temperature in samples.jsonl."""
    groups: dict[str, list[Sample]] = {}
    for line in lines:
        temperature = line.get("temperature")
        title = f"{temperature:g}" if isinstance(temperature, int | float) else ""
        groups.setdefault(title, []).append(_sample(line))
    return [SampleGroup(_title(key), len(all_), tuple(all_[:most])) for key, all_ in groups.items()]


def _title(temperature: str) -> str:
    if not temperature:
        return ""
    return "Greedy" if temperature in ("0", "0.0") else f"Sampled at temperature {temperature}"


def _label(metric: str) -> str:
    return _MEANINGS.get(metric, metric.replace("/", ": ").replace("_", " "))


def _rank(metric: str) -> tuple[int, str]:
    """The reward, its parts, the known metrics, others."""
    if metric.startswith("reward"):
        return (-1, metric)
    return (_KNOWN.index(metric) if metric in _KNOWN else len(_KNOWN), metric)


def _cells(sides: Mapping[str, Mapping[str, Any]], metric: str) -> tuple[Cell | None, ...]:
    spread = metric.startswith("reward")  # of a classifier's scores the spread matters as much as the mean
    return tuple(
        _cell(side.get(metric), signed=name == "change", spread=spread) for name, side in sides.items()
    )


def _cell(found: object, *, signed: bool, spread: bool) -> Cell | None:
    numbers = {key: value for key, value in _dict(found).items() if isinstance(value, int | float)}
    if "mean" not in numbers:
        return None
    mean, low, high = (numbers.get(key) for key in ("mean", "low", "high"))
    assert mean is not None
    digits = 1 if max(abs(mean), abs(low or 0), abs(high or 0)) >= 10 else 3
    interval = f"{low:z.{digits}f} to {high:z.{digits}f}" if low is not None and high is not None else ""
    deviation = f"SD {numbers['std']:.{digits}f}" if "std" in numbers and spread and not signed else ""
    clear = signed and low is not None and high is not None and (low > 0 or high < 0)
    return Cell(f"{mean:{'+' if signed else ''}z.{digits}f}", interval, deviation, clear)


def _sample(line: Mapping[str, Any]) -> Sample:
    keys = ("id", "article_excerpt", "reference", "before", "after")
    name, article, reference, before, after = (str(line.get(key) or "") for key in keys)
    rewards = _rewards(line, "before"), _rewards(line, "after")
    return Sample(name, article, reference, before, after, *rewards)


def _rewards(line: Mapping[str, Any], side: str) -> str:
    """A sample's reward, one number or one of each part."""
    found = line.get(f"reward_{side}", line.get(f"rewards_{side}"))
    parts = found if isinstance(found, dict) else {"reward": found}
    return ", ".join(f"{name} {value:.3f}" for name, value in parts.items() if isinstance(value, int | float))


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
