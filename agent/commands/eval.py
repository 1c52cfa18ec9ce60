"""`souschef eval`: evaluations, each in a module of its own that is imported when it is called."""

import click

from agent.commands.lazy_group import LazyCommands, LazyGroup

_COMMANDS: LazyCommands = {
    "agent": ("eval_agent", "Routes, arguments, answers and latency of whole turns."),
    "rag": ("eval_rag", "Answers with retrieval against the model's own."),
    "retrieval": ("eval_retrieval", "How well recipes are found: nDCG, recall, MRR, accuracy."),
    "summaries": ("eval_summaries", "Policies and baselines on articles with references."),
    "preferences": ("eval_preferences", "Training pairs from what you preferred in a report."),
    "compare": ("eval_compare", "Two evaluations against each other, case by case."),
}


@click.command(cls=LazyGroup, lazy=_COMMANDS)
def eval() -> None:
    """Judge a model, a prompt, an index or a policy by figures.

    Each evaluation writes a folder: results.jsonl (a line for each case as it finishes), metrics.json and
    report.html. It can be stopped at any moment and goes on with --resume.
    """
