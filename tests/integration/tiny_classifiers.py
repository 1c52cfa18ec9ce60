"""Tiny random classifiers of real architectures, in folders as the model hub has them."""

from pathlib import Path
from typing import Any

NLI_LABELS = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}


def nli_folder(path: Path) -> Path:
    """A folder as the hub has roberta-large-mnli, two small layers deep and 62 tokens wide."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(**_sizes(64), id2label=NLI_LABELS, pad_token_id=1, initializer_range=0.5)
    return _saved(RobertaForSequenceClassification, config, path)


def toxicity_folder(path: Path) -> Path:
    """A folder as the hub has unitary/toxic-bert: BERT, labels that do not exclude each other, 48 tokens."""
    from transformers import BertConfig, BertForSequenceClassification

    labels: dict[str, Any] = {
        "id2label": {0: "toxic", 1: "insult"},
        "problem_type": "multi_label_classification",
    }
    config = BertConfig(**_sizes(48), **labels, pad_token_id=1, initializer_range=0.5)
    return _saved(BertForSequenceClassification, config, path)


def _sizes(positions: int) -> dict[str, Any]:
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return {**shape, "max_position_embeddings": positions, "vocab_size": 300}


def _saved(kind: Any, config: Any, folder: Path) -> Path:
    """The random model, and a tokenizer that frames a text, or a pair, as RoBERTa's does."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(0)
    special = ["<s>", "<pad>", "</s>"]
    letters = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
    wrap: Any = PreTrainedTokenizerFast
    inputs = ["input_ids", "attention_mask"]
    wrap(tokenizer_object=tokenizer, model_input_names=inputs, **names).save_pretrained(folder)
    kind(config).save_pretrained(folder)
    return folder
