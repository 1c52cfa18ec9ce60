"""Numbers about summaries that classifiers give: faithfulness to the article, and toxicity.

Any sequence-classification model of transformers serves: a folder, or OWNER/NAME on the model hub, loaded
from safetensors when a scorer is made. The output that counts is found by its label's name, never by its
place, which differs between models. Left out: quantized and half-precision scorers, since these are small.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.catalogue import CatalogueEntry, HubSource
from tools.classifiers import labels_are_independent, load_classifier, longest_input
from tools.errors import ModelFileError, UsageError
from tools.files import expanded
from tools.models import fetch_model, model_path
from tools.sentences import parts, sentences

if TYPE_CHECKING:
    import torch

ENTAILMENT_LABELS = ("entailment", "entail", "entails")
TOXICITY_LABELS = ("toxic", "toxicity", "hate", "hateful", "offensive")

_MAX_TOKENS = 512
_BATCH_SIZE = 16
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


class Entailment:
    """Faithfulness: how far an NLI model finds a summary's sentences entailed by the article.

    A sentence counts with the highest probability that any part of the article gives it, a part being as much
    as the model reads at once; a summary with its sentences' mean (Laban et al. 2022, arXiv 2111.09525, the
    zero-shot form). Sentences are judged as they stand: "he" refers to nobody, which lowers all alike.
    """

    def __init__(self, model: str) -> None:
        """Load the model. Raises SouschefError where it cannot be had or has no label for entailment."""
        self._classifier = Classifier(model)
        self._row = label_row(model, self._classifier.labels, ENTAILMENT_LABELS)

    def __call__(self, article: str, summary: str) -> float | None:
        """A probability in [0, 1]; None for a summary without a sentence."""
        said = sentences(summary)
        if not said:
            return None
        given = self._classifier.parts_beside(article, said)
        pairs = [(part, sentence) for sentence in said for part in given]
        found = self._classifier.probabilities(*map(list, zip(*pairs, strict=True)))[:, self._row]
        best = found.reshape(len(said), len(given)).max(dim=1).values  # (sentences,)
        return float(best.mean())


class Toxicity:
    """The probability of a classifier's label for toxic text."""

    def __init__(self, model: str, label: str | None = None) -> None:
        """Load the model; `label` names the output that counts where it is none of TOXICITY_LABELS.

        Raises SouschefError where the model cannot be had or has no such label.
        """
        self._classifier = Classifier(model)
        self._row = label_row(model, self._classifier.labels, (label,) if label else TOXICITY_LABELS)

    def __call__(self, text: str) -> float | None:
        """A probability in [0, 1]; None for a text without words."""
        if not text.strip():
            return None
        return float(self._classifier.probabilities([text])[0, self._row])


def label_row(model: str, labels: Mapping[int, str], accepted: Sequence[str]) -> int:
    """Which output has one of these labels, whatever its case; UsageError that lists the model's own.

    >>> label_row("m", {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}, ["entailment"])
    2
    """
    rows = {label.strip().lower(): row for row, label in labels.items()}
    for name in accepted:
        if name.strip().lower() in rows:
            return rows[name.strip().lower()]
    raise UsageError(
        f"{model} has no label {' or '.join(accepted)}, but {', '.join(labels.values())}: choose another "
        "model, or name the labels in its config.json (for toxicity: --toxicity-label)."
    )


class Classifier:
    """A sequence classifier and its tokenizer, safe to use from several threads."""

    def __init__(self, model: str) -> None:
        import torch

        loaded, self._tokenizer = load_classifier(_path(model), model)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = loaded.to(self._device)
        self.labels: dict[int, str] = dict(loaded.config.id2label)
        self._activation = "sigmoid" if labels_are_independent(loaded) else "softmax"
        self._max_tokens = min(_MAX_TOKENS, longest_input(loaded, self._tokenizer))
        self._lock = threading.Lock()  # fast tokenizers fail when two threads set truncation

    def probabilities(self, texts: list[str], seconds: list[str] | None = None) -> "torch.Tensor":
        """Each label's probability, of texts or of pairs: (texts, labels). What is too long loses its end."""
        import torch

        rows = []
        with self._lock, torch.inference_mode():
            for start in range(0, len(texts), _BATCH_SIZE):
                span = slice(start, start + _BATCH_SIZE)
                batch = self._tokenizer(
                    texts[span],
                    None if seconds is None else seconds[span],
                    truncation=True,
                    max_length=self._max_tokens,
                    padding=True,
                    return_tensors="pt",
                ).to(self._device)
                rows.append(self._model(**batch).logits.float().cpu())
        logits = torch.cat(rows)
        return logits.sigmoid() if self._activation == "sigmoid" else logits.softmax(dim=-1)

    def parts_beside(self, text: str, seconds: Sequence[str]) -> list[str]:
        """The text in parts that the model reads whole together with any one of `seconds`."""
        with self._lock:
            around = self._tokenizer.num_special_tokens_to_add(pair=True)
            beside = max(self._tokens(second) for second in seconds)
            room = max(self._max_tokens - around - beside, self._max_tokens // 4, 1)
            return parts(text, room, self._tokens) or [text]

    def _tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids)


def _path(model: str) -> Path:
    """The model's folder; one on the hub is fetched into the cache, and its files checked, if need be."""
    if not expanded(model).exists() and _HUB_NAME.fullmatch(model):
        name = model.replace("/", "--")
        source = HubSource(model)
        entry = CatalogueEntry(name, "summarizer", "hf", "model.safetensors", (source,), "its own", 0)
        return fetch_model(entry).path
    files = model_path(model)
    if files.format != "hf":
        raise ModelFileError(f"{model} is a GGUF file: give the folder of a sequence-classification model.")
    return files.path
