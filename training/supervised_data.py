"""Examples for SFT: a prompt and its completion as tokens, each tokenised for itself.

Three kinds of rows: article and summary (training/data.py reads and prompts them, as in use), a prompt and a
completion as plain texts, and chat messages of which the last, the assistant's, is the completion. Prompt and
completion are tokenised apart, since that is how a policy meets them: the prompt's tokens are fixed before it
writes. A completion carries the token that ends it. Left out: packing, which lets one row see another.
"""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prompts import prompt as prompt_text
from tools.errors import TrainingError
from tools.files import expanded
from training.data import PromptMaker, Row, load_rows, split_rows, without_articles_of
from training.end_of_turn import end_of_turn
from training.preferences import read_objects, text_of
from training.supervised_config import SFTConfig

_log = logging.getLogger(__name__)
_IGNORED = -100  # the label of a token that carries no loss, as torch's cross entropy takes it


@dataclass(frozen=True)
class Example:
    """What the model reads, and what it is to write after it, its end token included."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def columns(self) -> dict[str, list[int]]:
        """As SFTTrainer reads it, with the loss on the completion alone."""
        return {
            "input_ids": [*self.prompt, *self.completion],
            "labels": [_IGNORED] * len(self.prompt) + [*self.completion],
        }


@dataclass(frozen=True)
class Examples:
    """Examples to train on and held-out ones, and how a user of the policy is to prompt it."""

    train: list[Example]
    held_out: list[Example]
    template: str
    chat: bool
    max_text_tokens: int


def load_examples(config: SFTConfig, tokenizer: Any) -> Examples:
    """Read and tokenise a config's rows; TrainingError where there are none, or a row cannot be one."""
    if not config.data:
        raise TrainingError("No data is named: set data to one or more files, or to a data set of the hub.")
    if _holds_prompts(config.data[0]):
        return _from_prompts(config, tokenizer)
    return _from_articles(config, tokenizer)


# ---- articles and summaries


def _from_articles(config: SFTConfig, tokenizer: Any) -> Examples:
    rows = load_rows(config.data, subset=config.data_subset, split=config.data_split)
    if config.eval_data:
        held_out = load_rows(config.eval_data)
        if 0 < config.eval_rows < len(held_out):
            held_out = split_rows(held_out, config.eval_rows, config.seed)[1]
        train = without_articles_of(rows, held_out)
    else:
        train, held_out = split_rows(rows, config.eval_rows, config.seed)
    chat = tokenizer.chat_template is not None
    template = prompt_text(config.prompt)
    maker = PromptMaker(tokenizer, template, config.max_prompt_tokens, over_long=config.over_long, chat=chat)
    end = end_of_turn(tokenizer) if chat else tokenizer.eos_token_id

    def examples(rows: Sequence[Row]) -> list[Example]:
        made = [(row, maker.make(row, config.seed)) for row in rows]
        return [
            Example(
                prompt.ids,
                _completion(
                    tokenizer, row.summary.strip(), prompt.text, end, config.max_new_tokens, chat=chat
                ),
            )
            for row, prompt in made
            if prompt is not None
        ]

    return Examples(
        _some(examples(train), "max_prompt_tokens"), examples(held_out), template, chat, maker.max_text_tokens
    )


def _completion(
    tokenizer: Any, text: str, prompt: str, end: int, most: int, *, chat: bool
) -> tuple[int, ...]:
    """The text's tokens and the end token, `most` at most; after a word a new word begins with a space."""
    spaced = text if chat or not prompt or prompt[-1].isspace() else f" {text}"
    return (*tokenizer(spaced, add_special_tokens=False, verbose=False).input_ids, end)[:most]


# ---- prompts and completions, messages


def _holds_prompts(source: str) -> bool:
    """Whether a file's first row is a prompt with its completion, or messages."""
    if not re.search(r"\.jsonl(\.gz)?$", source) or not expanded(source).is_file():
        return False
    row = next((row for row, _ in read_objects(source)), {})
    return "messages" in row or {"prompt", "completion"} <= row.keys()


def _from_prompts(config: SFTConfig, tokenizer: Any) -> Examples:
    rows = [row for source in config.data for row in read_objects(source)]
    apart = [row for source in config.eval_data for row in read_objects(source)]
    made, held_out = (
        [example for row, place in side if (example := _example(row, place, tokenizer, config)) is not None]
        for side in (rows, apart)
    )
    if dropped := len(rows) - len(made):
        limit = config.max_prompt_tokens
        _log.warning("%d of %d prompts have more than %d tokens and are dropped.", dropped, len(rows), limit)
    train = _some(made, "max_prompt_tokens")
    if not config.eval_data:
        train, held_out = _split(train, config.eval_rows, config.seed)
    chat = "messages" in rows[0][0]
    return Examples(train, held_out, "{{text}}", chat, config.max_prompt_tokens)


def _example(row: Mapping[str, Any], place: str, tokenizer: Any, config: SFTConfig) -> Example | None:
    if "messages" in row:
        prompt, completion = _turns(row["messages"], place, tokenizer)
    else:
        said = text_of(row, "completion", place).removesuffix(tokenizer.eos_token)
        prompt = tokenizer(text_of(row, "prompt", place), verbose=False).input_ids
        completion = tokenizer(said, add_special_tokens=False, verbose=False).input_ids
        completion.append(tokenizer.eos_token_id)
    if len(prompt) > config.max_prompt_tokens:
        return None
    return Example(tuple(prompt), tuple(completion[: config.max_new_tokens]))


def _turns(messages: Any, place: str, tokenizer: Any) -> tuple[list[int], list[int]]:
    right = (
        isinstance(messages, list)
        and len(messages) > 1
        and all(isinstance(m, dict) and {"role", "content"} <= m.keys() for m in messages)
        and messages[-1]["role"] == "assistant"
    )
    if not right:
        raise TrainingError(
            f"{place}: messages must be a list of role and content that ends with the assistant's."
        )
    if tokenizer.chat_template is None:
        raise TrainingError("The model has no chat template: choose an instruction-tuned one.")
    text = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    said = tokenizer(messages[-1]["content"], add_special_tokens=False, verbose=False).input_ids
    return prompt, [*said, end_of_turn(tokenizer)]


def _split(examples: list[Example], held_out: int, seed: int) -> tuple[list[Example], list[Example]]:
    """Prompts in the order of a hash of the seed and their tokens; equal ones stay on one side."""
    by_prompt: dict[tuple[int, ...], list[Example]] = {}
    for example in examples:
        by_prompt.setdefault(example.prompt, []).append(example)
    if held_out >= len(by_prompt):
        raise TrainingError(
            f"eval_rows {held_out} leaves nothing to train on: there are {len(by_prompt)} different prompts; "
            "lower it or name more data."
        )
    keys = sorted(by_prompt, key=lambda ids: hashlib.sha256(f"{seed} {ids}".encode()).hexdigest())
    apart = [by_prompt[key][0] for key in keys[:held_out]]
    return [example for key in keys[held_out:] for example in by_prompt[key]], apart


def _some(examples: list[Example], key: str) -> list[Example]:
    if not examples:
        raise TrainingError(f"No row is left to train on: every prompt is too long, or empty; raise {key}.")
    return examples
