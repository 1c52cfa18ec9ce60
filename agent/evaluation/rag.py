"""`eval rag`: is an answer with retrieval better than the same model's own?

For each of some dishes that the index does not hold, "How do I make {name}?" is asked twice: of the agent,
which may search (top 3 passages), and of the model alone, as `ask --no-tools` does, with the same settings.
Both answers are measured against the real recipe, and the difference is taken dish by dish. Left out: forcing
a search; that a model does not look the recipe up is part of what is measured ("searched").
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from agent.build import build_agent
from agent.engines import DEFAULT_MODEL, load_engine
from agent.engines.base import Engine
from agent.evaluation import judge as judging
from agent.evaluation.adapters_recorded import adapters_sha256
from agent.evaluation.ingredients import Vocabulary
from agent.evaluation.rag_cases import Dish, Split, index_of, split_file
from agent.evaluation.rag_metrics import ANSWERS, rag_metrics
from agent.evaluation.rag_scores import Yardstick
from agent.evaluation.runs import Evaluation, EvaluationRun
from agent.events import Turn
from agent.session import Session
from tools.embed import DEFAULT_EMBEDDER, encode, identity, load_embedder

_TITLES = {"retrieval": "With retrieval", "vanilla": "The model alone"}


@dataclass(frozen=True)
class Asking:
    """How both answers are asked for."""

    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0
    time_limit_s: float = 300.0


def evaluate_rag(
    recipes: Path,
    *,
    n: int = 20,
    index_rows: int | None = None,
    shuffle: bool = False,
    model: Engine | str = DEFAULT_MODEL,
    base_url: str | None = None,
    judge: Engine | str | None = None,
    judge_base_url: str | None = None,
    embedder: Embeddings | str = DEFAULT_EMBEDDER,
    asking: Asking | None = None,
    out: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    workers: int = 1,
) -> Evaluation:
    """Compare both answers on `n` held-out dishes of a recipe file, and write `out` where it is given.

    The first `index_rows` recipes are indexed (default: nine tenths) and never asked for; `shuffle` orders
    the rows by their uids first. `judge` is a model that says which answer is better. Raises SouschefError
    for a file, a model or a folder that cannot be used.
    """
    asking = asking or Asking(seed=seed)
    split = split_file(recipes, index_rows, n, shuffle=shuffle)
    dishes = split.sample(n, seed)
    made_by = load_embedder(embedder) if isinstance(embedder, str) else embedder
    settings = {
        **_settings(recipes, split, dishes, asking),
        "shuffled": shuffle,
        "model": _name(model),
        "adapters": adapters_sha256(model),
        "judge": None if judge is None else _name(judge),
        "judge_adapters": None if judge is None else adapters_sha256(judge),
        "embedder": identity(made_by).name,
        "seed": seed,
    }
    run = EvaluationRun(out, settings, resume=resume)
    with ExitStack() as opened:
        answering = _opened(model, base_url, opened)
        arbiter = None
        if judge is not None:
            same = (judge, judge_base_url or base_url) == (model, base_url)
            arbiter = answering if same else _opened(judge, judge_base_url, opened)
        kitchen = _Kitchen(split, answering, arbiter, made_by, asking)
        results = run.judge(dishes, kitchen.judge, workers=workers, title="Dishes")
    facts = {
        "indexed": len(split.indexed),
        "held_out": len(split.held_out),
        "copies_left_out": split.copies,
        "names_indexed": sum(result["name_is_indexed"] for result in results),
    }
    metrics = rag_metrics(results, facts, seed, judged=judge is not None)
    run.finish(metrics)
    return Evaluation(metrics, results, out)


class _Kitchen:
    """Asks for one dish after the other; several threads may ask at once."""

    def __init__(
        self, split: Split, engine: Engine, arbiter: Engine | None, embedder: Embeddings, asking: Asking
    ) -> None:
        built = partial(
            build_agent,
            engine,
            temperature=asking.temperature,
            max_tokens=asking.max_tokens,
            seed=asking.seed,
        )
        index = index_of(split.indexed, embedder)
        embedder.embed_query("warm up")  # else the first dish waits for the embedder to load
        self._agents = {"retrieval": built(index), "vanilla": built(tools=[])}
        used = Vocabulary.of_recipes(recipe.ingredients for recipe in split.indexed)
        self._vocabulary = Vocabulary.shipped().with_names(used.names())
        self._arbiter, self._asking = arbiter, asking
        self._embed: Callable[[Sequence[str]], Any] = partial(encode, embedder)

    def judge(self, dish: Dish) -> dict[str, Any]:
        """The result of one dish."""
        turns = {name: self._ask(name, dish) for name in ANSWERS}
        found = turns["retrieval"].hits
        yardstick = Yardstick(dish.recipe, found, self._vocabulary, self._embed)
        measured = {name: yardstick.measure(turn.answer) for name, turn in turns.items()}
        scores: dict[str, float | None] = {"retrieval.searched": float(bool(found))}
        for name, turn in turns.items():
            scores |= {f"{name}.{key}": value for key, value in measured[name].numbers.items()}
            scores[f"{name}.seconds"] = turn.timing.total
        said = self._verdicts(dish, turns)
        scores |= (
            {f"judge.{key}": value for key, value in judging.verdict_scores(said).items()} if said else {}
        )
        columns = [*_columns(turns, yardstick), {"title": "The real recipe", "text": dish.recipe.text()}]
        return {
            "question": dish.question,
            "name_is_indexed": dish.name_is_indexed,
            "scores": scores,
            "answers": {name: turn.answer for name, turn in turns.items()},
            "turns": {name: _told(turn) for name, turn in turns.items()},
            "ingredients": {
                "recipe": yardstick.real,
                **{name: one.ingredients for name, one in measured.items()},
            },
            "judge": said,
            "columns": columns,
            "passages": [
                {"uid": hit.uid, "name": hit.name, "score": hit.score, "text": hit.text} for hit in found
            ],
        }

    def _ask(self, name: str, dish: Dish) -> Turn:
        return Session(self._agents[name], time_limit_s=self._asking.time_limit_s).ask(dish.question)

    def _verdicts(self, dish: Dish, turns: Mapping[str, Turn]) -> dict[str, str] | None:
        if self._arbiter is None:
            return None
        answers = {name: turn.answer for name, turn in turns.items()}
        return judging.judge_pair(self._arbiter, dish.question, dish.recipe.text(), **answers)


def _columns(turns: Mapping[str, Turn], yardstick: Yardstick) -> list[dict[str, Any]]:
    """The answers as the report shows them; a reader may prefer one ("choice")."""
    return [
        {"title": _TITLES[name], "text": turn.answer, "marks": yardstick.marks(turn.answer), "choice": name}
        for name, turn in turns.items()
    ]


def _told(turn: Turn) -> dict[str, Any]:
    told = turn.to_dict()
    return {key: told[key] for key in ("route", "exit_reason", "usage", "timing_s", "model")}


def _settings(recipes: Path, split: Split, dishes: Sequence[Dish], asking: Asking) -> dict[str, Any]:
    texts = "\n".join(recipe.text() for recipe in (*split.indexed, *split.held_out))
    return {
        "evaluation": "rag",
        "recipes": recipes.name,
        "recipes_sha256": hashlib.sha256(texts.encode("utf-8", "replace")).hexdigest(),
        "indexed": len(split.indexed),
        "dishes": [dish.id for dish in dishes],
        **vars(asking),
    }


def _name(model: Engine | str) -> str:
    return model if isinstance(model, str) else model.name


def _opened(model: Engine | str, base_url: str | None, opened: ExitStack) -> Engine:
    """The engine, which is closed at the end where it was loaded here."""
    if not isinstance(model, str):
        return model
    engine = load_engine(model, base_url=base_url)
    opened.callback(engine.close)
    return engine
