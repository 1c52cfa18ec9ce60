"""Sequence classifiers of transformers, loaded as all is here: safetensors only, no code from the folder.

Both the rewards of training and the scorers of evaluations read texts with them. Left out: how texts are put
together and cut, in which those two differ.
"""

from pathlib import Path
from typing import Any

from tools.errors import ModelFileError
from tools.one_at_a_time import one_at_a_time
from tools.weights import why_not_loaded


@one_at_a_time
def load_classifier(path: Path, name: str) -> tuple[Any, Any]:
    """A frozen classifier in float32 on the CPU, and its tokenizer, which pads on the right.

    `name` is what errors call the model. Raises ModelFileError where it does not load, or is no classifier.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification

    try:
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(
            path,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    # RuntimeError: weights of other sizes, or no memory for them
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelFileError(f"{name} cannot be loaded as a classifier: {why_not_loaded(error)}") from error
    model, report = loaded
    if report["missing_keys"]:  # transformers fills them with random numbers
        raise ModelFileError(
            f"{name} lacks the weights of a classifier: choose a sequence-classification model."
        )
    tokenizer = _load_tokenizer(path, name)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return model.eval().requires_grad_(False), tokenizer


def _load_tokenizer(path: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{name} has no tokenizer that loads: {why_not_loaded(error)}") from error
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelFileError(f"The tokenizer of {name} has no padding token: name one in its config.")
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def labels_are_independent(model: Any) -> bool:
    """Whether each label has a probability of its own; one output alone would be 1 under a softmax."""
    config = model.config
    return config.problem_type == "multi_label_classification" or len(config.id2label) == 1


def longest_input(model: Any, tokenizer: Any) -> int:
    """Tokens that a classifier reads at once; RoBERTa counts positions from behind its padding token's."""
    most = min(
        getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30,
        tokenizer.model_max_length,
    )
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions = int(model.config.get_text_config().max_position_embeddings)
            return min(int(most), positions - int(module.padding_idx) - 1)
    return int(most)
