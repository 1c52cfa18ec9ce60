"""A process that trains, to be killed: `python train_runner.py`.

It imports what a run needs, reads commands from stdin and runs each in a fork of its own, so that a kill
costs a run and not a start of torch. Nothing is computed before a fork. A command is a line of JSON:

    {"arguments": [...]}             arguments of `souschef`
    {..., "killed_after_s": NUMBER}  ... but kill -9 it after so long
    {..., "killed_at": NUMBER}       ... but it kills itself before its so-manieth operation on files

For each it prints a line of JSON: exit code (-9 for a kill), seconds, operations on files (0 when killed).
`python train_runner.py COMMAND...`, each a JSON list of arguments, runs them one after the other itself.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.cli import main

HEAVY = (
    "torch._dynamo", "transformers.models.gpt2.modeling_gpt2", "transformers.models.gpt2.tokenization_gpt2",
    "transformers.generation.logits_process", "peft", "accelerate", "datasets", "rouge_score.rouge_scorer",
    "safetensors.torch", "rich.console", "tensorboard.summary", "training.trainer", "training.evaluation",
    "training.report", "training.policy", "training.policy_folder", "training.watching", "training.rewards",
    "agent.commands.train",
)  # fmt: skip


def count_operations(kill_at: int, report: Path) -> None:
    """Count flushes, renames, removals and new folders; kill this process before number `kill_at`."""
    done = 0

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if not kill_at:
                report.write_text(str(done))
            return operation(*given, **named)

        return call

    for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))


def run(command: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a fork, and end it when its time is up."""
    report = Path(command["arguments"][-1]).with_suffix(".operations")
    report.unlink(missing_ok=True)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        count_operations(command.get("killed_at", 0), report)
        os._exit(main(command["arguments"]))
    end = started + command.get("killed_after_s", float("inf"))
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < end:
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    exit_code, seconds = os.waitstatus_to_exitcode(status), time.monotonic() - started
    counted = exit_code == 0 and not command.get("killed_at")
    operations = int(report.read_text()) if counted else 0
    return {"exit_code": exit_code, "seconds": seconds, "operations": operations}


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a run prints is not an answer
    for name in HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        sys.exit(max(main(json.loads(command)) for command in sys.argv[1:]))
