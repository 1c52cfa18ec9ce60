"""Checkpoints: all that a run needs to go on as if it had never stopped, in safetensors and JSON.

A checkpoint is a folder that is written beside, flushed and renamed: one that carries its name is whole. It
holds the trained tensors, AdamW's moments and the step; random numbers are drawn from the run's seed and the
step, so there is no state of them to keep. Left out: the frozen weights, which the config names.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    """What a run knows beside its tensors: steps done, the KL coefficient of the next, and how they did.

    `validated` holds the mean reward on held-out rows after some of the steps, where a run asks for it.
    """

    step: int
    kl_coef: float
    validated: tuple[tuple[int, float], ...] = ()

    @property
    def best(self) -> int | None:
        """The step with the highest of these rewards, the first of equals; None where none was judged."""
        return max(self.validated, key=lambda judged: judged[1])[0] if self.validated else None

    @property
    def since_best(self) -> int:
        """How many have been judged after the best."""
        return sum(step > (self.best or 0) for step, _ in self.validated)


def save_checkpoint(folder: Path, weights: "Mapping[str, Tensor]", optimizer: Any, state: State) -> Path:
    """Write folder/step-000025, drop all but the newest KEPT and the best; SouschefError if refused."""
    from safetensors.torch import save_file

    place = _place(folder, state.step)
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
    """Keep the newest KEPT checkpoints and the best, and nothing that a killed process left.

    SouschefError where the disk refuses.
    """
    with saying_what_the_disk_refused(folder):
        _remove_leftovers(folder)
        found = whole_checkpoints(folder)
        best = {_best_of(newer) for newer in found[-KEPT:]}
        for old in found[:-KEPT]:
            if old not in best:
                _remove(old)


def load_newest(folder: Path, weights: "Mapping[str, Tensor]", optimizer: Any) -> State | None:
    """Fill weights and optimizer from the newest checkpoint; None where there is none yet."""
    from safetensors.torch import load_file

    found = whole_checkpoints(folder)
    if not found:
        return None
    with _saying_what_is_damaged(found[-1], "delete it, and --resume goes on before it"):
        moments = load_file(found[-1] / _MOMENTS)
        state = _state(found[-1])
        _put_weights(found[-1], weights)
    _put_moments(weights, optimizer, moments)
    return state


def load_weights(folder: Path, weights: "Mapping[str, Tensor]", step: int) -> None:
    """Fill the weights from the checkpoint of a step that is there; TrainingError where it is damaged."""
    place = _place(folder, step)
    with _saying_what_is_damaged(place, "begin again with another --out"):
        _put_weights(place, weights)


def whole_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first; one that was never finished is none."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in found if _NAME.fullmatch(path.name)), key=lambda path: int(path.name[5:]))


def _place(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}"


@contextmanager
def _saying_what_is_damaged(place: Path, mend: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise TrainingError(f"The checkpoint {place} cannot be read ({error}): {mend}.") from error


def _state(place: Path) -> State:
    recorded = json.loads((place / _STATE).read_bytes())
    validated = tuple((step, reward) for step, reward in recorded.pop("validated", ()))
    return State(**recorded, validated=validated)


def _best_of(place: Path) -> Path | None:
    """The checkpoint that this one calls the best; None where there is none, or it cannot be read."""
    try:
        best = _state(place).best
    except (ValueError, TypeError, OSError):
        return None
    return None if best is None else _place(place.parent, best)


def _put_weights(place: Path, weights: "Mapping[str, Tensor]") -> None:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(place / _WEIGHTS)
    _check_shapes(tensors, weights)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])  # into the run's own memory, whose alignment decides the last bits


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
