"""The run of an evaluation over its cases: stop it at any moment, go on with --resume, no case twice.

A folder holds settings.json (what a resumed run must agree with), results.jsonl (one line a case, written as
it finishes), metrics.json and report.html. Without a folder nothing is written. What a case is and how it is
judged belongs to each evaluation; here is only what they share.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock, Timeout

from agent.evaluation.progress import Progress
from agent.evaluation.results_file import RESULTS, append_result, read_results
from tools.bootstrap import mean_interval
from tools.errors import SouschefError, UsageError
from tools.files import atomic_write, cut_torn_line, saying_what_the_disk_refused
from tools.seeds import text_seed

SETTINGS, METRICS = "settings.json", "metrics.json"
_LOCK = ".lock"


class Case(Protocol):
    """Anything with an id of its own."""

    @property
    def id(self) -> str: ...


C = TypeVar("C", bound=Case)
Judge = Callable[[C], dict[str, Any]]


@dataclass(frozen=True)
class Metrics:
    """What an evaluation found.

    `metrics` are numbers by name, or one more level of them by mode or policy; None was measured on no case.
    `intervals` has the same shape with {"low", "high", "n"}. `extra` is all else, such as a confusion matrix.
    """

    metrics: dict[str, Any]
    intervals: dict[str, Any]
    n: int
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that `souschef eval ... --json` prints."""
        return {"metrics": self.metrics, "intervals": self.intervals, "n": self.n, **self.extra}


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: its metrics, a result for each case, and the folder, where there is one."""

    metrics: Metrics
    results: list[dict[str, Any]]
    out: Path | None = None


def summarize_metric(
    values: Sequence[float | None], seed: int = 0
) -> tuple[float | None, dict[str, float | int | None]]:
    """The mean over the cases that a metric applies to, and its bootstrap interval; None for the others.

    >>> summarize_metric([1.0, None, 1.0])
    (1.0, {'low': 1.0, 'high': 1.0, 'n': 2})
    """
    known = [float(value) for value in values if value is not None]
    if not known:
        return None, {"low": None, "high": None, "n": 0}
    found = mean_interval(known, seed=seed)
    return found.mean, {"low": found.low, "high": found.high, "n": found.n}


def drawn(cases: Sequence[C], limit: int | None, seed: int) -> list[C]:
    """At most `limit` of the cases in their order; the seed and their ids decide which."""
    kept = {case.id for case in sorted(cases, key=lambda case: text_seed(seed, case.id))[:limit]}
    return [case for case in cases if case.id in kept]


class EvaluationRun:
    """One run in the folder `out`, or in memory alone.

    `settings` are what the results depend on, as JSON values: a resumed run must have the same. Raises
    UsageError for a folder that holds something else, or another evaluation.
    """

    def __init__(self, out: Path | None, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        self.out = out
        self._results: dict[str, dict[str, Any]] = {}
        if out is not None:
            _begin(out, json.loads(json.dumps(settings)), resume)

    def judge(
        self, cases: Sequence[C], judge: Judge[C], *, workers: int = 1, title: str
    ) -> list[dict[str, Any]]:
        """A result for each case, in the order of the cases, each with its "id".

        `judge` returns JSON values, and may be called from `workers` threads at once. A case that an earlier
        run finished is not judged again. What `judge` raises ends the run; finished cases are kept.
        """
        ids = {case.id for case in cases}
        assert len(ids) == len(cases), "every case has an id of its own"
        with self._alone():
            self._read()
            waiting = [case for case in cases if case.id not in self._results]
            with (
                Progress(title, len(cases), len(cases) - len(waiting)) as progress,
                closing(_judged(waiting, judge, workers)) as judged,
            ):
                for case, result in judged:
                    self._keep({"id": case.id, **result})
                    progress.advance()
        return [self._results[case.id] for case in cases]

    def finish(self, metrics: Metrics) -> None:
        """Write metrics.json and report.html, each whole or not at all."""
        if self.out is None:
            return
        from agent.evaluation.report import write_report

        with atomic_write(self.out / METRICS) as file:
            file.write(_json(metrics.to_json()))
        write_report(self.out)

    def _read(self) -> None:
        if self.out is not None:
            cut_torn_line(self.out / RESULTS)
            self._results.update({result["id"]: result for result in read_results(self.out / RESULTS)})

    def _keep(self, result: dict[str, Any]) -> None:
        if self.out is not None:
            append_result(self.out / RESULTS, result)
        # As it would be read again: a resumed run sees the same values.
        self._results[result["id"]] = json.loads(json.dumps(result, allow_nan=False))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Inside the block no other process judges the cases of this folder."""
        lock = nullcontext() if self.out is None else FileLock(self.out / _LOCK, timeout=0)
        try:
            lock.__enter__()
        except Timeout as error:
            raise UsageError(
                f"Another process is running the evaluation in {self.out}: wait for it, or stop it first."
            ) from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)


def _judged(
    cases: Sequence[C], judge: Judge[C], workers: int
) -> Generator[tuple[C, dict[str, Any]], None, None]:
    """Each case with its result, as they finish. One worker is this thread, which Ctrl-C stops at once."""
    if workers == 1:
        yield from ((case, judge(case)) for case in cases)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="case")
    try:
        futures = {pool.submit(judge, case): case for case in cases}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(out: Path, settings: dict[str, Any], resume: bool) -> None:
    """Write settings.json where there is none, and compare it where there is."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: name a folder for the evaluation.")
    path = out / SETTINGS
    if path.is_file():
        if not resume:
            raise UsageError(f"{out} holds an evaluation: go on with it by --resume, or name another --out.")
        _compare(out, _read_settings(path), settings)
        return
    if out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise UsageError(f"{out} is not empty and holds no evaluation: name another --out.")
    with saying_what_the_disk_refused(out):
        out.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(_json(settings))


def _compare(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise UsageError(
                f"{out} was begun with {key} = {json.dumps(before.get(key))}, which is "
                f"{json.dumps(now.get(key))} now: resume with the same settings, or name another --out."
            )


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SouschefError(f"{path} is damaged: begin the evaluation again with another --out.")
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
