"""Zero-, one- and few-shot prompting as summarization policies: one model, with examples before the text.

Zero-shot is the prompt in use. With k examples the prompt is prompts/summarize_shots.txt, in which k pairs of
other rows stand before the text (Brown et al. 2020, arXiv 2005.14165). The pairs are the same for every
judged row, so that what is judged is one prompt, and those of 1 shot are the first of 3. Left out: choosing
examples that resemble the text, which would be retrieval.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from agent.engines.base import Decoding, Message
from agent.evaluation.article_files import ArticleRow
from agent.policy import MAX_SUMMARY_TOKENS, PromptedPolicy, Prompting, zero_shot
from prompts import fill, prompt
from tools.errors import UsageError
from tools.seeds import text_seed
from tools.untrusted import neutralise

MOST_SHOTS = 32

_ROOM = 0.5  # of the context for the examples; the other half is the text's and the summary's
_REPETITION_PENALTY = 1.1  # as for every model that was not trained to summarize


class Shots:
    """Policies of one engine, by the number of examples and the row that is judged."""

    def __init__(
        self,
        model: PromptedPolicy,
        counts: Sequence[int],
        pool: Sequence[ArticleRow],
        judged: Sequence[ArticleRow],
        *,
        seed: int = 0,
    ) -> None:
        """Choose the examples from `pool`, rows that are not judged first; no row is shown its own article.

        Raises UsageError where too few fit into half of the engine's context.
        """
        self._zero_shot = zero_shot(model)
        self._instruction, self._pair = prompt("summarize_shots").split("\n\n---\n\n")
        self._policies: dict[tuple[str, ...], PromptedPolicy] = {(): self._zero_shot}
        self._examples = list(islice(self._fitting(pool, judged, max(counts), seed), max(counts) + 1))
        for row in judged:
            self._check(len(self._others(row)), max(counts))

    def policy(self, count: int, row: ArticleRow) -> PromptedPolicy:
        """The policy with this many examples, none of which has the row's article."""
        shown = self._others(row)[:count]
        key = tuple(example.id for example in shown)
        if key not in self._policies:
            self._policies[key] = self._prompted(shown)
        return self._policies[key]

    def example_ids(self) -> list[str]:
        """The examples' ids in the order in which they are shown; the last one steps in for a judged one."""
        return [example.id for example in self._examples]

    def _prompted(self, shown: Sequence[ArticleRow]) -> PromptedPolicy:
        pairs = [_without_places(self._pair_of(example)) for example in shown]
        asked = fill(self._pair, text="{{text}}", summary="").rstrip()
        # a model that goes on with another example has ended its summary
        stop = "\n" + self._pair.partition("{{text}}")[0].strip()
        decoding = Decoding(
            max_tokens=MAX_SUMMARY_TOKENS, repetition_penalty=_REPETITION_PENALTY, stop=(stop,)
        )
        template = "\n\n".join([self._instruction, *pairs, asked])
        return PromptedPolicy(self._zero_shot.engine, Prompting(template, decoding=decoding))

    def _pair_of(self, row: ArticleRow) -> str:
        return fill(self._pair, text=_cleaned(row.article), summary=_cleaned(row.reference))

    def _fitting(
        self, pool: Sequence[ArticleRow], judged: Sequence[ArticleRow], most: int, seed: int
    ) -> Iterator[ArticleRow]:
        """Rows with different articles that leave room for the others: in an order that the seed decides."""
        engine = self._zero_shot.engine
        room = (engine.context_tokens - MAX_SUMMARY_TOKENS) * _ROOM / max(1, most)
        are_judged, seen = {_key(row) for row in judged}, set[str]()
        for row in sorted(pool, key=partial(_order, are_judged, seed)) if most else ():
            message: Message = {"role": "user", "content": self._pair_of(row)}
            if _key(row) not in seen and engine.count_tokens([message]) <= room:
                seen.add(_key(row))
                yield row

    def _others(self, row: ArticleRow) -> list[ArticleRow]:
        return [example for example in self._examples if _key(example) != _key(row)]

    def _check(self, found: int, wanted: int) -> None:
        if found < wanted:
            raise UsageError(
                f"{wanted} examples are asked for, and {found} other articles fit as such into half of the "
                f"{self._zero_shot.engine.context_tokens} tokens that the model reads: lower --shots, or "
                "name more or shorter texts with --shots-from."
            )


def checked_counts(counts: Sequence[int]) -> tuple[int, ...]:
    """The numbers of examples, each once and in order; UsageError for one out of range.

    >>> checked_counts([3, 0, 3])
    (0, 3)
    """
    for count in counts:
        if not 0 <= count <= MOST_SHOTS:
            raise UsageError(f"{count} shots cannot be shown: choose numbers from 0 to {MOST_SHOTS}.")
    return tuple(sorted(set(counts)))


def _order(judged: set[str], seed: int, row: ArticleRow) -> tuple[bool, int]:
    return _key(row) in judged, text_seed(seed, row.article)


def _key(row: ArticleRow) -> str:
    """What two copies of one article share: their words, whatever the white space and capitals."""
    return " ".join(row.article.split()).casefold()


def _cleaned(text: str) -> str:
    return neutralise(text).strip()


def _without_places(text: str) -> str:
    """An example's text in a template: what it happens to write as {{name}} is no place to fill in."""
    return re.sub(r"\{(?=\{)", "{ ", text)
