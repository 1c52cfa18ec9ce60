"""How the parts of a chat are loaded: model, recipes and summarizer. loading.py says when.

Each function imports what it needs itself, so that the prompt waits for none of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.repl.options import Choice

if TYPE_CHECKING:
    from agent.engines.base import Engine
    from agent.policy import PromptedPolicy
    from tools.index import Hit
    from tools.search import Searcher


@dataclass(frozen=True)
class TopK:
    """A searcher that finds `k` recipes whatever number it is asked for."""

    inner: "Searcher"
    k: int

    def search(self, query: str, k: int, mode: Any, *, avoid: Sequence[str]) -> "list[Hit]":  # noqa: ARG002
        """The best recipes for a query, best first."""
        return self.inner.search(query, self.k, mode, avoid=avoid)


def load_engine(choice: Choice) -> "Engine":
    """The choice's language model, and the libraries that every turn needs."""
    from agent import build, engines, session  # noqa: F401 - imported here so that no turn waits for it
    from tools.models import CATALOGUE, model_path

    if (
        choice.model in CATALOGUE and choice.model != "phi-3-mini"
    ):  # which of its two files depends on the GPU
        model_path(choice.model, progress=False)  # a bar would draw over the prompt
    engine = engines.load_engine(choice.model, base_url=choice.base_url, context_tokens=choice.context_tokens)
    import langchain.agents  # noqa: F401 - half a second that the first turn need not wait for

    return engine


def load_index(folder: Path | None) -> "Searcher":
    """The recipes in a folder or the embedded ones; their embedder loads on in a thread."""
    from agent.build import open_index

    return open_index(folder)


def load_policy(name: str) -> "PromptedPolicy":
    """What writes summaries."""
    from agent import policy

    return policy.load_policy(name)


@dataclass(frozen=True)
class Loaders:
    """How each part is loaded."""

    engine: Callable[[Choice], "Engine"] = load_engine
    index: Callable[[Path | None], "Searcher"] = load_index
    policy: Callable[[str], "PromptedPolicy"] = load_policy
