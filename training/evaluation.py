"""Before and after: what a policy writes for held-out rows, judged, and two policies compared row by row.

The policy writes greedily and by sampling, with a seed that belongs to the row, so that neither batches nor
processes change what is compared and both policies draw alike. Beside them stand baselines without a model.
Every mean has its n and a bootstrap interval. Left out: judging by another model, which a reward can do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tools.baselines import BASELINES
from tools.bootstrap import LEVEL, RESAMPLES, difference_interval, mean_interval
from tools.errors import TrainingError
from tools.seeds import text_seed
from tools.text_metrics import copied_share, length_words, repetition, rouge
from training.config import PPOConfig
from training.data import Prompt
from training.experience import reference_logprobs, scored
from training.rollouts import Sampling, generate, texts

if TYPE_CHECKING:
    from training.combined_reward import CombinedReward
    from training.policy import Policy

EXCERPT_WORDS = 40


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What can be said of any summary; `parts` are the rewards one by one, unweighted."""

    reward: float
    parts: Mapping[str, float]
    rouge1: float
    rouge2: float
    rougeL: float
    words: int
    repetition: float
    copied: float

    def metrics(self) -> dict[str, float]:
        """Its numbers by the names that evaluation.json uses."""
        names = ("rouge1", "rouge2", "rougeL", "words", "repetition", "copied")
        parts = {f"reward/{name}": score for name, score in self.parts.items()}
        return {"reward": self.reward, **parts, **{name: float(getattr(self, name)) for name in names}}


@dataclass(frozen=True, kw_only=True)
class RowResult(Judged):
    """What a policy wrote for one row at one temperature; `kl` is the summed log-ratio to the reference."""

    id: str
    temperature: float
    summary: str
    tokens: int
    finished: bool
    kl: float

    def metrics(self) -> dict[str, float]:
        """Its numbers by the names that evaluation.json uses."""
        own = {"tokens": float(self.tokens), "finished": float(self.finished), "kl": self.kl}
        return {**super().metrics(), **own}


RowResults = tuple[RowResult, ...]  # one row's, at each temperature


def evaluate(
    policy: "Policy", prompts: Sequence[Prompt], reward: "CombinedReward", config: PPOConfig
) -> list[RowResults]:
    """What the policy writes for each prompt at each of `eval_temperatures`, in the order of the prompts."""
    if not config.eval_temperatures:
        return []
    found: dict[int, RowResults] = {}
    by_length = sorted(range(len(prompts)), key=lambda place: len(prompts[place].ids))
    for start in range(0, len(prompts), config.eval_batch_size):
        places = by_length[start : start + config.eval_batch_size]
        batch = [prompts[place] for place in places]
        written = [_write(policy, batch, reward, config, each) for each in config.eval_temperatures]
        found.update(zip(places, zip(*written, strict=True), strict=True))
    return [found[place] for place in range(len(prompts))]


def judge(summaries: Sequence[str], prompts: Sequence[Prompt], reward: "CombinedReward") -> list[Judged]:
    """Summaries of these prompts' articles: reward, ROUGE against the references, and how they read."""
    if not summaries:
        return []
    rewards, parts = scored(reward, prompts, summaries)
    scores = rouge(summaries, [p.row.summary for p in prompts], ("rouge1", "rouge2", "rougeL"))
    return [
        Judged(
            reward=rewards[row],
            parts=parts[row],
            words=length_words(text),
            repetition=repetition(text),
            copied=copied_share(text, prompts[row].row.article),
            **{kind: each[row] for kind, each in scores.items()},
        )
        for row, text in enumerate(summaries)
    ]


def _write(
    policy: "Policy",
    prompts: Sequence[Prompt],
    reward: "CombinedReward",
    config: PPOConfig,
    temperature: float,
) -> list[RowResult]:
    seeds = [text_seed(config.seed, prompt.row.id) for prompt in prompts]
    rollout = generate(policy, [p.ids for p in prompts], Sampling.of(config, temperature), seeds)
    written = texts(policy, rollout)
    reference = reference_logprobs(policy, rollout, config, temperature)
    return [
        RowResult(
            id=prompt.row.id,
            temperature=temperature,
            summary=written[row].strip(),
            tokens=len(rollout.responses[row]),
            finished=rollout.finished[row],
            kl=float((rollout.logprobs[row] - reference[row]).sum()),
            **vars(judged),
        )
        for row, (prompt, judged) in enumerate(zip(prompts, judge(written, prompts, reward), strict=True))
    ]


# ---- kept on disk


def results_to_json(results: Sequence[RowResults]) -> list[dict[str, Any]]:
    """Results as plain values, one object a row and temperature."""
    return [asdict(result) for row in results for result in row]


def results_from_json(lines: Sequence[Mapping[str, Any]]) -> list[RowResults]:
    """What `results_to_json` made, as it was."""
    results = (RowResult(**line) for line in lines)
    return [tuple(row) for _, row in groupby(results, key=lambda result: result.id)]


# ---- compared


def before_and_after(
    before: Sequence[RowResults],
    after: Sequence[RowResults],
    prompts: Sequence[Prompt],
    reward: "CombinedReward",
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """evaluation.json: for each temperature means before and after and their paired difference; baselines.

    Every mean stands as {"mean", "std", "low", "high", "n"}. Raises TrainingError where the two are of
    different rows.
    """
    _check_same_rows(before, after)
    compared = {
        f"temperature_{early[0].temperature:g}": _compared(early, late, seed)
        for early, late in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True)
    }
    evaluated = _evaluated(after, prompts)
    baselines = {
        name: _intervals(judge([write(p.row.article, seed) for p in evaluated], evaluated, reward), seed)
        for name, write in BASELINES.items()
    }
    bootstrap = {"level": LEVEL, "resamples": RESAMPLES, "seed": seed}
    return {"n": len(after), "bootstrap": bootstrap, **compared, "baselines": baselines}


def samples(
    before: Sequence[RowResults], after: Sequence[RowResults], prompts: Sequence[Prompt]
) -> list[dict[str, Any]]:
    """Side by side, for samples.jsonl: all rows at the first temperature, then at the next.

    Of an article only its first words are kept, to tell it by.
    """
    _check_same_rows(before, after)
    rows = [prompt.row for prompt in _evaluated(after, prompts)]
    pairs = zip(zip(*before, strict=True), zip(*after, strict=True), strict=True)
    return [
        {
            "id": row.id,
            "temperature": early.temperature,
            "article_excerpt": _excerpt(row.article),
            "reference": row.summary,
            "before": early.summary,
            "after": late.summary,
            "reward_before": early.reward,
            "reward_after": late.reward,
        }
        for earlier, later in pairs
        for row, early, late in zip(rows, earlier, later, strict=True)
    ]


def _compared(before: Sequence[RowResult], after: Sequence[RowResult], seed: int) -> dict[str, Any]:
    early, late = _by_metric(before), _by_metric(after)
    changes = {name: asdict(difference_interval(early[name], late[name], seed=seed)) for name in late}
    return {"before": _intervals(before, seed), "after": _intervals(after, seed), "difference": changes}


def _intervals(results: Sequence[Judged], seed: int) -> dict[str, Any]:
    return {name: asdict(mean_interval(values, seed=seed)) for name, values in _by_metric(results).items()}


def _by_metric(results: Sequence[Judged]) -> dict[str, list[float]]:
    """One row's numbers after the other's, under each metric's name."""
    rows = [result.metrics() for result in results]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def _evaluated(results: Sequence[RowResults], prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts of these results, in their order."""
    by_id = {prompt.row.id: prompt for prompt in prompts}
    return [by_id[row[0].id] for row in results]


def _check_same_rows(before: Sequence[RowResults], after: Sequence[RowResults]) -> None:
    if [[r.id, r.temperature] for row in before for r in row] != [
        [r.id, r.temperature] for row in after for r in row
    ]:
        raise TrainingError(
            "What the start policy did (evaluation_before.jsonl) is of other held-out rows than now: "
            "begin again with another --out."
        )


def _excerpt(article: str) -> str:
    words = article.split()
    return " ".join(words[:EXCERPT_WORDS]) + (" …" if len(words) > EXCERPT_WORDS else "")
