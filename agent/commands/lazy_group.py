"""A click group whose commands are imported only when they run, so that its help answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

LazyCommands = Mapping[str, tuple[str, str]]  # command: (module under agent.commands, one line of help)


class LazyGroup(click.Group):
    """A group of `lazy` commands; each is found in its module under its own name."""

    def __init__(self, *args: Any, lazy: LazyCommands, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._lazy)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in self._lazy:
            return None
        command = getattr(importlib.import_module(f"agent.commands.{self._lazy[name][0]}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in self._lazy.items()])
