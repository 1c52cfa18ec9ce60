"""Hand a policy over: write policy/, which `souschef summarize --policy` and the agent load.

The weights are plain: a folder of transformers, or of peft for an adapter, that other programs load as they
are, with the value head beside. The folder is written beside, flushed and renamed, so that whoever reads sees
all of one policy. Left out: merging an adapter into its base, which would give up the small file.
"""

import json
from pathlib import Path
from typing import Any

from tools.catalogue import CATALOGUE
from tools.files import atomic_folder, expanded
from tools.policy_folder import CARD, PolicyCard

VALUE_HEAD = "value_head.safetensors"  # beside the weights of a policy that PPO has trained


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
    if base not in CATALOGUE and expanded(base).exists():
        base = str(expanded(base).resolve())  # found from any working directory
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
    with atomic_folder(folder) as part:
        _write_weights(part, model, base if adapter else None)
        tokenizer.save_pretrained(part)
        if value_head is not None:
            _write_value_head(part, value_head)
        (part / CARD).write_text(card.to_json(), encoding="utf-8")


def _write_weights(part: Path, model: Any, base: str | None) -> None:
    if base is None:
        model.save_pretrained(part)
        return
    # "auto" would ask the model hub whether the vocabulary was resized; a policy's never is.
    model.save_pretrained(part, save_embedding_layers=False, selected_adapters=[model.active_adapter])
    (part / "README.md").unlink(missing_ok=True)  # peft's empty model card
    config = part / "adapter_config.json"
    said = json.loads(config.read_bytes())
    config.write_text(json.dumps(said | {"base_model_name_or_path": base}, indent=2), encoding="utf-8")


def _write_value_head(part: Path, value_head: Any) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in value_head.state_dict().items()}
    save_file(tensors, part / VALUE_HEAD)
