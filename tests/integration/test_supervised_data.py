"""Rows that are prompts already, as examples: real tokenizers of GPT-2 and Phi-3."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_phi3 import gpt2_tokenizer, phi3_vocabulary

from tools.errors import TrainingError
from training.supervised_config import SFTConfig
from training.supervised_data import Example, load_examples


def config_of(path: Path, *rows: dict[str, Any]) -> SFTConfig:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return SFTConfig(data=(str(path),), eval_rows=0, max_prompt_tokens=40, max_new_tokens=20)


def gpt2() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(gpt2_tokenizer())


def phi3() -> Any:
    from transformers import AutoTokenizer

    vocabulary = phi3_vocabulary()
    return AutoTokenizer.from_pretrained(vocabulary.parent, gguf_file=vocabulary.name)


def test_a_prompt_and_its_completion_are_taken_as_they_are(tmp_path: Path) -> None:
    row = {"prompt": "Question: Eggs?\nThought:", "completion": " I know.\nAnswer: Yes."}
    tokenizer = gpt2()
    found = load_examples(config_of(tmp_path / "react.jsonl", row), tokenizer)
    assert [(tokenizer.decode(e.prompt), tokenizer.decode(e.completion)) for e in found.train] == [
        ("Question: Eggs?\nThought:", " I know.\nAnswer: Yes.<|endoftext|>")
    ]
    assert (found.template, found.chat) == ("{{text}}", False)


def test_a_prompt_that_is_too_long_is_dropped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"prompt": text, "completion": "b"} for text in ("a", "a " * 50)]
    assert len(load_examples(config_of(tmp_path / "rows.jsonl", *rows), gpt2()).train) == 1
    assert caplog.messages == ["1 of 2 prompts have more than 40 tokens and are dropped."]
    with pytest.raises(TrainingError, match="No row is left to train on"):
        load_examples(config_of(tmp_path / "rows.jsonl", rows[1]), gpt2())


def test_a_completion_that_is_too_long_loses_its_end_and_the_end_token(tmp_path: Path) -> None:
    row = {"prompt": "a", "completion": " b" * 30}
    found = load_examples(config_of(tmp_path / "rows.jsonl", row), gpt2())
    assert gpt2().decode(found.train[0].completion) == " b" * 20


def test_of_messages_the_last_is_learned_with_the_token_that_ends_a_turn(tmp_path: Path) -> None:
    turns = [("user", "Eggs?"), ("assistant", "Ham."), ("user", "Why?"), ("assistant", "It is good.")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    tokenizer = phi3()
    found = load_examples(config_of(tmp_path / "chat.jsonl", row), tokenizer)
    assert tokenizer.decode(found.train[0].completion) == "It is good.<|end|>"
    assert "Ham.<|end|>" in tokenizer.decode(found.train[0].prompt)
    assert found.chat


def test_no_prompt_is_on_both_sides_of_a_split(tmp_path: Path) -> None:
    rows = [{"prompt": f"a {n // 2}", "completion": f"{n}"} for n in range(12)]
    config = config_of(tmp_path / "rows.jsonl", *rows)
    found = load_examples(SFTConfig(data=config.data, eval_rows=2), gpt2())
    assert (len(found.train), len(found.held_out)) == (8, 2)
    assert {e.prompt for e in found.train} & {e.prompt for e in found.held_out} == set()
    with pytest.raises(TrainingError, match="eval_rows 6 leaves nothing to train on"):
        load_examples(SFTConfig(data=config.data, eval_rows=6), gpt2())


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "completion": 3}, "line 2 has a int as completion"),
        ({"prompt": "a"}, "line 2 has no completion"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "line 2: messages must be"),
    ],
)
def test_a_bad_row_is_named_by_its_file_and_line(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=rf"rows\.jsonl, {said}"):
        load_examples(config_of(tmp_path / "rows.jsonl", {"prompt": "a", "completion": "b"}, row), gpt2())


def test_an_example_is_its_prompt_without_loss_and_its_completion_with() -> None:
    assert Example((1, 2), (3, 4)).columns() == {"input_ids": [1, 2, 3, 4], "labels": [-100, -100, 3, 4]}
