"""Rewards that ask a model: a label of a sequence classifier, or what `souschef train reward` made.

A model is a folder, a run of `souschef train reward`, or OWNER/NAME on the model hub; it is loaded from
safetensors, in float32 and without dropout, when the reward is built, and it never learns. Texts longer than
the model reads are cut: at their end, or where the prompt is read too, at its start, so that the completion
stays. Left out: quantized and half-precision scorers, since they are small beside the policy.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tools.classifiers import labels_are_independent, load_classifier, longest_input
from tools.errors import TrainingError
from tools.files import expanded
from training.base_models import base_path, quiet_unless_watched
from training.config import nearest
from training.reward_inputs import plain_texts

if TYPE_CHECKING:
    import torch

HATE_SPEECH = "facebook/roberta-hate-speech-dynabench-r4-target"  # Vidgen et al. 2021, ACL
Reads = Literal["completion", "prompt+completion"]


class Classifier:
    """A classifier's raw logit or probability for one label, chosen by its name.

    The default rewards text that is not hate speech. The raw logit tells good from better where the
    probability is 1 for both, and so leaves PPO a slope to climb.
    """

    def __init__(
        self,
        *,
        model: str = HATE_SPEECH,
        label: str = "nothate",
        score: Literal["logit", "probability"] = "logit",
        reads: Reads = "completion",
        batch_size: int = 16,
        max_tokens: int = 512,
        device: str = "cpu",
    ) -> None:
        self.__name__ = "classifier"
        self._scorer = _Scorer(model, batch_size, max_tokens, device, cut_start=reads != "completion")
        self._row = label_row(model, self._scorer.labels, label)
        self._score, self._reads = score, reads

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **_: Any) -> list[float]:
        """One number a completion: the label's logit, or its probability in [0, 1]."""
        logits = self._scorer.logits(_read(prompts, completions, self._reads))
        if self._score == "probability":
            logits = logits.sigmoid() if self._scorer.labels_are_independent else logits.softmax(dim=-1)
        return [float(row[self._row]) for row in logits]


class RewardModel:
    """The number that a reward model gives to prompt and completion (Stiennon et al. 2020)."""

    def __init__(
        self,
        *,
        model: str,
        reads: Reads = "prompt+completion",
        batch_size: int = 16,
        max_tokens: int = 1024,
        device: str = "cpu",
    ) -> None:
        self.__name__ = "reward_model"
        self._scorer = _Scorer(model, batch_size, max_tokens, device, cut_start=True, ends=True)
        self._reads = reads
        if len(self._scorer.labels) != 1:
            raise TrainingError(
                f"{model} is a classifier of {len(self._scorer.labels)} labels, not a reward model: "
                "use the reward classifier, with a label."
            )

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **_: Any) -> list[float]:
        """One number a completion, the higher the better; only differences mean something."""
        return [float(row[0]) for row in self._scorer.logits(_read(prompts, completions, self._reads))]


def label_row(model: str, labels: Mapping[int, str], wanted: str) -> int:
    """Which of a model's outputs has this label; TrainingError naming the nearest where none has."""
    for row, label in labels.items():
        if label == wanted:
            return row
    names = list(labels.values())
    raise TrainingError(
        f"{model} has no label {wanted!r}: did you mean {nearest(wanted, names)!r}? "
        f"It has {', '.join(names)}."
    )


def _read(prompts: Sequence[Any], completions: Sequence[Any], reads: Reads) -> list[str]:
    said = plain_texts(completions)
    if reads == "completion":
        return said
    return [prompt + completion for prompt, completion in zip(plain_texts(prompts), said, strict=True)]


class _Scorer:
    """A sequence classifier and its tokenizer: texts to logits, in batches."""

    def __init__(
        self,
        model: str,
        batch_size: int,
        max_tokens: int,
        device: str,
        *,
        cut_start: bool,
        ends: bool = False,
    ) -> None:
        if batch_size < 1 or max_tokens < 1:
            raise TrainingError("A reward's batch_size and max_tokens must be at least 1.")
        with quiet_unless_watched():
            loaded, self._tokenizer = load_classifier(base_path(_model_folder(model)), model)
        self._model = loaded.to(device)
        self.labels: dict[int, str] = dict(loaded.config.id2label)
        self.labels_are_independent = labels_are_independent(loaded)
        self._tokenizer.truncation_side = "left" if cut_start else "right"
        self._max_tokens = min(max_tokens, longest_input(loaded, self._tokenizer))
        end = self._tokenizer.eos_token or self._tokenizer.pad_token
        self._end = end if ends else ""  # TRL's RewardTrainer ends the texts it learns from
        self._for_nothing = "" if self._tokenizer("").input_ids else end  # no tokens at all cannot be read
        self._batch_size, self._device = batch_size, device

    def logits(self, texts: Sequence[str]) -> "torch.Tensor":
        """Logits on the CPU: (texts, labels)."""
        import torch

        with torch.inference_mode():
            rows = [self._model(**batch).logits.float().cpu() for batch in self._batches(texts)]
        return torch.cat([torch.empty(0, len(self.labels)), *rows])  # of no texts, no rows

    def _batches(self, texts: Sequence[str]) -> "Iterator[Mapping[str, torch.Tensor]]":
        ended = [text + self._end or self._for_nothing for text in texts]
        for start in range(0, len(ended), self._batch_size):
            yield self._tokenizer(
                ended[start : start + self._batch_size],
                truncation=True,
                max_length=self._max_tokens,
                padding=True,
                return_tensors="pt",
            ).to(self._device)


def _model_folder(model: str) -> str:
    """The model inside a run of `souschef train reward`; any other name or path as it is."""
    run = expanded(model)
    if (run / "model").is_dir():
        return str(run / "model")
    if (run / "metrics.jsonl").exists() or (run / "checkpoints").exists():
        raise TrainingError(
            f"The run {model} has no model yet: let it end first, with `souschef train reward ... --resume`."
        )
    return model
