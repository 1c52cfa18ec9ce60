"""`eval agent`: a model, an index and a policy as one agent, judged on cases.

How a turn is run is in agent_turns.py, what it is worth in agent_scores.py. Left out: judging a Session of
one's own making, for an evaluation needs a fresh one for each case.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.evaluation.adapters_recorded import adapters_sha256
from agent.evaluation.agent_cases import AgentCase, fingerprint, read_cases, sampled
from agent.evaluation.agent_scores import summarize_turns
from agent.evaluation.agent_turns import AgentParts, TurnOptions, judge_case
from agent.evaluation.runs import Evaluation, EvaluationRun

if TYPE_CHECKING:
    from agent.engines.base import Engine
    from tools.index import RecipeIndex
    from tools.summarize import Policy

DEFAULT_CASES = "routing"


def evaluate_agent(
    cases: Path | str | Sequence[AgentCase] = DEFAULT_CASES,
    engine: "Engine | str | None" = None,
    index: "RecipeIndex | Path | None" = None,
    *,
    policy: "Policy | str | None" = None,
    options: TurnOptions | None = None,
    base_url: str | None = None,
    out: Path | None = None,
    resume: bool = False,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 1,
) -> Evaluation:
    """Judge an engine, or a model's name, on cases: a file, the name of one that ships, or the cases.

    `index` and `policy` are as for `build_agent`; a policy's name is loaded. Raises SouschefError for cases
    that cannot be read, UsageError for a folder `out` that does not fit, and what the engine raises.
    """
    options = options or TurnOptions()
    known = read_cases(Path(cases)) if isinstance(cases, str | Path) else list(cases)
    chosen = sampled(known, limit, seed)
    with _agent_parts(engine, index, policy, base_url) as parts:
        settings = {
            "evaluation": "agent",
            "cases": cases if isinstance(cases, str) else str(cases) if isinstance(cases, Path) else "given",
            "cases_sha256": fingerprint(chosen),
            "model": parts.engine.name,
            "adapters": adapters_sha256(parts.engine),
            "index": str(index) if isinstance(index, Path) else "embedded" if index is None else "given",
            "recipes": parts.index.count,
            "policy": parts.policy.name,
            "policy_adapters": _policy_adapters(parts.policy),
            **vars(options),
            "limit": limit,
            "seed": seed,
        }
        run = EvaluationRun(out, settings, resume=resume)
        title = "first decisions" if options.first_action else "turns"
        results = run.judge(
            chosen, lambda case: judge_case(case, parts, options, seed), workers=workers, title=title
        )
    metrics = summarize_turns(chosen, results, seed)
    run.finish(metrics)
    return Evaluation(metrics, results, out)


def _policy_adapters(policy: "Policy") -> list[str] | None:
    from agent.policy import PromptedPolicy

    return adapters_sha256(policy.engine) if isinstance(policy, PromptedPolicy) else None


@contextmanager
def _agent_parts(
    engine: "Engine | str | None",
    index: "RecipeIndex | Path | None",
    policy: "Policy | str | None",
    base_url: str | None,
) -> Iterator[AgentParts]:
    """What all sessions share; what was loaded here is closed at the end."""
    from agent.build import open_index
    from agent.engines import DEFAULT_MODEL, load_engine
    from agent.policy import PromptedPolicy, load_policy

    with ExitStack() as opened:
        recipes = open_index(index) if isinstance(index, Path | None) else index
        if isinstance(engine, str | None):
            engine = load_engine(engine or DEFAULT_MODEL, base_url=base_url)
            opened.callback(engine.close)
        if isinstance(policy, str):
            policy = opened.enter_context(closing(load_policy(policy)))
        yield AgentParts(engine, recipes, policy or PromptedPolicy(engine))
