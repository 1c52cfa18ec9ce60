"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685), alike for PPO, SFT and reward models.

A run that starts from an earlier run's adapter goes on with that adapter, so that one adapter to the original
base comes of both. What it was at the start stays beside it, frozen: the reference policy of the KL penalty.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tools.errors import TrainingError
from tools.policy_folder import PolicyFolder
from training.base_models import Precision, Quantization, adapter_at, load_base

REFERENCE = "reference"  # an adapter as it was when training began
_TRAINED = "default"  # peft's own name for the first adapter of a model


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


class PolicySettings(LoraSettings, Protocol):
    """What configs say of the language model that is trained."""

    @property
    def model(self) -> str: ...
    @property
    def quantize(self) -> Quantization: ...
    @property
    def precision(self) -> Precision: ...


def load_to_train(config: PolicySettings, device: Any = None) -> tuple[Any, Any]:
    """The causal language model that a config names, ready to train, and its tokenizer.

    With a rank it is a PeftModel: an earlier run's adapter goes on, any other model gets a fresh one. Raises
    what load_base does, and TrainingError where an earlier adapter has another rank.
    """
    precision = config.precision if config.lora_rank else "fp32"
    earlier = adapter_at(config.model) if config.lora_rank else None
    model, tokenizer = load_base(earlier.card.base if earlier else config.model, config.quantize, precision)
    if device is not None and not config.quantize:
        model = model.to(device)
    if earlier is None:
        return with_lora(model, config, "CAUSAL_LM", config.quantize), tokenizer
    return _going_on(_prepared(model, config.quantize), earlier, config), tokenizer


def _going_on(base: Any, earlier: PolicyFolder, config: PolicySettings) -> Any:
    from peft import PeftModel

    model: Any = PeftModel.from_pretrained(base, earlier.path, is_trainable=True)
    rank = model.peft_config[_TRAINED].r
    if rank != config.lora_rank:
        raise TrainingError(
            f"The adapter in {earlier.path} has rank {rank}, not {config.lora_rank}: "
            f"set lora_rank = {rank} to go on with it."
        )
    model.load_adapter(earlier.path, REFERENCE)
    model.set_adapter(_TRAINED)
    return model


@contextmanager
def as_reference(model: Any) -> Iterator[None]:
    """Within it a PeftModel is what it was when training began."""
    if REFERENCE not in model.peft_config:
        with model.disable_adapter():
            yield
        return
    model.set_adapter(REFERENCE, inference_mode=True)
    try:
        yield
    finally:
        model.set_adapter(_TRAINED)


def with_lora(model: Any, config: LoraSettings, task: str, quantize: str = "") -> Any:
    """The model with a fresh LoRA adapter, its own weights frozen; without a rank as it is."""
    if not config.lora_rank:
        return model
    import torch
    from peft import LoraConfig, get_peft_model

    model = _prepared(model, quantize)
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


def _prepared(model: Any, quantize: str) -> Any:
    """A quantized base as peft wants it; any other as it is."""
    if not quantize:
        return model
    from peft import prepare_model_for_kbit_training

    prepare: Any = prepare_model_for_kbit_training  # peft leaves it untyped
    return prepare(model, use_gradient_checkpointing=False)
