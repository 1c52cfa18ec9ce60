"""Checkpoints: all that a run needs to go on as if it had never stopped, in safetensors and JSON.

A checkpoint is a folder that is written beside, flushed and renamed: one that carries its name is whole. It
holds the trained tensors, AdamW's moments and the step; random numbers are drawn from the run's seed and the
step, so there is no state of them to keep. Left out: the frozen weights, which the config names.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import TrainingError
from tools.files import flush_folder, saying_what_the_disk_refused, sync_folder

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2
_NAME = re.compile(r"step-(\d{6,})")
_WEIGHTS, _MOMENTS, _STATE = "trained.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class State:
    """What a run knows beside its tensors: PPO steps done, and the KL coefficient of the next one."""

    step: int
    kl_coef: float


def save_checkpoint(folder: Path, weights: "Mapping[str, Tensor]", optimizer: Any, state: State) -> Path:
    """Write folder/step-000025, drop all but the newest KEPT; SouschefError where the disk refuses."""
    from safetensors.torch import save_file

    place = folder / f"step-{state.step:06d}"
    part = folder / f".{place.name}.part"
    with saying_what_the_disk_refused(place):
        _remove_leftovers(folder)
        part.mkdir(parents=True)
        save_file({name: _plain(tensor) for name, tensor in weights.items()}, part / _WEIGHTS)
        save_file(_moments(weights, optimizer), part / _MOMENTS)
        (part / _STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
        flush_folder(part)
        _remove(place)
        part.rename(place)
        sync_folder(folder)
        tidy(folder)
    return place


def tidy(folder: Path) -> None:
    """Keep the newest KEPT checkpoints, and nothing that a killed process left; SouschefError if refused."""
    with saying_what_the_disk_refused(folder):
        _remove_leftovers(folder)
        for old in whole_checkpoints(folder)[:-KEPT]:
            _remove(old)


def load_newest(folder: Path, weights: "Mapping[str, Tensor]", optimizer: Any) -> State | None:
    """Fill weights and optimizer from the newest checkpoint; None where there is none yet."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = whole_checkpoints(folder)
    if not found:
        return None
    try:
        tensors, moments = load_file(found[-1] / _WEIGHTS), load_file(found[-1] / _MOMENTS)
        state = State(**json.loads((found[-1] / _STATE).read_bytes()))
        _check_shapes(tensors, weights)
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise TrainingError(
            f"The checkpoint {found[-1]} cannot be read ({error}): delete it, and --resume goes on before it."
        ) from error
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])  # into the run's own memory, whose alignment decides the last bits
    _put_moments(weights, optimizer, moments)
    return state


def whole_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first; one that was never finished is none."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in found if _NAME.fullmatch(path.name)), key=lambda path: int(path.name[5:]))


def _check_shapes(tensors: "Mapping[str, Tensor]", weights: "Mapping[str, Tensor]") -> None:
    """Raise ValueError before any weight is changed, where these are not a checkpoint of theirs."""
    for name, weight in weights.items():
        if name not in tensors or tensors[name].shape != weight.shape:
            raise ValueError(f"{name} is not as this run has it")


def _moments(weights: "Mapping[str, Tensor]", optimizer: Any) -> "dict[str, Tensor]":
    return {
        f"{name}/{key}": _plain(value)
        for name, weight in weights.items()
        for key, value in optimizer.state.get(weight, {}).items()
    }


def _put_moments(weights: "Mapping[str, Tensor]", optimizer: Any, moments: "Mapping[str, Tensor]") -> None:
    for name, weight in weights.items():
        kept = {
            key.rpartition("/")[2]: value for key, value in moments.items() if key.rpartition("/")[0] == name
        }
        if kept:
            device = {key: "cpu" if key == "step" and not weight.is_cuda else weight.device for key in kept}
            optimizer.state[weight] = {key: value.clone().to(device[key]) for key, value in kept.items()}


def _plain(tensor: "Tensor") -> "Tensor":
    return tensor.detach().cpu().contiguous().clone()


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint that may be there; killed in the middle, what is left does not carry its name."""
    if checkpoint.exists():
        gone = checkpoint.with_name(f".{checkpoint.name}.gone")
        checkpoint.rename(gone)
        shutil.rmtree(gone)


def _remove_leftovers(folder: Path) -> None:
    """What killed processes were writing or removing."""
    for left in folder.glob(".step-*"):
        shutil.rmtree(left)
