"""A trained policy on disk, read without loading it: policy.json, and whether its files are whole.

A run directory holds it as policy/, beside what training recorded; a policy/ directory copied elsewhere is as
good. policy.json says how the policy was prompted in training, so that whoever uses it prompts it alike. What
this leaves out: writing the folder, which is training's, and the weights themselves, which the engines read.
"""

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from tools.catalogue import CATALOGUE, CatalogueEntry, HubSource
from tools.errors import ModelFileError, TrainingError
from tools.files import PREVIOUS_SUFFIX, expanded
from tools.models import fetch_model
from tools.weights import looks_whole

FORMAT = 1
CARD = "policy.json"
POLICY = "policy"
GGUF_FILES = {"full": "policy.gguf", "adapter": "adapter.gguf"}

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PREVIOUS = POLICY + PREVIOUS_SUFFIX
_RUN_FILES = ("metrics.jsonl", "checkpoints", "timing.jsonl")
_NEEDED = {
    "full": ("config.json", "tokenizer.json"),
    "adapter": ("adapter_config.json", "adapter_model.safetensors"),  # its base has a tokenizer
}


@dataclass(frozen=True)
class PolicyCard:
    """What policy.json says. `base` is a catalogue name, a path or a hub id, and "" for full weights.

    `template` holds {{text}}; with `chat`, it fills one user message of the model's chat template, and
    otherwise it is all that the model reads. A text has at most `max_text_tokens` in it. Training leaves
    `repetition_penalty` at 1, which is none; a policy that repeats itself when it writes greedily wants more.
    """

    name: str
    kind: Literal["full", "adapter"]
    base: str
    template: str
    chat: bool
    max_text_tokens: int
    max_new_tokens: int
    repetition_penalty: float = 1.0

    def to_json(self) -> str:
        """The content of policy.json."""
        return json.dumps({"format": FORMAT, **vars(self)}, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class PolicyFolder:
    """A whole policy: its folder and its card."""

    path: Path
    card: PolicyCard

    @property
    def gguf(self) -> Path | None:
        """Its export to GGUF, where it has one; TrainingError where that is cut off."""
        path = self.path / GGUF_FILES[self.card.kind]
        if path.exists() and not looks_whole(path):
            raise TrainingError(f"{path} is incomplete: delete it or export it again.")
        return path if path.exists() else None


def is_policy(path: Path) -> bool:
    """Whether a path is meant as a run or as its policy/ directory, rather than as a plain model."""
    if not path.is_dir():
        return False
    return any((path / name).exists() for name in (CARD, POLICY, _PREVIOUS, *_RUN_FILES))


def read_policy(run: Path) -> PolicyFolder:
    """The policy of a run directory, or of a policy/ directory itself.

    Raises TrainingError where there is none, where it is not whole, or where a newer Souschef wrote it.
    """
    folder = _folder(run)
    card = _card(folder / CARD)
    for name in _NEEDED[card.kind]:
        if not (folder / name).is_file():
            raise TrainingError(f"{folder} has no {name}: copy the whole folder again.")
    _whole_weights(folder, card.kind)
    return PolicyFolder(folder, card)


def base_of(policy: PolicyFolder) -> str:
    """What an adapter's base is loaded by: a catalogue name or a path. One on the hub is fetched if need be.

    Raises TrainingError where the base cannot be had.
    """
    base = policy.card.base
    if base in CATALOGUE or expanded(base).exists():
        return base
    problem = f"The base model {base} of the policy {policy.path} is not here"
    if not _HUB_ID.fullmatch(base):
        raise TrainingError(f'{problem}: put its new path into {CARD}, as "base".')
    return str(_in_hub_cache(base) or _fetched(base, problem))


def _in_hub_cache(repo: str) -> str | None:
    """The snapshot that training left in the hub client's own cache."""
    from huggingface_hub import errors, snapshot_download

    try:
        return snapshot_download(repo, local_files_only=True)
    except errors.LocalEntryNotFoundError:
        return None


def _fetched(repo: str, problem: str) -> Path:
    name = repo.replace("/", "--")
    entry = CatalogueEntry(name, "llm", "hf", "model.safetensors", (HubSource(repo),), "its own", 0)
    try:
        return fetch_model(entry).path
    except ModelFileError as error:
        raise TrainingError(
            f"{problem} and could not be fetched: connect to the model hub, "
            f'or put the path of a copy into {CARD}, as "base".'
        ) from error


def _folder(run: Path) -> Path:
    if not run.is_dir():
        raise TrainingError(f"There is no run at {run}: give the directory that `souschef train` wrote.")
    for folder in (run, run / POLICY, run / _PREVIOUS):
        if (folder / CARD).is_file():
            return folder
    if (run / POLICY).is_dir():
        raise TrainingError(f"{run / POLICY} has no {CARD}: copy the whole folder again.")
    if any((run / name).exists() for name in _RUN_FILES):
        raise TrainingError(
            f"{run} is a run that has not finished: repeat its `souschef train` command with --resume."
        )
    raise TrainingError(f"{run} is not a training run: give the directory that `souschef train` wrote.")


def _card(path: Path) -> PolicyCard:
    try:
        said = json.loads(path.read_bytes())
    except ValueError as error:
        raise TrainingError(f"{path} is not JSON: copy the policy's folder again.") from error
    if not isinstance(said, dict) or not isinstance(said.get("format"), int):
        raise TrainingError(f"{path} states no format: copy the policy's folder again.")
    if said["format"] > FORMAT:
        raise TrainingError(
            f"{path} has format {said['format']} and this Souschef reads up to {FORMAT}: update Souschef."
        )
    card = PolicyCard(
        **{field.name: _checked(path, said, field.name, field.type) for field in fields(PolicyCard)}
    )
    if card.kind == "adapter" and not card.base:
        raise TrainingError(f'{path} names no base for its adapter: put its name or path there, as "base".')
    if "{{text}}" not in card.template:
        raise TrainingError(f"{path} has a template without {{{{text}}}}: put it where the text belongs.")
    return card


def _checked(path: Path, said: dict[str, Any], name: str, kind: Any) -> Any:
    """One field of policy.json, of the type that the card gives it."""
    value = said.get(name, 1.0 if kind is float else None)
    if kind is float:
        right = isinstance(value, int | float) and 1 <= value <= 2
    elif kind in (str, bool):
        right = type(value) is kind
    elif kind is int:
        right = type(value) is int and value > 0
    else:
        right = value in tuple(GGUF_FILES)
    if not right:
        raise TrainingError(f"{path} has no valid {name!r} ({value!r}): copy the policy's folder again.")
    return value


def _whole_weights(folder: Path, kind: str) -> None:
    """Raise TrainingError for weights that are missing or cut off."""
    stem = "model" if kind == "full" else "adapter_model"
    index = folder / f"{stem}.safetensors.index.json"
    weights = index if index.exists() else folder / f"{stem}.safetensors"
    if not looks_whole(weights):
        problem = "incomplete" if weights.exists() else "missing"
        raise TrainingError(f"{weights} is {problem}: copy the policy's folder again.")
