"""Hand a policy over: write policy/, which `souschef summarize --policy` and the agent load.

The weights are plain: a folder of transformers, or of peft for an adapter, that other programs load as they
are, with the value head beside. The folder is written beside, flushed and renamed, so that whoever reads sees
all of one policy. Left out: merging an adapter into its base, which would give up the small file.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from tools.catalogue import CATALOGUE
from tools.files import saying_what_the_disk_refused, sync_folder
from tools.policy_folder import CARD, PREVIOUS_SUFFIX, PolicyCard

VALUE_HEAD = "value_head.safetensors"


def save_policy(
    folder: Path,
    model: Any,
    tokenizer: Any,
    *,
    name: str,
    base: str,
    template: str,
    chat: bool,
    max_text_tokens: int,
    max_new_tokens: int,
    value_head: Any | None = None,
) -> None:
    """Write a policy to `folder`, in place of what is there; of a PeftModel the adapter alone.

    `base` is what the adapter was trained on (a catalogue name, a path or a hub id) and goes unrecorded for
    full weights. `template` holds {{text}}. `value_head` is an nn.Module. Raises SouschefError where the
    disk refuses.
    """
    if base not in CATALOGUE and Path(base).expanduser().exists():
        base = str(Path(base).expanduser().resolve())  # found from any working directory
    adapter = hasattr(model, "peft_config")  # a PeftModel, without importing peft where there is none
    card = PolicyCard(
        name=name,
        kind="adapter" if adapter else "full",
        base=base if adapter else "",
        template=template,
        chat=chat,
        max_text_tokens=max_text_tokens,
        max_new_tokens=max_new_tokens,
    )
    part = folder.with_name(f".{folder.name}.part")
    with saying_what_the_disk_refused(folder):
        _remove(part)  # what a killed process left
        part.mkdir(parents=True)
        _write_weights(part, model, base if adapter else None)
        tokenizer.save_pretrained(part)
        if value_head is not None:
            _write_value_head(part, value_head)
        (part / CARD).write_text(card.to_json(), encoding="utf-8")
        _sync_files(part)
        _put_in_place(part, folder)


def _write_weights(part: Path, model: Any, base: str | None) -> None:
    if base is None:
        model.save_pretrained(part)
        return
    # "auto" would ask the model hub whether the vocabulary was resized; a policy's never is.
    model.save_pretrained(part, save_embedding_layers=False)
    (part / "README.md").unlink(missing_ok=True)  # peft's empty model card
    config = part / "adapter_config.json"
    said = json.loads(config.read_bytes())
    config.write_text(json.dumps(said | {"base_model_name_or_path": base}, indent=2), encoding="utf-8")


def _write_value_head(part: Path, value_head: Any) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in value_head.state_dict().items()}
    save_file(tensors, part / VALUE_HEAD)


def _sync_files(folder: Path) -> None:
    """Flush every file of a folder, and the folder itself, to disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename `part` to `folder`. A folder cannot be renamed over a full one, so the old one steps aside.

    Killed in between, it is found under its other name by readers, and by the next call of this function.
    """
    previous = folder.with_name(folder.name + PREVIOUS_SUFFIX)
    if folder.exists():
        _remove(previous)
        folder.rename(previous)
    part.rename(folder)
    sync_folder(folder.parent)
    _remove(previous)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
