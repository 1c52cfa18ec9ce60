"""Train what ships in agent/adapters again, from the data to the files.

    python -m agent.adapters.train --data ../shared/data --out DIR [--fast] [--ship]

makes the rows, trains each stage below by `souschef train`, and exports. A stage that is done is not done
again, and one that was stopped goes on. `--fast` trains on few short rows in minutes, in DIR/fast, and fails
where an adapter has not come a stated part of the way that the shipped one came. `--ship` puts the adapters
into the package, in float16.
"""

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent import cli
from agent.adapters import react_data, summary_data
from agent.adapters.wording import Side
from agent.engines import shipped
from tools.errors import SouschefError, TrainingError
from tools.files import atomic_folder, atomic_write
from tools.policy_folder import CARD, read_policy

_log = logging.getLogger(__name__)
_JUDGED = 8  # of the development rows, which a fast run judges by
# What each later pass of the ReAct adapter has otherwise than sft_react_more; each has rows of its own seed.
# The fourth token of a step says which tool is needed; before the last pass it had a thirtieth of the loss.
_LATER_REACT: Mapping[int, tuple[str, ...]] = {
    2: (),
    3: (),
    4: (),
    5: ("steps=160",),
    6: ("steps=480", "learning_rate=4e-4", "opening_tokens=4", "opening_weight=15"),
}
_FAST_SHARE = 0.05  # of the ReAct rows, which a fast run makes and learns a part of


@dataclass(frozen=True)
class Stage:
    """A run of `souschef train`, and what a fast one must have learned of what the full one did.

    `loss` is the full run's cross-entropy on development rows, nats a token, at its start and at its end.
    """

    name: str
    method: str
    config: str
    data: str
    dev: str
    fast: tuple[str, ...] | None  # settings of a fast run; None: it leaves the stage out
    full: tuple[str, ...] = ()  # what a full run has otherwise than the config
    after: str = ""  # the stage whose adapter it goes on with
    loss: tuple[float, float] | None = None
    least_share: float = 0.0
    ships_as: str = ""
    in_use: Mapping[str, float] = field(default_factory=dict)  # fields of policy.json that ship otherwise


def _later_react(number: int) -> Stage:
    """A later pass of the ReAct adapter; a fast run has the last of them alone."""
    last = number == max(_LATER_REACT)
    return Stage(
        "react" if last else f"react-{number}",
        "sft",
        "sft_react_more",
        f"react-data-{number}/train.jsonl",
        "react-data-1/dev.jsonl",
        fast=("steps=2", "batch_size=4", "max_prompt_tokens=120", "warmup_steps=1") if last else None,
        full=_LATER_REACT[number],
        after=f"react-{number - 1}",
        ships_as="react" if last else "",
    )


STAGES = (
    Stage(
        "react-1",
        "sft",
        "sft_react",
        "react-data-1/train.jsonl",
        "react-data-1/dev.jsonl",
        ("steps=8", "batch_size=4", "learning_rate=2e-3", "max_prompt_tokens=120", "warmup_steps=2"),
        loss=(4.07, 0.40),
        least_share=0.4,
    ),
    *map(_later_react, _LATER_REACT),
    Stage(
        "summarizer-sft",
        "sft",
        "sft_summarizer",
        "summary-data/train.jsonl",
        "summary-data/dev.jsonl",
        (
            *("steps=3", "batch_size=4", "learning_rate=2e-3", "warmup_steps=1"),
            *("max_prompt_tokens=96", "max_new_tokens=64"),
        ),
        loss=(2.76, 2.33),
        least_share=0.25,
    ),
    Stage(
        "summarizer-1",
        "ppo",
        "ppo_summarizer",
        "summary-data/news.jsonl",
        "summary-data/dev.jsonl",
        fast=None,
        after="summarizer-sft",
    ),
    Stage(
        "summarizer",
        "ppo",
        "ppo_summarizer_more",
        "summary-data/news.jsonl",
        "summary-data/dev.jsonl",
        (
            *("steps=2", "value_warmup_steps=1", "batch_size=4", "mini_batch_size=4"),
            *("min_prompt_tokens=96", "max_prompt_tokens=96", "max_new_tokens=24", "eval_rows=2"),
        ),
        after="summarizer-1",
        ships_as="summarizer",
        in_use={"max_text_tokens": 1536, "repetition_penalty": 1.1},
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Train all stages; the exit code, 1 where something is to be mended or too little was learned."""
    parser = argparse.ArgumentParser(prog="python -m agent.adapters.train", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the sources")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the runs")
    parser.add_argument("--fast", action="store_true", help="minutes instead of hours")
    parser.add_argument("--ship", action="store_true", help="put the adapters into the package")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if options.fast and options.ship:
            raise TrainingError("A fast run learns too little to ship: leave one of --fast and --ship out.")
        out = options.out / "fast" if options.fast else options.out  # else a full run would go on from it
        _write_rows(options.data, out, fast=options.fast)
        for stage in stages(fast=options.fast):
            _train(stage, out, fast=options.fast)
            if options.fast:
                _check(stage, out)
            if options.ship and stage.ships_as:
                ship(out / stage.name / "policy", shipped.ADAPTERS / stage.ships_as, stage.in_use)
    except SouschefError as error:
        _log.error("%s", error)
        return error.exit_code
    return 0


def stages(*, fast: bool) -> Iterator[Stage]:
    """The stages of a run, each going on with the nearest one before it that is not left out."""
    left_out = {stage.name: stage.after for stage in STAGES if fast and stage.fast is None}
    for stage in STAGES:
        after = stage.after
        while after in left_out:
            after = left_out[after]
        if stage.name not in left_out:
            yield replace(stage, after=after)


def ship(policy: Path, folder: Path, in_use: Mapping[str, Any] | None = None) -> None:
    """Put a policy's adapter into the package in float16, beside the model card that lies there.

    `in_use` changes fields of policy.json, such as how much it is to read at once from now on.
    """
    import torch
    from safetensors.torch import load_file, save_file

    kept = {name: (folder / name).read_bytes() for name in ("CARD.md",) if (folder / name).is_file()}
    with atomic_folder(folder) as part:
        tensors = load_file(policy / "adapter_model.safetensors")
        halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in tensors.items()}
        save_file(halves, part / "adapter_model.safetensors", metadata={"format": "pt"})
        for name in ("adapter_config.json", "adapter.gguf"):
            shutil.copyfile(policy / name, part / name)
        card = replace(read_policy(policy).card, **(in_use or {}))
        (part / CARD).write_text(card.to_json(), encoding="utf-8")
        for name, content in kept.items():
            (part / name).write_bytes(content)


def _write_rows(data: Path, out: Path, *, fast: bool) -> None:
    for number in (1, max(_LATER_REACT)) if fast else (1, *_LATER_REACT):
        folder = out / f"react-data-{number}"
        sides: tuple[Side, ...] = ("train", "dev") if number == 1 else ("train",)
        if not (folder / f"{sides[-1]}.jsonl").is_file():
            react_data.write_data(data, folder, number - 1, _FAST_SHARE if fast else None, sides)
    if not (out / "summary-data/dev.jsonl").is_file():
        summary_data.write_data(data, out / "summary-data")
    for name in ("react-data-1", "summary-data") if fast else ():
        lines = (out / name / "dev.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        with atomic_write(out / name / "dev-fast.jsonl") as file:
            file.write("".join(lines[:_JUDGED]).encode())


def _train(stage: Stage, out: Path, *, fast: bool) -> None:
    run = out / stage.name
    if not (run / "evaluation.json").is_file():
        dev = stage.dev.replace("dev.", "dev-fast.") if fast else stage.dev
        settings = [f"data=[{_toml(out / stage.data)}]", f"eval_data=[{_toml(out / dev)}]"]
        settings += [f"model={_toml(out / stage.after)}"] if stage.after else []
        settings += (stage.fast or ()) if fast else stage.full
        _log.info("== %s", stage.name)
        command = ["train", stage.method, stage.config, "--out", str(run), "--resume"]
        _souschef([*command, *(f"--set={setting}" for setting in settings)])
    if stage.ships_as and not (run / "policy/adapter.gguf").is_file():
        _souschef(["train", "export", str(run)])


def _souschef(arguments: Sequence[str]) -> None:
    if code := cli.main(arguments):
        raise TrainingError(f"souschef {' '.join(arguments[:3])} ended with exit code {code}: see above.")


def _toml(path: Path) -> str:
    return json.dumps(str(path))  # a string of JSON is one of TOML


def _check(stage: Stage, out: Path) -> None:
    """Whether a fast run came the stated part of the way; TrainingError where it did not."""
    if stage.loss is None:
        return
    evaluation = json.loads((out / stage.name / "evaluation.json").read_bytes())
    start, end = stage.loss
    share = (evaluation["before"]["loss"] - evaluation["after"]["loss"]) / (start - end)
    _log.info(
        "%s: %.0f%% of the full run's gain, least %.0f%%", stage.name, 100 * share, 100 * stage.least_share
    )
    if share < stage.least_share:
        raise TrainingError(f"{stage.name} has learned too little: see {out / stage.name / 'metrics.jsonl'}.")


if __name__ == "__main__":
    sys.exit(main())
