"""Policies that summarize, judged side by side on articles with reference summaries.

A case is an article; every policy writes its summary, and so do lead-3 and random-3, without which no
figure says much. A policy that fails on an article is recorded with its error and gets the ROUGE of an empty
summary, so that failing on hard articles never pays; what cannot be measured without a summary (repetition,
copying) leaves that article out of its n. Left out: languages other than English, which ROUGE does not read.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.evaluation.article_files import ArticleRow, read_articles
from agent.evaluation.runs import Evaluation, EvaluationRun, Metrics, drawn
from agent.evaluation.scorers import Entailment, Toxicity
from agent.evaluation.shots import checked_counts
from agent.evaluation.summary_figures import TOXICITY, TOXICITY_STD, differences, means
from agent.evaluation.summary_writers import Wanted, Writer, identity, summary_writers
from tools.bootstrap import LEVEL, RESAMPLES
from tools.errors import SouschefError
from tools.files import sha256
from tools.sentences import sentences
from tools.summarize import Policy
from tools.text_metrics import (
    COPIED_N,
    REPETITION_N,
    ROUGE_KINDS,
    copied_share,
    length_words,
    repetition,
    rouge,
)

FAITHFULNESS = "faithfulness"
METRIC_NAMES = (*ROUGE_KINDS, "words", "repetition", "copied", "failed", FAITHFULNESS, TOXICITY, TOXICITY_STD)

_ABOUT = {
    "rouge": "F measure of rouge_score {version} with Porter stemming; rougeL takes a summary as one "
    "sequence, rougeLsum sentence by sentence",
    "words": "parted by white space",
    "repetition": f"share of word {REPETITION_N}-grams that were there before",
    "copied": f"share of word {COPIED_N}-grams that stand in the article",
    "failed": "share of articles on which the policy failed; in ROUGE they count as empty summaries",
    "bootstrap": f"{LEVEL:.0%} percentile intervals of {RESAMPLES} resamples",
}


@dataclass(frozen=True)
class _Written:
    """What a writer made of a row: a summary, or the error it ended with."""

    summary: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class _Scorers:
    """The models that judge summaries, where they were asked for."""

    nli: Entailment | None
    toxicity: Toxicity | None


def evaluate_summaries(
    file: Path | str,
    *,
    policies: Sequence[str | Policy] = (),
    shots: Sequence[int] = (),
    shots_from: Path | str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    nli: str | None = None,
    toxicity: str | None = None,
    toxicity_label: str | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 1,
) -> Evaluation:
    """Judge policies on the articles of a file, written to the folder `out` where there is one.

    `policies` are names, runs or policies; without any it is `model`, by default the shipped summarizer.
    `shots` adds that model prompted with so many examples, other rows of the file or rows of `shots_from`.
    `nli` and `toxicity` are sequence classifiers. `limit` articles are drawn by `seed`. Raises SouschefError
    for a file, model or folder that cannot be used.
    """
    wanted = Wanted(policies, checked_counts(shots), model, base_url)
    rows = read_articles(Path(file))
    pool = read_articles(Path(shots_from)) if shots_from is not None else rows
    judged = drawn(rows, limit, seed)
    settings = {
        "evaluation": "summaries",
        "file": _file_record(file),
        "policies": [identity(spec) for spec in wanted.asked],
        "shots": list(wanted.shots),
        "shots_model": identity(wanted.shown_model) if wanted.shots else None,
        "shots_from": None if shots_from is None else _file_record(shots_from),
        "nli": nli,
        "toxicity": toxicity,
        "toxicity_label": toxicity_label,
        "limit": limit,
        "seed": seed,
    }
    run = EvaluationRun(None if out is None else Path(out), settings, resume=resume)
    scorers = _Scorers(
        Entailment(nli) if nli else None, Toxicity(toxicity, toxicity_label) if toxicity else None
    )
    with summary_writers(wanted, judged, pool, seed) as (writers, examples):
        judge = partial(_judge, writers=writers, scorers=scorers, seed=seed)
        results = run.judge(judged, judge, workers=workers, title="Summaries")
        metrics = _metrics(results, [writer.name for writer in writers], examples, seed)
    run.finish(metrics)
    return Evaluation(metrics, results, run.out)


def _file_record(file: Path | str) -> dict[str, str]:
    return {"name": Path(file).name, "sha256": sha256(Path(file))}


# ---- one article


def _judge(row: ArticleRow, *, writers: Sequence[Writer], scorers: _Scorers, seed: int) -> dict[str, Any]:
    written = _all_written(row, writers, seed)
    scores = {name: _scores(row, each, scorers) for name, each in written.items()}
    return {
        "title": (sentences(row.article) or [row.id])[0],
        "failed": [name for name, each in written.items() if each.error is not None],
        "scores": {
            f"{name}.{metric}": value for name, found in scores.items() for metric, value in found.items()
        },
        "summaries": {name: vars(each) for name, each in written.items()},
        "columns": [{"title": "Reference", "text": row.reference}, *_columns(written)],
        "passages": [{"name": "article", "score": None, "text": row.article}],
    }


def _all_written(row: ArticleRow, writers: Sequence[Writer], seed: int) -> dict[str, _Written]:
    """Every writer's summary; a policy that stands there under two names writes once."""
    by_policy: dict[int, _Written] = {}
    found: dict[str, _Written] = {}
    for writer in writers:
        key = id(writer.policy_for(row) if writer.policy_for else writer)
        if key not in by_policy:
            by_policy[key] = _written(writer, row, seed)
        found[writer.name] = by_policy[key]
    return found


def _written(writer: Writer, row: ArticleRow, seed: int) -> _Written:
    started = time.perf_counter()
    try:
        summary, error = writer.write(row, seed), None
    except SouschefError as failure:
        summary, error = "", str(failure)
    return _Written(summary, round(time.perf_counter() - started, 3), error)


def _scores(row: ArticleRow, written: _Written, scorers: _Scorers) -> dict[str, float | None]:
    text, failed = written.summary, written.error is not None
    scores: dict[str, float | None] = {
        kind: values[0] for kind, values in rouge([text], [row.reference], ROUGE_KINDS).items()
    }
    scores["words"] = float(length_words(text))
    scores["repetition"] = None if failed else repetition(text)
    scores["copied"] = None if failed else copied_share(text, row.article)
    scores["failed"] = float(failed)
    if scorers.nli:
        scores[FAITHFULNESS] = scorers.nli(row.article, text)
    if scorers.toxicity:
        scores[TOXICITY] = scorers.toxicity(text)
    return scores


def _columns(written: Mapping[str, _Written]) -> Iterator[dict[str, str]]:
    for name, each in written.items():
        yield {"title": name, "text": each.summary if each.error is None else f"failed: {each.error}"}


# ---- all articles


def _metrics(
    results: Sequence[Mapping[str, Any]], names: Sequence[str], examples: Sequence[str], seed: int
) -> Metrics:
    table = {name: _columns_of(results, name) for name in names}
    found, intervals = means(table, seed)
    extra: dict[str, Any] = {
        "about": _ABOUT | {"rouge": _ABOUT["rouge"].format(version=version("rouge_score"))},
        "failures": {name: failed for name in names if (failed := _failures(results, name))},
        "differences": differences(table, seed),
    }
    if examples:
        extra["examples"] = list(examples)
    return Metrics(found, intervals, len(results), extra)


def _columns_of(results: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[float | None]]:
    before = f"{name}."
    metrics = [key.removeprefix(before) for key in results[0]["scores"] if key.startswith(before)]
    return {
        metric: [result["scores"][before + metric] for result in results]
        for metric in metrics
        if metric in METRIC_NAMES
    }


def _failures(results: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any] | None:
    """How many articles a writer failed on, and what it said first."""
    errors = [error for result in results if (error := result["summaries"][name]["error"]) is not None]
    return {"count": len(errors), "first_error": errors[0]} if errors else None
