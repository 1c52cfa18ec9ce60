"""report.html: a run on one page that needs nothing else, neither files beside it nor a network nor scripts.

On top what the curves mean, in words with figures; then before and after with baselines, the curves, samples
side by side, and the config. It can be written while a run goes on: what is not there yet is left out, and
what cannot be read is named. Left out: comparing runs, for which TensorBoard reads all of them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.errors import TrainingError
from tools.files import atomic_write
from tools.pages import page_template
from training.diagnosis import Finding, diagnose
from training.report_curves import curves
from training.report_tables import comparisons, plain_comparison, sample_groups
from training.supervised_diagnosis import diagnose_supervised, is_supervised
from training.watching import METRICS, TIMING, duration, read_lines

REPORT = "report.html"
_SAMPLES = 12  # shown at each temperature; samples.jsonl holds them all


def write_report(run: Path, *, samples: int = _SAMPLES) -> Path:
    """Write RUN/report.html from what lies in the run directory, with so many samples at each temperature.

    Raises TrainingError where there is no run, SouschefError where the disk refuses.
    """
    if not run.is_dir():
        raise TrainingError(f"There is no run at {run}: give the folder that a training run wrote.")
    page = render(run, samples)
    path = run / REPORT
    with atomic_write(path) as file:
        file.write(page.encode())
    return path


def render(run: Path, samples: int = _SAMPLES) -> str:
    """The page as text; everything that comes from the run is escaped, save the drawings made here."""
    unread: list[str] = []
    config = _read_object(run / "config.json", unread)
    evaluation = _read_object(run / "evaluation.json", unread)
    lines, timing = read_lines(run / METRICS), read_lines(run / TIMING)
    return page_template("training", "report_page.html").render(
        name=str(config.get("name") or run.resolve().name),
        facts=_facts(config, lines, timing) + _handed_over(_read_object(run / "validation.json", unread)),
        findings=_findings(lines, evaluation),
        by_stretches=not is_supervised(lines),
        comparisons=comparisons(evaluation) or plain_comparison(evaluation),
        level=_level(evaluation),
        curves=curves(lines),
        samples=sample_groups(read_lines(run / "samples.jsonl"), samples),
        config=[(key, _plain(value)) for key, value in config.items()],
        unread=unread,
    )


def _findings(lines: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]) -> list[Finding]:
    if not lines:
        return []
    return diagnose_supervised(lines, evaluation) if is_supervised(lines) else diagnose(lines)


def _read_object(path: Path, unread: list[str]) -> dict[str, Any]:
    """A JSON object; empty where there is none, and named in `unread` where it cannot be read."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        unread.append(path.name)
        return {}
    return found


def _facts(
    config: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], timing: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """What a run is, in a few words: model, method, steps, time."""
    facts = [("Model", _plain(config["model"]))] if "model" in config else []
    if "lora_rank" in config:
        rank = config["lora_rank"]
        facts.append(("Trained", f"LoRA, rank {rank}" if rank else "all weights"))
    done, steps = (lines[-1].get("step", len(lines)) if lines else 0), config.get("steps")
    facts.append(("Steps", f"{done} of {steps}" if steps and steps != done else f"{done}"))
    if "batch_size" in config:
        facts.append(("Batch", f"{config['batch_size']} {'rows' if is_supervised(lines) else 'responses'}"))
    return facts + _times(timing)


def _handed_over(validation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which step's policy it is, where held-out rows decided that."""
    judged = validation.get("held_out_reward")
    if not isinstance(judged, list) or "best_step" not in validation:
        return []
    return [("Policy", f"of step {validation['best_step']}, the best of {len(judged)} on held-out rows")]


def _times(timing: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Time in all; where responses are written, the share of it that this takes, and speed."""
    timed = [line for line in timing if isinstance(line.get("seconds"), int | float)]
    whole = [line for line in timed if all(isinstance(line.get(key), int | float) for key in _TIMES)]
    seconds = sum(line["seconds"] for line in whole or timed)
    if not seconds:
        return []
    if not whole:
        return [("Time", f"{duration(seconds)}, {seconds / len(timed):.3g} s a step")]
    rollout = sum(line["rollout_s"] for line in whole) / seconds
    speed = sum(line["tokens_per_s"] * line["seconds"] for line in whole) / seconds
    return [
        ("Time", f"{duration(seconds)}, {seconds / len(whole):.3g} s a step"),
        ("Rollouts", f"{rollout:.0%} of the time"),
        ("Speed", f"{speed:,.0f} tokens/s"),
    ]


_TIMES = ("seconds", "rollout_s", "tokens_per_s")


def _level(evaluation: Mapping[str, Any]) -> str:
    """The level of the bootstrap intervals, where it is recorded."""
    bootstrap = evaluation.get("bootstrap")
    level = bootstrap.get("level") if isinstance(bootstrap, dict) else None
    return f"{level:.0%} " if isinstance(level, float) else ""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
