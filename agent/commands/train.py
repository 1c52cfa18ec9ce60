"""`souschef train`: fine-tune a model on one's own machine. The work is in training/."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from agent.commands.stopping import saying_how_to_go_on
from tools.errors import TrainingError

CONFIGS = Path(__file__).parents[2] / "training/configs"


def _training_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """What every kind of training takes."""
    for argument in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option(
            "--resume", is_flag=True, help="Go on after the newest checkpoint in the run's directory."
        ),
        click.option(
            "--out", type=click.Path(path_type=Path), help="The run's directory [default: runs/NAME]."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a setting of the config; repeatable.",
        ),
        click.argument("config", type=click.Path(path_type=Path)),
    ):
        command = argument(command)
    return command


@click.group()
def train() -> None:
    """Fine-tune a language model: SFT, a reward model, or PPO on a reward.

    CONFIG is a TOML file, or the name of one that ships: souschef train configs lists them.
    """


@train.command()
@_training_arguments
def ppo(**asked: Any) -> None:
    """Fine-tune a policy with PPO on a reward.

    Settings are the fields of PPOConfig (training/config.py), as in --set steps=50 --set data=articles.jsonl.
    """
    from training.config import PPOConfig

    def start(config: PPOConfig, run: Path, resume: bool) -> None:
        from training.trainer import PPOTrainer

        PPOTrainer(config, run).train(resume=resume)

    _train(PPOConfig, start, **asked)


@train.command()
@_training_arguments
def sft(**asked: Any) -> None:
    """Fine-tune a model on texts that show what to write.

    Settings are the fields of SFTConfig (training/supervised_config.py), as in --set epochs=1.
    """
    from training.supervised_config import SFTConfig

    def start(config: SFTConfig, run: Path, resume: bool) -> None:
        from training.sft import run_sft

        run_sft(config, run, resume)

    _train(SFTConfig, start, **asked)


@train.command()
@_training_arguments
def reward(**asked: Any) -> None:
    """Train a reward model on answers that people preferred to others.

    Settings are the fields of RewardModelConfig (training/supervised_config.py): --set data=pairs.jsonl.
    """
    from training.supervised_config import RewardModelConfig

    def start(config: RewardModelConfig, run: Path, resume: bool) -> None:
        from training.reward_model import run_reward_model

        run_reward_model(config, run, resume)

    _train(RewardModelConfig, start, **asked)


@train.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--outtype", type=click.Choice(["f32", "f16", "q8_0"]), default="f16", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(run: Path, outtype: Literal["f32", "f16", "q8_0"], as_json: bool) -> None:
    """Write the policy of RUN as GGUF, for the gguf engine and other programs on llama.cpp."""
    from training.gguf_export import export_gguf

    file = export_gguf(run, outtype=outtype)
    click.echo(json.dumps({"file": str(file)}) if as_json else str(file))


@train.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write RUN/report.html again, also while the run goes on."""
    for file in ("config.json", "metrics.jsonl"):  # a model's folder has a config.json as well
        if not (run / file).is_file():
            raise TrainingError(
                f"{run} is no run with a step done (no {file}): name the --out of a training command."
            )
    from training.report import write_report

    click.echo(str(write_report(run)))


@train.command()
def configs() -> None:
    """List the configs that ship."""
    for path in sorted(CONFIGS.glob("*.toml")):
        first = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()
        click.echo(f"{path.stem:24} {first}")


def _path(config: Path) -> Path:
    """A config's file; a bare name is one that ships."""
    shipped = CONFIGS / f"{config}.toml"
    return shipped if not config.is_file() and config.parent == Path() and shipped.is_file() else config


def _train(
    kind: type[Any],
    start: Callable[[Any, Path, bool], None],
    *,
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Run a training command of a kind of config from its arguments to what came of it."""
    from training.config import load_config
    from training.run_directory import RunDirectory

    settings = load_config(kind, _path(config), overrides)
    run = out or Path("runs") / settings.name
    RunDirectory(run, settings).check(resume=resume)  # before the minutes that a model may take to load
    _quiet_libraries()
    with saying_how_to_go_on(f"--resume goes on with the run in {run}"):
        start(settings, run, resume)
        _show(run, as_json)


def _quiet_libraries() -> None:
    """Their warnings are for programmers, and their bars would break ours."""
    import warnings

    from transformers.utils import logging as transformers_logging

    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _show(run: Path, as_json: bool) -> None:
    """What came of a run: its table before and after, and where everything lies; said by one process."""
    from training.processes import Processes

    if not Processes().is_main:
        return
    if as_json:
        click.echo(json.dumps(_result(run), ensure_ascii=False))
        return
    from rich.console import Console

    result = _result(run)
    if "evaluation" in result:
        from training.evaluation_table import evaluation_table

        for key in result["evaluation"]:
            if key.startswith("temperature_"):
                temperature = float(key.removeprefix("temperature_"))
                Console(stderr=True).print(evaluation_table(result["evaluation"], temperature))
    for name, place in result["files"].items():
        click.echo(f"{name:8} {place}")


def _result(run: Path) -> dict[str, Any]:
    files = {"policy": "policy", "model": "model", "report": "report.html", "metrics": "metrics.jsonl"}
    found = {name: str(run / file) for name, file in files.items() if (run / file).exists()}
    result: dict[str, Any] = {"run": str(run), "files": found}
    if (run / "evaluation.json").is_file():
        result["evaluation"] = json.loads((run / "evaluation.json").read_bytes())
    return result
