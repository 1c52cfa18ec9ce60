"""Faithfulness and toxicity by classifiers: tiny random ones in hub layout, against transformers itself."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tiny_classifiers import nli_folder, toxicity_folder

from agent.evaluation.scorers import Entailment, Toxicity
from tools.errors import ModelFileError, SouschefError, UsageError
from tools.model_cache import cache_dir

ARTICLE = "Boil eggs. Peel them. Eat."
TEXTS = ["fry the ham", "boil two eggs gently, then peel them", "soup", "no ham today"]


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nli_folder(tmp_path_factory.mktemp("models") / "nli")


@pytest.fixture(scope="module")
def toxic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toxicity_folder(tmp_path_factory.mktemp("models") / "toxic")


def direct(folder: Path, *texts: str) -> Any:
    """Logits (labels,) from transformers itself, for a text or a pair."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(*texts, return_tensors="pt")).logits[0]


def with_config(folder: Path, to: Path, old: str, new: str) -> Path:
    """A copy of a model's folder with something else in its config."""
    copy = copytree(folder, to)
    config = (copy / "config.json").read_text(encoding="utf-8")
    assert old in config
    (copy / "config.json").write_text(config.replace(old, new), encoding="utf-8")
    return copy


# ---- faithfulness


def test_faithfulness_is_the_mean_entailment_of_the_summary_s_sentences(nli: Path) -> None:
    sentences = ["Eggs are peeled.", "Ham."]
    expected = [float(direct(nli, ARTICLE, said).softmax(-1)[2]) for said in sentences]
    assert abs(expected[0] - expected[1]) > 0.01  # or it would not show which sentence was read
    assert Entailment(str(nli))(ARTICLE, " ".join(sentences)) == pytest.approx(sum(expected) / 2, abs=1e-5)


def test_of_a_long_article_the_part_that_entails_most_counts(nli: Path) -> None:
    parts = ["The cook boils two eggs in water.", "Nobody in the house likes ham.", "Guests come at eight."]
    said = "Eggs and ham are there."  # beside this sentence a part has room for 35 tokens
    best = max(float(direct(nli, part, said).softmax(-1)[2]) for part in parts)
    assert Entailment(str(nli))(" ".join(parts), said) == pytest.approx(best, abs=1e-5)


def test_a_summary_without_a_sentence_has_no_faithfulness(nli: Path) -> None:
    assert Entailment(str(nli))(ARTICLE, " ") is None


def test_a_sentence_longer_than_the_model_reads_is_still_judged(nli: Path) -> None:
    found = Entailment(str(nli))(ARTICLE * 9, "and then " * 90)
    assert found is not None
    assert 0 < found < 1


def test_the_label_is_found_by_name_whatever_its_place(nli: Path, tmp_path: Path) -> None:
    other = with_config(nli, tmp_path / "turned", '"0": "CONTRADICTION"', '"0": "entailment"')
    other = with_config(other, tmp_path / "both", '"2": "ENTAILMENT"', '"2": "contradiction"')
    expected = float(direct(nli, ARTICLE, "Ham.").softmax(-1)[0])
    assert Entailment(str(other))(ARTICLE, "Ham.") == pytest.approx(expected, abs=1e-5)


def test_labels_without_names_are_refused(nli: Path, tmp_path: Path) -> None:
    nameless = with_config(nli, tmp_path / "nameless", "ENTAILMENT", "LABEL_2")
    with pytest.raises(
        UsageError, match=r"has no label entailment or .*, but CONTRADICTION, NEUTRAL, LABEL_2"
    ):
        Entailment(str(nameless))


# ---- toxicity


@pytest.mark.parametrize(("label", "row"), [(None, 0), ("Insult", 1)])
def test_toxicity_is_the_probability_of_its_label(toxic: Path, label: str | None, row: int) -> None:
    scorer = Toxicity(str(toxic), label)
    expected = [float(direct(toxic, text).sigmoid()[row]) for text in TEXTS]
    assert [scorer(text) for text in TEXTS] == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.01
    assert scorer(" ") is None


def test_a_long_text_loses_its_end(toxic: Path) -> None:
    assert Toxicity(str(toxic))("ham " * 100) == pytest.approx(Toxicity(str(toxic))(("ham " * 100)[:46]))


def test_several_threads_may_ask_at_once(toxic: Path) -> None:
    scorer = Toxicity(str(toxic))
    texts = TEXTS * 10
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(scorer, texts))
    assert found == pytest.approx([scorer(text) for text in TEXTS] * 10)


# ---- files


def test_a_name_on_the_hub_is_the_copy_in_the_cache(
    nli: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path))
    copytree(nli, cache_dir() / "models/someone--tiny-nli")
    assert Entailment("someone/tiny-nli")(ARTICLE, "Ham.") == Entailment(str(nli))(ARTICLE, "Ham.")


def test_weights_that_would_be_unpickled_are_refused(toxic: Path, tmp_path: Path) -> None:
    folder = copytree(toxic, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"has no \.safetensors weights: convert them first"):
        Toxicity(str(folder))


def test_a_model_without_a_classifier_is_not_given_a_random_one(toxic: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = copytree(toxic, tmp_path / "trunk")
    BertModel(BertConfig.from_pretrained(toxic)).save_pretrained(folder)
    with pytest.raises(SouschefError, match="lacks the weights of a classifier: choose"):
        Toxicity(str(folder))


def test_a_language_model_s_file_is_no_classifier() -> None:
    with pytest.raises(ModelFileError, match="is a GGUF file: give the folder"):
        Toxicity("smollm2-135m")
