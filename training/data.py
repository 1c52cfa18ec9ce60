"""What a run reads: articles with reference summaries, split into training and held-out rows, as prompts.

Rows come from files or the model hub (training/data_files.py). A split depends on the seed and the articles
alone, never on the order of rows, and no article is on both sides. A prompt is made as it is in use: the
article neutralised, put into the template and, for a chat model, into one user message, so that training and
`souschef summarize` show the policy the same tokens. Left out: padding, which rollouts do for a batch.
"""

import hashlib
import logging
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from prompts import fill
from tools.errors import TrainingError
from tools.seeds import text_seed
from tools.untrusted import neutralise
from training.data_files import read_columns

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """An article and its reference summary; `id` is unique among the rows that were loaded together."""

    id: str
    article: str
    summary: str


@dataclass(frozen=True)
class Prompt:
    """What the policy reads for a row: the text, template and chat markup included, and its tokens."""

    row: Row
    text: str
    ids: tuple[int, ...]


# ---- rows


def load_rows(sources: Sequence[str], *, subset: str = "", split: str = "") -> list[Row]:
    """All rows of these files, or of one data set of the hub, in order.

    Rows without an article or a summary are left out, and a warning says how many. Raises TrainingError
    where a source is missing, broken, without the columns, or without a single whole row.
    """
    rows: list[Row] = []
    seen: Counter[str] = Counter()
    for source in sources:
        found = _rows(source, subset, split)
        if not found:
            raise TrainingError(
                f"{source} has no row with both an article and a summary: fill in at least one."
            )
        for row in found:
            seen[row.id] += 1
            rows.append(
                Row(f"{row.id}#{seen[row.id]}", row.article, row.summary) if seen[row.id] > 1 else row
            )
    if not rows:
        raise TrainingError("No data is named: set data to one or more files, or to a data set of the hub.")
    return rows


def _rows(source: str, subset: str, split: str) -> list[Row]:
    columns = read_columns(source, subset, split)
    stem = Path(source).name.partition(".")[0]
    ids = columns.ids if columns.ids is not None else [None] * len(columns.articles)
    rows = [
        Row(f"{stem}-{number}" if name in (None, "") else str(name), article, summary)
        for number, (name, article, summary) in enumerate(
            zip(ids, columns.articles, columns.summaries, strict=True)
        )
        if (article or "").strip() and (summary or "").strip()
    ]
    if without := len(columns.articles) - len(rows):
        _log.warning("%s: %d of %d rows have no text and are left out.", source, without, len(ids))
    return rows


# ---- the split


def split_rows(rows: Sequence[Row], held_out: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Training rows, and `held_out` rows with different articles that no training row has.

    Articles are ordered by a hash of the seed and their words, so that the split does not depend on the order
    of rows. Of several rows with one held-out article, one is held out and the others are in neither part:
    the rows of an evaluation must be independent of each other for its intervals to hold.
    """
    if not held_out:
        return _ordered(rows, seed), []
    groups = [list(group) for _, group in groupby(_ordered(rows, seed), key=lambda row: _key(row, seed))]
    if held_out >= len(groups):
        raise TrainingError(
            f"eval_rows {held_out} leaves nothing to train on: there are {len(groups)} different articles; "
            "lower it or name more data."
        )
    train = [row for group in groups[held_out:] for row in group]
    return train, [group[0] for group in groups[:held_out]]


def without_articles_of(rows: Sequence[Row], held_out: Sequence[Row]) -> list[Row]:
    """The rows whose article is none of the held-out ones, for held-out rows that come from other files."""
    taken = {_words(row.article) for row in held_out}
    left = [row for row in rows if _words(row.article) not in taken]
    if not left:
        raise TrainingError("Every article of data is in eval_data too: name other data to train on.")
    return left


def split_record(train: Sequence[Row], held_out: Sequence[Row], seed: int) -> dict[str, Any]:
    """What the run directory keeps of a split: its seed, sizes, held-out ids, and a hash of each side."""
    return {
        "seed": seed,
        "train_rows": len(train),
        "train_sha256": _digest(train),
        "held_out_rows": len(held_out),
        "held_out_sha256": _digest(held_out),
        "held_out": [row.id for row in held_out],
    }


def _ordered(rows: Sequence[Row], seed: int) -> list[Row]:
    return sorted(rows, key=lambda row: (_key(row, seed), row.summary, row.id))


def _key(row: Row, seed: int) -> int:
    return text_seed(seed, _words(row.article))


def _words(article: str) -> str:
    """What two copies of one article share: their words, whatever the white space and capitals."""
    return " ".join(article.split()).casefold()


def _digest(rows: Sequence[Row]) -> str:
    lines = sorted(f"{row.article}\x00{row.summary}\x00" for row in rows)
    return hashlib.sha256("".join(lines).encode(errors="surrogatepass")).hexdigest()


# ---- prompts


class PromptMaker:
    """Rows to prompts of at most `max_prompt_tokens`, template and chat markup included."""

    def __init__(
        self,
        tokenizer: Any,
        template: str,
        max_prompt_tokens: int,
        *,
        min_prompt_tokens: int = 0,
        over_long: Literal["cut", "drop"] = "cut",
        chat: bool = False,
    ) -> None:
        """`tokenizer` is a fast one of transformers, `template` holds {{text}}.

        With `min_prompt_tokens` above 0 each prompt's limit is drawn between the two. With `chat` the filled
        template is one user message of the tokenizer's chat template.
        """
        self._tokenizer, self._template, self._chat = tokenizer, template, chat
        self._most, self._least = max_prompt_tokens, min_prompt_tokens or max_prompt_tokens
        self._drops = over_long == "drop"
        self._check()
        self.overhead_tokens = len(self._ids(self._rendered("")))
        if self.overhead_tokens >= self._least:
            key = "min_prompt_tokens" if min_prompt_tokens else "max_prompt_tokens"
            raise TrainingError(
                f"The prompt takes {self.overhead_tokens} tokens without any article, and {key} is "
                f"{self._least}: raise it or shorten the prompt."
            )

    @property
    def max_text_tokens(self) -> int:
        """Tokens that are left for the article in the longest prompt."""
        return self._most - self.overhead_tokens

    def make(self, row: Row, seed: int) -> Prompt | None:
        """The prompt for a row; None where the article is dropped for its length or has no text.

        An article that is too long loses its end, between two tokens; what the template says after it stays.
        `seed` decides, together with the row, the drawn limit: give the step's for another one each time.
        """
        article = neutralise(row.article).strip()
        text = self._rendered(article)
        ids = self._ids(text)
        if not article or (self._drops and len(ids) > self._most):
            return None
        limit = self._limit(row, seed)
        if len(ids) > limit:
            text, ids = self._cut(article, limit, len(ids) - limit)
        return Prompt(row, text, tuple(ids)) if ids else None

    def _limit(self, row: Row, seed: int) -> int:
        if self._least == self._most:
            return self._most
        return random.Random(text_seed(seed, row.id)).randint(self._least, self._most)

    def _cut(self, article: str, limit: int, excess: int) -> tuple[str, list[int]]:
        """The prompt with as many of the article's first tokens as fit, or nothing where not one does.

        Around the cut the tokenizer may join differently, so the whole prompt is counted after each try.
        """
        ends = [
            end
            for _, end in self._tokenizer(
                article, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            ).offset_mapping
        ]
        kept = len(ends) - excess
        while kept > 0:
            text = self._rendered(article[: ends[kept - 1]])
            ids = self._ids(text)
            if len(ids) <= limit:
                return text, ids
            kept -= len(ids) - limit
        return "", []

    def _rendered(self, article: str) -> str:
        text = fill(self._template, text=article)
        if not self._chat:
            return text
        messages = [{"role": "user", "content": text}]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _ids(self, text: str) -> list[int]:
        """The text's tokens; a chat template writes the opening token itself."""
        return list(self._tokenizer(text, add_special_tokens=not self._chat, verbose=False).input_ids)

    def _check(self) -> None:
        places = set(re.findall(r"\{\{(\w+)\}\}", self._template))
        if places != {"text"}:
            found = ", ".join(sorted(places)) or "nothing"
            raise TrainingError(
                f"The prompt must hold {{{{text}}}} and no other place to fill; it has {found}."
            )
        if not self._tokenizer.is_fast:
            raise TrainingError("The model has no fast tokenizer: save it with its tokenizer.json.")
        if self._chat and self._tokenizer.chat_template is None:
            raise TrainingError("The model has no chat template: choose an instruction-tuned one.")


def check_room(max_prompt_tokens: int, max_new_tokens: int, context_tokens: int, model: str) -> None:
    """Raise TrainingError where the longest prompt and answer together exceed the model's context."""
    together = max_prompt_tokens + max_new_tokens
    if together > context_tokens:
        raise TrainingError(
            f"max_prompt_tokens {max_prompt_tokens} and max_new_tokens {max_new_tokens} make "
            f"{together} tokens, and {model} reads {context_tokens} at most: lower one of them."
        )
