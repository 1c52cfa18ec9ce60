"""A run while it goes on: lines of metrics.jsonl and timing.jsonl, TensorBoard if installed, a progress bar.

A line is on disk before the next step begins. A process killed while it wrote leaves a torn last line, which
readers pass over and the next writer cuts off. What depends on the clock stays out of metrics.jsonl, so that
two runs with one seed write the same bytes. Left out: other trackers, most of which read TensorBoard's files.
"""

import importlib
import json
import math
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tools.files import append_line, atomic_write, cut_torn_line

if TYPE_CHECKING:
    from rich.console import Console

METRICS, TIMING, TENSORBOARD = "metrics.jsonl", "timing.jsonl", "tensorboard"
_RECENT_STEPS = 20  # the time left follows changes of length within these many steps
_SHOWN = (("reward", "reward {:.3f}"), ("kl", "KL {:.2f}"), ("response_tokens", "{:.0f} tokens"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line, past torn lines; none where there is no file."""
    if not path.is_file():
        return []
    found = [_object(line) for line in path.read_bytes().splitlines()]
    return [line for line in found if line is not None]


class RunLog:
    """Appends the lines of each step to a run directory; use it as a context, or call close().

    Of several processes one is `active`, and the others write nothing. Raises SouschefError where the disk
    refuses.
    """

    def __init__(self, run: Path, *, active: bool = True) -> None:
        self._run, self._active = run, active
        self._scalars: Any = None
        if active:
            for name in (METRICS, TIMING):
                cut_torn_line(run / name)

    def truncate_after(self, step: int) -> None:
        """Forget the steps after `step`, which a resumed run writes again; 0 forgets them all."""
        if not self._active:
            return
        self._close_scalars()
        for name in (METRICS, TIMING):
            path = self._run / name
            if not path.is_file():
                continue
            kept = [line for line in path.read_bytes().splitlines(keepends=True) if _step(line) <= step]
            with atomic_write(path) as file:
                file.writelines(kept)
        self._rewrite_scalars()

    def append(self, metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
        """Write a step's two lines to disk; numbers that are not finite are written as null."""
        if not self._active:
            return
        _append(self._run / METRICS, metrics)
        _append(self._run / TIMING, timing)
        self._write_scalars(metrics, timing)

    def close(self) -> None:
        self._close_scalars()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_scalars(self, metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
        """To TensorBoard, where it is installed."""
        if self._scalars is None:
            self._scalars = _scalar_writer(self._run / TENSORBOARD)
        if not self._scalars:
            return
        for prefix, line in (("", metrics), ("timing/", timing)):
            for key, value in line.items():
                if key != "step" and _finite(value) is not None:
                    self._scalars.add_scalar(prefix + key, value, line["step"])
        self._scalars.flush()

    def _rewrite_scalars(self) -> None:
        """Start TensorBoard's files again: it draws steps that are written twice to and fro."""
        shutil.rmtree(self._run / TENSORBOARD, ignore_errors=True)
        timing = {line["step"]: line for line in read_lines(self._run / TIMING)}
        for line in read_lines(self._run / METRICS):
            self._write_scalars(line, timing.get(line["step"], {}))

    def _close_scalars(self) -> None:
        if self._scalars:
            self._scalars.close()
        self._scalars = None


class Progress:
    """What a person sees on stderr: a bar in a terminal, elsewhere a plain line every `every` steps.

    Colour follows the terminal and NO_COLOR, both through rich. Of several processes one is `active`.
    """

    def __init__(
        self,
        steps: int,
        *,
        every: int = 10,
        active: bool = True,
        console: "Console | None" = None,
    ) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, quiet=not active)
        self._steps, self._done, self._every = steps, 0, every
        self._seconds: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._bar: Any = None

    def go_on_after(self, step: int) -> None:
        """Begin where an earlier run stopped."""
        self._done = step

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(12),
                TextColumn("{task.description}", markup=False),
            )
            self._bar = Bar(*columns, console=self._console)
            self._task = self._bar.add_task("", total=self._steps, completed=self._done)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        self._bar = None

    def update(self, metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
        """Show a step that is done."""
        self._done = int(metrics["step"])
        self._seconds.append(float(timing["seconds"]))
        text = self._text(metrics, timing)
        if self._bar:
            self._bar.update(self._task, completed=self._done, description=text)
        elif self._done % self._every == 0 or self._done == self._steps:
            self.say(f"step {self._done}/{self._steps} · {text}")

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _text(self, metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> str:
        shown = [(metrics.get(key), form) for key, form in _SHOWN]
        shown.append((timing.get("tokens_per_s"), "{:.0f} tokens/s"))
        parts = [form.format(value) for value, form in shown if _finite(value) is not None]
        left = (self._steps - self._done) * sum(self._seconds) / len(self._seconds)
        return " · ".join([*parts, f"{duration(left)} left"])


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> [duration(s) for s in (4.4, 61, 3_599.7, 93_784)]
    ['4 s', '1:01 min', '1:00 h', '26:03 h']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def _append(path: Path, line: Mapping[str, Any]) -> None:
    plain = {key: _finite(value) if isinstance(value, float) else value for key, value in line.items()}
    append_line(path, json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _step(line: bytes) -> float:
    """A line's step; after all others for a line that is torn."""
    found = _object(line)
    return math.inf if found is None or not line.endswith(b"\n") else float(found["step"])


def _finite(value: object) -> float | None:
    """A number as it is, None for one that JSON has no word for, and for what is no number."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _scalar_writer(folder: Path) -> Any:
    """TensorBoard's own writer, which needs no torch; False where TensorBoard is not installed."""
    try:
        module = importlib.import_module("tensorboard.summary")
    except ImportError:
        return False
    return module.Writer(str(folder))
