"""Evaluations: what a change to a model, a prompt, an index or a policy is worth, in figures.

Each `evaluate_*` returns an `Evaluation`: metrics with intervals, one result a case, and the folder they were
written to. `compare` sets two such folders against each other, case by case.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.evaluation.agent_run import evaluate_agent
    from agent.evaluation.comparison import compare
    from agent.evaluation.rag import evaluate_rag
    from agent.evaluation.retrieval import evaluate_retrieval
    from agent.evaluation.runs import Evaluation, Metrics
    from agent.evaluation.summaries import evaluate_summaries

__all__ = [
    "Evaluation",
    "Metrics",
    "compare",
    "evaluate_agent",
    "evaluate_rag",
    "evaluate_retrieval",
    "evaluate_summaries",
]

_MODULES = {
    "Evaluation": "runs",
    "Metrics": "runs",
    "compare": "comparison",
    "evaluate_agent": "agent_run",
    "evaluate_rag": "rag",
    "evaluate_retrieval": "retrieval",
    "evaluate_summaries": "summaries",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that no evaluation loads what another one needs.
    if name not in _MODULES:
        raise AttributeError(f"module 'agent.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(f"agent.evaluation.{_MODULES[name]}"), name)
