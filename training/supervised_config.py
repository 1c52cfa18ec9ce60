"""Configs of `train sft` and `train reward`: dataclasses like PPOConfig, with its names for what is alike.

Both runs go over labelled examples with AdamW and share the settings of that; what they read differs. Left
out: dropout, which is off so that a run that was killed and resumed ends as one that was not.
"""

from dataclasses import dataclass
from typing import Literal

from tools.errors import TrainingError
from training.config import require


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """What both have: the model, how it learns, how it is watched. `steps` counts batches."""

    # what is trained
    name: str = "supervised"
    model: str = "smollm2-135m"  # a catalogue name, a folder, a .gguf file, or a name on the model hub
    lora_rank: int = 0  # 0: all weights are trained
    lora_alpha: float = 0.0  # 0: twice the rank
    lora_targets: tuple[str, ...] = ("all-linear",)
    precision: Literal["fp32", "bf16"] = "fp32"
    # what it reads
    data: tuple[str, ...] = ()
    eval_data: tuple[str, ...] = ()  # empty: `eval_rows` rows are held out of `data`
    eval_rows: int = 64
    # how it learns
    epochs: int = 1
    steps: int = 0  # above 0: this many, whatever the epochs
    batch_size: int = 8
    micro_batch_size: int = 0  # rows read at once with gradients; 0: all rows of a batch
    learning_rate: float = 1e-4
    lr_schedule: Literal["linear", "constant"] = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    # how it is watched
    seed: int = 0
    checkpoint_every: int = 50
    eval_batch_size: int = 8

    def __post_init__(self) -> None:
        require(self, ("epochs", "batch_size", "learning_rate", "max_grad_norm"), above=0)
        require(self, ("checkpoint_every", "eval_batch_size"), above=0)
        require(self, ("lora_rank", "lora_alpha", "eval_rows", "steps", "micro_batch_size"), least=0)
        require(self, ("warmup_steps", "weight_decay", "seed"), least=0)
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise TrainingError(
                f"micro_batch_size {self.micro_batch_size} does not divide batch_size {self.batch_size}: "
                "choose one that does."
            )


@dataclass(frozen=True, kw_only=True)
class SFTConfig(SupervisedConfig):
    """A run that imitates: rows with article and summary, or with prompt and completion, or with messages."""

    name: str = "sft"
    quantize: Literal["", "4bit", "8bit"] = ""
    data_subset: str = ""
    data_split: str = ""
    prompt: str = "summarize"  # prompts/NAME.txt, for articles; other rows are prompts already
    max_prompt_tokens: int = 512
    over_long: Literal["cut", "drop"] = "cut"  # an article; a prompt that is too long is always dropped
    max_new_tokens: int = 128  # longer completions lose their end
    opening_tokens: int = 0  # of a completion, where these decide what it is about and
    opening_weight: float = 1.0  # count so many times as much in the loss as those that follow

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, ("max_prompt_tokens", "max_new_tokens", "opening_weight"), above=0)
        require(self, ("opening_tokens",), least=0)
        if self.opening_weight != 1 and not self.opening_tokens:
            raise TrainingError("opening_weight needs opening_tokens: set how many it weighs, such as 4.")
        if self.quantize and not self.lora_rank:
            raise TrainingError("A quantized base cannot be trained itself: set lora_rank, such as 16.")


@dataclass(frozen=True, kw_only=True)
class RewardModelConfig(SupervisedConfig):
    """A run that learns to prefer: pairs of a chosen and a rejected answer, or rankings of several."""

    name: str = "reward-model"
    max_tokens: int = 1024  # of prompt and answer together; longer ones lose the prompt's beginning
    center_rewards: float = 0.0  # pulls rewards towards a mean of 0 (Eisenstein et al. 2023, eq. 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, ("max_tokens",), above=0)
        require(self, ("center_rewards",), least=0)
