"""`souschef eval`: evaluations, each in a module of its own that is imported when it is called."""

import importlib

import click

# command: (module under agent.commands, one line of help)
_COMMANDS = {
    "agent": ("eval_agent", "Routes, arguments, answers and latency of whole turns."),
    "rag": ("eval_rag", "Answers with retrieval against the model's own."),
    "retrieval": ("eval_retrieval", "How well recipes are found: nDCG, recall, MRR, accuracy."),
    "summaries": ("eval_summaries", "Policies and baselines on articles with references."),
    "preferences": ("eval_preferences", "Training pairs from what you preferred in a report."),
    "compare": ("eval_compare", "Two evaluations against each other, case by case."),
}


class _Evaluations(click.Group):
    """A click group whose commands are imported only when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"agent.commands.{_COMMANDS[name][0]}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in _COMMANDS.items()])


@click.command(cls=_Evaluations)
def eval() -> None:
    """Judge a model, a prompt, an index or a policy by figures.

    Each evaluation writes a folder: results.jsonl (a line for each case as it finishes), metrics.json and
    report.html. It can be stopped at any moment and goes on with --resume.
    """
