"""Configs: one frozen dataclass is the TOML file, the command's `--set` flags and the record in a run.

`load_config` reads any of them, here and in supervised_config.py; an unknown key, a value of the wrong type
or out of range is an error that says what would be right. Left out: environment variables and files that
include files, so that the record in a run directory is all there is to know.
"""

import dataclasses
import difflib
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from tools.errors import TrainingError

Config = TypeVar("Config")

TYPE_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class RewardSpec:
    """One reward of a sum: a ready-made name or `module:function`, its weight, and its own options."""

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Everything that decides a PPO run. Lengths are in tokens, `steps` in batches of rollouts."""

    # what is trained
    name: str = "policy"
    model: str = "gpt2-cnn"  # a catalogue name, a folder, a .gguf file, or a name on the model hub
    lora_rank: int = 0  # 0: all weights are trained
    lora_alpha: float = 0.0  # 0: twice the rank
    lora_targets: tuple[str, ...] = ("all-linear",)
    quantize: Literal["", "4bit", "8bit"] = ""
    precision: Literal["fp32", "bf16"] = "fp32"
    # what it reads
    data: tuple[str, ...] = ("abisee/cnn_dailymail",)
    data_subset: str = ""
    data_split: str = ""
    eval_data: tuple[str, ...] = ()  # empty: `eval_rows` rows are held out of `data`
    eval_rows: int = 64
    prompt: str = "summarize_gpt2_cnn"  # prompts/NAME.txt
    max_prompt_tokens: int = 512
    min_prompt_tokens: int = 0  # above 0: each prompt's limit is drawn between the two
    over_long: Literal["cut", "drop"] = "cut"
    # what it writes
    max_new_tokens: int = 128
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    missing_eos_penalty: float = 0.0
    # what it is rewarded for
    rewards: tuple[RewardSpec, ...] = (RewardSpec("rouge1"),)
    # how it learns; sources by the letters of ppo.py
    steps: int = 250
    batch_size: int = 4
    mini_batch_size: int = 4
    micro_batch_tokens: int = 0  # read at once with gradients, padding included; 0: what suits the device
    ppo_epochs: int = 4  # [Z]; each shuffles the mini-batches anew [P]
    learning_rate: float = 1.41e-5
    lr_schedule: Literal["linear", "constant"] = "linear"  # [N]
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0  # as in [P]'s published code
    gamma: float = 1.0  # [Z]
    lam: float = 0.95  # [Z]
    clip_range: float = 0.2  # [P]
    value_clip_range: float = 0.2  # [Z]'s code; in units of the reward
    vf_coef: float = 0.1  # [Z]'s code
    value_learning_rate: float = 0.0  # 0: the policy's
    value_warmup_steps: int = 0  # steps before the policy moves: VC-PPO, arXiv 2503.01491
    kl_coef: float = 0.05
    kl_target: float = 0.0  # nats a response; 0: kl_coef stays as it is
    kl_horizon: int = 0  # responses over which the coefficient adapts; 0: a tenth of the run's
    target_kl: float = (
        0.0  # [P]'s published code; ends a step's epochs where the policy has moved this far; 0: never
    )
    whiten_advantages: bool = True
    # how it is watched
    seed: int = 0
    checkpoint_every: int = 25
    early_stopping: int = 0  # checkpoints without a better held-out reward that end the run; 0: never
    eval_batch_size: int = 16
    eval_temperatures: tuple[float, ...] = (1.0, 0.0)

    def __post_init__(self) -> None:
        require(self, _ABOVE_ZERO, above=0)
        require(self, _AT_LEAST_ZERO, least=0)
        require(self, ("gamma", "lam", "top_p"), least=0, most=1)
        if self.batch_size % self.mini_batch_size:
            raise TrainingError(
                f"mini_batch_size {self.mini_batch_size} does not divide batch_size {self.batch_size}: "
                "choose one that does."
            )
        if self.min_prompt_tokens > self.max_prompt_tokens:
            raise TrainingError("min_prompt_tokens is above max_prompt_tokens: lower it.")
        if not self.rewards:
            raise TrainingError('A run needs a reward: add [[rewards]] with name = "rouge1", for example.')
        if self.value_warmup_steps >= self.steps or (self.value_warmup_steps and not self.vf_coef):
            raise TrainingError(
                "value_warmup_steps must be fewer than steps, and vf_coef above 0: change one."
            )
        if any(temperature < 0 for temperature in self.eval_temperatures):
            raise TrainingError("eval_temperatures has a number below 0: 0 is greedy, 1 as it is.")
        if self.early_stopping and not self.eval_temperatures:
            raise TrainingError(
                "early_stopping judges by held-out rows: give eval_temperatures, such as [0.0]."
            )
        if self.quantize and not self.lora_rank:
            raise TrainingError("A quantized base cannot be trained itself: set lora_rank, such as 16.")


_ABOVE_ZERO = (
    *("steps", "batch_size", "mini_batch_size", "ppo_epochs", "max_new_tokens", "max_prompt_tokens"),
    *("checkpoint_every", "eval_batch_size", "learning_rate", "temperature", "max_grad_norm"),
    *("clip_range", "value_clip_range"),
)
_AT_LEAST_ZERO = (
    *(
        "kl_horizon",
        "lora_rank",
        "lora_alpha",
        "eval_rows",
        "min_prompt_tokens",
        "top_k",
        "kl_coef",
        "kl_target",
        "seed",
    ),
    *("target_kl", "vf_coef", "micro_batch_tokens", "value_warmup_steps", "value_learning_rate"),
    *("weight_decay", "missing_eos_penalty", "early_stopping"),
)


def require(
    config: object,
    keys: Sequence[str],
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> None:
    """Raise TrainingError for the first of these keys whose number is outside the bounds."""
    for key in keys:
        value = getattr(config, key)
        if not math.isfinite(value) or not (
            (above is None or value > above)
            and (least is None or value >= least)
            and (most is None or value <= most)
        ):
            bounds = [("above", above), ("at least", least), ("at most", most)]
            wanted = (
                " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None) or "finite"
            )
            raise TrainingError(f"{key} is {value}: it must be {wanted}.")


def load_config(cls: type[Config], path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file, then `key=value` overrides, whose values are TOML too (a bare word is a string)."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingError(f"There is no config at {path}: {_shipped()}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise TrainingError(f"{path} cannot be read as TOML ({error}): correct it.") from error
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise TrainingError(f"--set {override!r} has no value: write it as key=value.")
        settings[key.strip()] = _toml_value(value.strip())
    return from_dict(cls, settings)


def from_dict(cls: type[Config], settings: Mapping[str, Any]) -> Config:
    """Make a config from plain values; raises TrainingError naming the key and what it takes."""
    hints = get_type_hints(cls)
    for key in settings:
        if key not in hints:
            raise TrainingError(f"There is no setting {key!r}: did you mean {nearest(key, hints)!r}?")
    return cls(**{key: _converted(key, value, hints[key]) for key, value in settings.items()})


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain values, which `from_dict` reads again."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def nearest(name: str, names: Iterable[str]) -> str:
    """The name most like this one; of no names, the empty text.

    >>> nearest("ruoge1", ["length_penalty", "rouge1"])
    'rouge1'
    """
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.0)), "")


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _converted(key: str, value: Any, hint: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inner:
            choices = ", ".join(repr(choice) for choice in inner)
            raise TrainingError(f"{key} is {value!r}: choose one of {choices}.")
        return value
    if origin is tuple:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_converted(key, item, inner[0]) for item in values)
    if origin in (types.UnionType, Mapping):
        return value
    if hint is RewardSpec:
        return _reward(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise TrainingError(f"{key} is {value!r}: it must be {TYPE_WORDS.get(hint, hint.__name__)}.")
    return value


def _reward(value: Any) -> RewardSpec:
    """A reward as a table of its own options, as a recorded one, or as just its name."""
    given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    table: dict[str, Any] = {"name": value} if isinstance(value, str) else dict(given)
    name, weight = table.pop("name", None), table.pop("weight", 1.0)
    if not isinstance(name, str) or isinstance(weight, bool) or not isinstance(weight, int | float):
        raise TrainingError(
            f'The reward {value!r} cannot be read: write {{name = "rouge1", weight = 1.0}}, options beside.'
        )
    return RewardSpec(name, float(weight), {**table.pop("options", {}), **table})


def _shipped() -> str:
    names = sorted(path.name for path in (Path(__file__).parent / "configs").glob("*.toml"))
    return f"those that ship lie in training/configs ({', '.join(names)})"
