"""Classifiers and reward models as rewards: tiny random ones, against direct calls of transformers."""

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tools.errors import SouschefError, TrainingError
from training.config import RewardSpec
from training.reward_models import HATE_SPEECH, Classifier, RewardModel
from training.rewards import build_rewards

TEXTS = ["fry the ham", "boil two eggs gently, then peel them", "soup", "stir", "no ham today"]
PROMPTS = ["Summarize: "] * len(TEXTS)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub has the hate-speech classifier, two small layers deep and 30 tokens wide."""
    import torch
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 32, "vocab_size": 300}
    labels: dict[str, Any] = {"id2label": {0: "nothate", 1: "hate"}, "label2id": {"nothate": 0, "hate": 1}}
    config = RobertaConfig(**sizes, **labels, pad_token_id=1, initializer_range=0.5)
    return saved(RobertaForSequenceClassification(config), tmp_path_factory.mktemp("models") / "roberta")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `souschef train reward`: one output on GPT-2's architecture, which pads with its end token."""
    import torch
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "num_labels": 1,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": 64,
        "vocab_size": 300,
    }
    config = GPT2Config(**sizes, pad_token_id=2, eos_token_id=2, initializer_range=0.5)
    folder = tmp_path_factory.mktemp("runs") / "preferred"
    saved(GPT2ForSequenceClassification(config), folder / "model", frame=False)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


def saved(model: Any, folder: Path, *, frame: bool = True) -> Path:
    """The model with a tokenizer of bytes; `frame` puts <s> and </s> around a text, as RoBERTa's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>"]
    letters = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if frame:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"pad_token": "<pad>"} if frame else {}
    wrap: Any = PreTrainedTokenizerFast
    wrap(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", **names).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def direct(folder: Path, texts: list[str], max_tokens: int = 30, **options: Any) -> Any:
    """Logits (texts, labels) from transformers itself, one text after the other."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    with torch.no_grad():
        rows = [
            model(**tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")).logits
            for text in texts
        ]
    return torch.cat(rows)


def spec(name: str, **options: Any) -> list[RewardSpec]:
    return [RewardSpec(name, 1.0, options)]


# ---- classifiers


@pytest.mark.parametrize(("label", "row"), [("nothate", 0), ("hate", 1)])
def test_a_label_named_is_the_logit_transformers_gives(roberta: Path, label: str, row: int) -> None:
    reward = build_rewards(spec("classifier", model=str(roberta), label=label, batch_size=2))
    expected = direct(roberta, TEXTS)[:, row].tolist()
    assert reward(PROMPTS, TEXTS) == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.1  # the texts are told apart, or nothing is compared


def test_the_probability_is_the_softmax_over_labels(roberta: Path) -> None:
    reward = Classifier(model=str(roberta), score="probability")
    expected = direct(roberta, TEXTS).softmax(-1)[:, 0].tolist()
    assert reward(PROMPTS, TEXTS) == pytest.approx(expected, abs=1e-5)


def test_labels_that_do_not_exclude_each_other_have_probabilities_of_their_own(
    roberta: Path, tmp_path: Path
) -> None:
    folder = copytree(roberta, tmp_path / "several")
    config = (folder / "config.json").read_text(encoding="utf-8")
    config = config.replace("{", '{"problem_type": "multi_label_classification",', 1)
    (folder / "config.json").write_text(config, encoding="utf-8")
    reward = Classifier(model=str(folder), score="probability")
    assert reward(PROMPTS, TEXTS) == pytest.approx(direct(roberta, TEXTS).sigmoid()[:, 0].tolist(), abs=1e-5)


def test_the_prompt_is_read_where_asked_and_loses_its_start_first(roberta: Path) -> None:
    reward = Classifier(model=str(roberta), reads="prompt+completion")
    prompts = ["a long prompt, longer than all that fits: "] * len(TEXTS)
    both = [prompt + text for prompt, text in zip(prompts, TEXTS, strict=True)]
    expected = direct(roberta, both, truncation_side="left")[:, 0].tolist()
    assert reward(prompts, TEXTS) == pytest.approx(expected, abs=1e-5)


def test_a_long_completion_loses_its_end(roberta: Path) -> None:
    reward = Classifier(model=str(roberta))
    long = "simmer " * 500
    assert reward(["p"], [long]) == pytest.approx(direct(roberta, [long[:28]])[:, 0].tolist(), abs=1e-5)


def test_max_tokens_is_obeyed(roberta: Path) -> None:
    reward = Classifier(model=str(roberta), max_tokens=6)
    assert reward(["p", "p"], ["stir it", "stir and wait"]) == [pytest.approx(reward(["p"], ["stir"])[0])] * 2


def test_an_empty_completion_is_scored(roberta: Path) -> None:
    scores = Classifier(model=str(roberta))(["p"] * 3, ["", "ham", ""])
    expected = direct(roberta, ["", "ham", ""])[:, 0].tolist()
    assert scores == pytest.approx(expected, abs=1e-5)
    assert Classifier(model=str(roberta))([], []) == []


def test_a_label_that_is_not_there_is_answered_with_the_nearest(roberta: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"no label 'nohate': did you mean 'nothate'\? It has nothate, hate"
    ):
        build_rewards(spec("classifier", model=str(roberta), label="nohate"))


def test_weights_that_would_be_unpickled_are_refused(roberta: Path, tmp_path: Path) -> None:
    folder = copytree(roberta, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SouschefError, match=r"has no \.safetensors weights: convert them first"):
        build_rewards(spec("classifier", model=str(folder)))


def test_a_model_without_a_classifier_is_not_given_a_random_one(roberta: Path, tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    folder = copytree(roberta, tmp_path / "trunk")
    RobertaModel(RobertaConfig.from_pretrained(roberta)).save_pretrained(folder)
    with pytest.raises(SouschefError, match="lacks the weights of a classifier"):
        build_rewards(spec("classifier", model=str(folder)))


@pytest.mark.parametrize("option", ["batch_size", "max_tokens"])
def test_sizes_of_nothing_are_refused(roberta: Path, option: str) -> None:
    with pytest.raises(TrainingError, match=f"{option}.* must be at least 1"):
        build_rewards(spec("classifier", model=str(roberta), **{option: 0}))


def test_the_default_is_the_hub_s_hate_speech_model(
    roberta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SouschefError, match=f"{HATE_SPEECH} is not on this machine, and the model hub"):
        build_rewards(spec("classifier"))
    repository = tmp_path / f"models--{HATE_SPEECH.replace('/', '--')}"  # as the hub's client keeps it
    copytree(roberta, repository / "snapshots" / "0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd", encoding="utf-8")
    reward = build_rewards(spec("classifier"))
    assert reward(PROMPTS, TEXTS) == pytest.approx(direct(roberta, TEXTS)[:, 0].tolist(), abs=1e-5)


# ---- reward models


def test_a_reward_model_reads_prompt_completion_and_end(run: Path) -> None:
    reward = build_rewards(spec("reward_model", model=str(run), batch_size=2))
    expected = direct(run / "model", [f"Summarize: {text}" for text in TEXTS], 64)[:, 0].tolist()
    assert reward(PROMPTS, TEXTS) == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.1


def test_a_reward_model_keeps_the_completion_of_a_long_prompt(run: Path) -> None:
    reward = RewardModel(model=str(run))
    both = ["a very long prompt indeed " * 9 + text + "</s>" for text in TEXTS]
    expected = direct(run / "model", both, 64, truncation_side="left")[:, 0].tolist()
    prompts = ["a very long prompt indeed " * 9] * len(TEXTS)
    assert reward(prompts, TEXTS) == pytest.approx(expected, abs=1e-5)


def test_a_reward_model_scores_nothing_at_all(run: Path) -> None:
    reward = RewardModel(model=str(run), reads="completion")
    assert reward(["p"] * 3, ["", "ham", ""])[::2] == pytest.approx(
        direct(run / "model", ["</s>"])[:, 0].tolist() * 2, abs=1e-5
    )


def test_a_run_that_has_not_ended_has_no_reward_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "metrics.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"has no model yet: let it end first, with .*--resume"):
        build_rewards(spec("reward_model", model=str(tmp_path)))


def test_a_classifier_is_no_reward_model(roberta: Path) -> None:
    with pytest.raises(TrainingError, match="is a classifier of 2 labels, not a reward model"):
        build_rewards(spec("reward_model", model=str(roberta)))
