"""A run while it goes on: lines that survive a kill, TensorBoard's files, and what a person sees."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tools.errors import SouschefError
from training.watching import Progress, RunLog, read_lines

ROOT = Path(__file__).parents[2]


def line(step: int, **more: Any) -> dict[str, Any]:
    return {"step": step, "reward": step / 8, "kl": 1.5, "response_tokens": 61.0, **more}


def times(step: int) -> dict[str, float]:
    return {"step": step, "seconds": 2.0, "tokens_per_s": 812.4}


@pytest.fixture
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)


@pytest.mark.usefixtures("_no_tensorboard")
def test_a_step_is_a_line_in_each_file_and_tensorboard_is_not_needed(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.append(line(1), times(1))
        log.append(line(2, kl=float("nan"), entropy=float("inf")), times(2))
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == [
        '{"step": 1, "reward": 0.125, "kl": 1.5, "response_tokens": 61.0}',
        '{"step": 2, "reward": 0.25, "kl": null, "response_tokens": 61.0, "entropy": null}',
    ]
    assert read_lines(tmp_path / "timing.jsonl") == [times(1), times(2)]
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.usefixtures("_no_tensorboard")
def test_a_resumed_run_writes_the_bytes_of_one_that_was_never_killed(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for run, last in ((whole, 6), (killed, 5)):
        run.mkdir()
        with RunLog(run) as log:
            for step in range(1, last + 1):
                log.append(line(step), times(step))
    with (killed / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "rew')
    with RunLog(killed) as log:
        log.truncate_after(3)
        for step in range(4, 7):
            log.append(line(step), times(step))
    for name in ("metrics.jsonl", "timing.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.usefixtures("_no_tensorboard")
def test_a_torn_line_is_not_continued_even_without_truncation(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    with RunLog(tmp_path) as log:
        log.append({"step": 2}, times(2))
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'


@pytest.mark.usefixtures("_no_tensorboard")
def test_from_the_start_again_nothing_is_kept(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.append(line(1), times(1))
        log.truncate_after(0)
    assert read_lines(tmp_path / "metrics.jsonl") == read_lines(tmp_path / "timing.jsonl") == []


def test_a_process_that_is_not_active_writes_and_shows_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich knows
    with RunLog(tmp_path, active=False) as log, Progress(2, active=False) as progress:
        log.truncate_after(0)
        log.append(line(1), times(1))
        progress.say("hello")
        progress.update(line(1), times(1))
    assert (list(tmp_path.iterdir()), *capfd.readouterr()) == ([], "", "")


@pytest.mark.parametrize("content", [b"", b'{"step": 1}\n\n[1]\nnull\n\xff\xfe\n{"step": 2}\n{"st'])
def test_what_is_no_line_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    assert read_lines(tmp_path / "x.jsonl") == ([{"step": 1}, {"step": 2}] if content else [])
    assert read_lines(tmp_path / "absent.jsonl") == []


def test_a_disk_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SouschefError, match="is a file, not a folder"):
        RunLog(tmp_path / "file" / "run").append(line(1), times(1))


WRITER = """
import sys
from pathlib import Path
sys.modules["tensorboard.summary"] = None
from training.watching import RunLog
log = RunLog(Path(sys.argv[1]))
for step in range(1, 100_000):
    log.append({"step": step, "x": "y" * 5000}, {"step": step})
"""


def test_killed_at_any_moment_all_lines_but_the_last_are_whole(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT)
    while len(read_lines(tmp_path / "metrics.jsonl")) < 5:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    metrics, timing = read_lines(tmp_path / "metrics.jsonl"), read_lines(tmp_path / "timing.jsonl")
    assert [row["step"] for row in metrics] == list(range(1, len(metrics) + 1))
    assert len(metrics) - len(timing) in (0, 1)


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads from a run, by name: steps and values in the order of the files."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted((run / "tensorboard").iterdir()):
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return found


def test_tensorboard_shows_each_step_once_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with RunLog(tmp_path) as log:
        for step in (1, 2, 3):
            log.append(line(step, kl=None), times(step))
    with RunLog(tmp_path) as log:
        log.truncate_after(2)
        log.append(line(3, kl=None), times(3))
    found = scalars(tmp_path)
    assert found["reward"] == [(1, 0.125), (2, 0.25), (3, 0.375)]
    assert set(found) == {"reward", "response_tokens", "timing/seconds", "timing/tokens_per_s"}


def shown(*, terminal: bool, steps: int = 20, every: int = 10) -> str:
    out = io.StringIO()
    with Progress(
        steps, every=every, console=Console(file=out, force_terminal=terminal, width=100, color_system=None)
    ) as progress:
        progress.say("evaluating [the start] policy")
        for step in range(1, steps + 1):
            progress.update(line(step), times(step))
    return out.getvalue()


def test_where_there_is_no_terminal_a_line_is_written_now_and_then() -> None:
    assert shown(terminal=False).splitlines() == [
        "evaluating [the start] policy",
        "step 10/20 · reward 1.250 · KL 1.50 · 61 tokens · 812 tokens/s · 20 s left",
        "step 20/20 · reward 2.500 · KL 1.50 · 61 tokens · 812 tokens/s · 0 s left",
    ]


def test_a_terminal_shows_a_bar_with_the_same_figures() -> None:
    text = shown(terminal=True)
    assert "evaluating [the start] policy" in text
    assert "20/20" in text
    assert "━" in text
    assert "reward 2.500 · KL 1.50 · 61 tokens · 812 tokens/s · 0 s left" in text


def test_a_resumed_bar_goes_on_and_counts_time_from_its_own_steps() -> None:
    out = io.StringIO()
    progress = Progress(200, console=Console(file=out))
    progress.go_on_after(99)
    with progress:
        progress.update({"step": 100, "reward": None}, {"seconds": 60.0})
    assert out.getvalue() == "step 100/200 · 1:40 h left\n"


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_follows_no_color(variable: dict[str, str], coloured: bool) -> None:
    out = io.StringIO()
    environment = {"TERM": "xterm-256color", **variable}
    with Progress(2, console=Console(file=out, force_terminal=True, _environ=environment)) as progress:
        progress.update(line(1), times(1))
    assert ("\x1b[3" in out.getvalue()) is coloured


def test_progress_goes_to_stderr_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(1) as progress:
        progress.update(line(1), times(1))
    out, err = capfd.readouterr()
    assert (out, err.splitlines()) == (
        "",
        ["step 1/1 · reward 0.125 · KL 1.50 · 61 tokens · 812 tokens/s · 0 s left"],
    )
