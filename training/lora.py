"""A fresh LoRA adapter, alike for PPO, SFT and reward models (Hu et al. 2021, arXiv 2106.09685)."""

import warnings
from typing import Any, Protocol


class LoraSettings(Protocol):
    """What configs say of an adapter: alpha 0 is twice the rank; targets are modules' names or all-linear."""

    @property
    def lora_rank(self) -> int: ...
    @property
    def lora_alpha(self) -> float: ...
    @property
    def lora_targets(self) -> tuple[str, ...]: ...
    @property
    def seed(self) -> int: ...


def with_lora(model: Any, config: LoraSettings, task: str, quantize: str = "") -> Any:
    """The model with a fresh LoRA adapter, its own weights frozen; without a rank as it is."""
    if not config.lora_rank:
        return model
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if quantize:
        prepare: Any = prepare_model_for_kbit_training  # peft leaves it untyped
        model = prepare(model, use_gradient_checkpointing=False)
    alpha: Any = config.lora_alpha or 2 * config.lora_rank  # peft's type says int; it need not be
    every = config.lora_targets == ("all-linear",)
    lora = LoraConfig(
        task_type=task,
        r=config.lora_rank,
        lora_alpha=alpha,
        target_modules="all-linear" if every else list(config.lora_targets),
        modules_to_save=["score"] if task == "SEQ_CLS" else None,  # a new head is trained whole
        fan_in_fan_out=model.config.model_type == "gpt2",
    )
    torch.manual_seed(config.seed)
    with warnings.catch_warnings():  # peft asks transformers by a name that is on its way out
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        return get_peft_model(model, lora)
