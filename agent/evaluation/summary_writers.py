"""Who writes the summaries that are compared: baselines, policies, and a model with examples in its prompt.

Every policy reads an article as in use, through tools.summarize, so that one longer than it reads at once is
read in parts. Policies stay loaded until the evaluation ends; one that appears under two names is loaded
once. A model that is shown examples is the model alone, without the shipped summarizer's adapter.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from agent.engines import DEFAULT_MODEL
from agent.evaluation.adapters_recorded import adapters_sha256
from agent.evaluation.article_files import ArticleRow
from agent.evaluation.shots import Shots
from agent.policy import PromptedPolicy, load_policy
from tools.baselines import BASELINES
from tools.errors import UsageError
from tools.files import expanded, sha256
from tools.models import CATALOGUE, model_path
from tools.policy_folder import CARD, is_policy, read_policy
from tools.summarize import Policy, summarize

_SERVED = "openai/"
_DIGITS = 12  # of a hash, as many as a reader compares


@dataclass(frozen=True)
class Writer:
    """A name in the table, and the policy that writes for a row; None for a baseline."""

    name: str
    policy_for: Callable[[ArticleRow], Policy] | None = None

    def write(self, row: ArticleRow, seed: int) -> str:
        """The row's summary; raises SouschefError where the policy fails."""
        if self.policy_for is None:
            return BASELINES[self.name](row.article, seed)
        return summarize(row.article, self.policy_for(row)).text


@dataclass(frozen=True)
class Wanted:
    """Which policies to compare: names, runs or policies, and numbers of examples for a `model`."""

    policies: Sequence[str | Policy] = ()
    shots: tuple[int, ...] = ()
    model: str | None = None
    base_url: str | None = None

    def __post_init__(self) -> None:
        if self.model is not None and self.policies and not self.shots:
            raise UsageError("--model is for --shots where there is a --policy: leave one of them out.")
        served = [spec for spec in self.specs if isinstance(spec, str) and spec.startswith(_SERVED)]
        if self.base_url is not None and not served:
            raise UsageError("--base-url is a server's, for a policy or model such as openai/NAME: name one.")

    @property
    def specs(self) -> list[str | Policy]:
        """All that is to be loaded."""
        return [*self.asked, *([self.shown_model] if self.shots else [])]

    @property
    def asked(self) -> list[str | Policy]:
        """The policies; without any, the model itself, which by default is the shipped summarizer."""
        return list(self.policies) or [self.shown_model]

    @property
    def shown_model(self) -> str:
        """The model that is shown examples."""
        return self.model or DEFAULT_MODEL


@contextmanager
def summary_writers(
    wanted: Wanted, judged: Sequence[ArticleRow], pool: Sequence[ArticleRow], seed: int
) -> Iterator[tuple[list[Writer], list[str]]]:
    """All writers, baselines first, and the ids of the rows shown as examples; closes what it loaded."""
    with ExitStack() as opened:
        loaded: dict[str, PromptedPolicy] = {}
        for spec in wanted.specs:
            if isinstance(spec, str) and spec not in loaded:
                loaded[spec] = opened.enter_context(closing(_load(spec, wanted.base_url)))
        policies = [(spec, loaded[spec] if isinstance(spec, str) else spec) for spec in wanted.asked]
        writers = [Writer(name) for name in BASELINES]
        writers += [Writer(name, partial(_always, policy)) for name, policy in _named(policies)]
        if not wanted.shots:
            yield writers, []
            return
        model = loaded[wanted.shown_model]
        shots = Shots(model, wanted.shots, pool, judged, seed=seed)
        writers += [
            Writer(f"{model.name}-{count}-shot", partial(shots.policy, count)) for count in wanted.shots
        ]
        yield writers, shots.example_ids()


def identity(spec: str | Policy) -> str:
    """What a policy is to a resumed evaluation: its name, and for files of the user's own what is in them.

    Raises SouschefError for what is not there.
    """
    if not isinstance(spec, str):
        return spec.name
    if spec.startswith(_SERVED):
        return spec
    if spec in CATALOGUE:
        adapters = adapters_sha256(spec)
        return f"{spec} ({_digest(adapters)})" if adapters else spec
    path = expanded(spec)
    if not is_policy(path):
        return f"{spec} ({model_path(spec).revision[:_DIGITS]})"
    weights = sorted(
        file for kind in ("*.safetensors", "*.gguf") for file in read_policy(path).path.glob(kind)
    )
    return f"{spec} ({_digest(map(sha256, [read_policy(path).path / CARD, *weights]))})"


def _digest(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:_DIGITS]


def _load(spec: str, base_url: str | None) -> PromptedPolicy:
    """The policy; the server's address is for served models alone, which may stand beside local ones."""
    return load_policy(spec, base_url=base_url if spec.startswith(_SERVED) else None)


def _named(policies: Sequence[tuple[str | Policy, Policy]]) -> Iterator[tuple[str, Policy]]:
    """Each policy under its own name; where that is taken too often, under what it was asked for by."""
    counts = Counter([*BASELINES, *(policy.name for _, policy in policies)])
    taken: set[str] = set()
    for spec, policy in policies:
        name = policy.name if counts[policy.name] == 1 or not isinstance(spec, str) else spec
        if name in taken or name in BASELINES:
            raise UsageError(f"Two policies are called {name}: name each once.")
        taken.add(name)
        yield name, policy


def _always(policy: Policy, _: ArticleRow) -> Policy:
    return policy
