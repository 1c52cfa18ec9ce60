"""LoRA adapters of peft on a transformers model: one that is always on, and named ones to switch between.

The one that is always on goes into dense weights, which is faster; into quantized ones it cannot. A named
one stays beside the weights, which are never touched: with none switched on the model computes what it
would without any.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.engines.shipped import WEIGHTS
from tools.errors import ModelFileError, UsageError
from tools.weights import looks_whole, why_not_loaded

_ALWAYS = "default"  # peft's own name for the first adapter of a model


def check_adapter(model: Path, adapter: Path) -> None:
    """Raise SouschefError for what is no whole folder of peft."""
    if not (adapter / "adapter_config.json").is_file():
        raise UsageError(
            f"{model.name} is a Hugging Face model, which takes no adapter but a folder of peft: "
            f"{adapter} is none."
        )
    if not looks_whole(adapter / WEIGHTS):
        raise ModelFileError(f"{adapter} has no whole {WEIGHTS}: copy it here again.")


def adapted(model: Any, always: Path | None, named: Mapping[str, Path], *, merge: bool) -> Any:
    """The model with its adapters, at least one; `merge` puts the one that is always on into the weights."""
    if always is not None:
        model = _with_adapter(model, always, _ALWAYS)
        model = model.merge_and_unload() if merge else model
    for name, folder in named.items():
        model = _with_adapter(model, folder, name)
    return model


def _with_adapter(model: Any, folder: Path, name: str) -> Any:
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between the two libraries, of no use to the user
        try:
            if not isinstance(model, PeftModel):
                return PeftModel.from_pretrained(model, folder, adapter_name=name)
            model.load_adapter(folder, name)
            return model
        except (ValueError, RuntimeError) as error:  # shapes or names that are not this model's
            raise ModelFileError(
                f"The adapter {folder} does not fit its base: {why_not_loaded(error)}"
            ) from error


class AdapterSwitch:
    """Which of a model's adapters are on; not for several threads at once."""

    def __init__(self, model: Any, named: Collection[str]) -> None:
        self._named, self._on = named, ""
        self._always = [_ALWAYS] if named and _ALWAYS in model.peft_config else []
        if named:  # peft begins with one of them on
            _have_on(model, self._always)

    def turn_on(self, model: Any, name: str) -> bool:
        """Have this one of the named adapters on, or none for another name; whether that is a change."""
        wanted = name if name in self._named else ""
        if wanted == self._on:
            return False
        _have_on(model, [*self._always, wanted] if wanted else self._always)
        self._on = wanted
        return True


def _have_on(model: Any, names: Sequence[str]) -> None:
    if names:
        model.base_model.enable_adapter_layers()
        model.base_model.set_adapter(list(names), inference_mode=True)
    else:
        model.base_model.disable_adapter_layers()
