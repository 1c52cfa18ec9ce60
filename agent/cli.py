"""The command line: `souschef COMMAND`.

Each command lives in its own module under agent/commands/ and is imported when it is called, so that
`souschef --help` answers at once. Every SouschefError ends here as one sentence on stderr.
"""

import errno
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from agent.commands.lazy_group import LazyCommands, LazyGroup
from tools.errors import SouschefError

COMMANDS: LazyCommands = {
    "ask": ("ask", "Ask one question and read the answer."),
    "chat": ("chat", "Chat in the terminal; sessions are saved."),
    "eval": ("eval", "Judge models, prompts, indexes and policies by figures."),
    "feedback": ("feedback", "Export what was rated in chats as training data."),
    "index": ("index", "Build, extend, search and check a recipe index."),
    "models": ("models", "List, fetch and find model files."),
    "summarize": ("summarize", "Summarize a text file or standard input."),
    "train": ("train", "Fine-tune a model: SFT, reward models, PPO."),
}

_LONGEST_NAME = 80  # of a file, in a sentence


@click.command(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="souschef")
def souschef() -> None:
    """A cooking assistant that runs on your own machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 mendable, 2 wrong usage, 130 Ctrl-C."""
    # on some CPUs it warns that an optional kernel of its 4-bit models is not installed
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        souschef.main(args=arguments, prog_name="souschef", standalone_mode=False)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except SouschefError as error:
        click.echo(f"souschef: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _drop_output()
        return 0
    except OSError as error:
        sentence = _refused(error)
        if sentence is None:
            raise
        if error.errno == errno.ENOSPC:
            _drop_output()
        click.echo(f"souschef: {sentence}", err=True)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        return 130
    return 0


def _refused(error: OSError) -> str | None:
    """What the system refused, where it is about a file that the user can do something about."""
    if error.errno == errno.ENOSPC:
        return "The disk is full: free some space and try again."
    if error.errno is None or not error.filename:
        return None
    name = str(error.filename)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return f"{shown} cannot be used ({os.strerror(error.errno)}): check the path, and your rights to it."


def _drop_output() -> None:
    """Nobody takes what is still to be written to standard output."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """Nothing else may get the place of a standard stream that was closed, such as a model's file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - stays open


def run() -> NoReturn:
    """The program: run the command line, then end at once.

    Threads that still load what this command did not need (torch takes seconds) are not waited for: all that
    they write to disk is written whole or not at all.
    """
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an argument may hold bytes that are no text
            stream.reconfigure(errors="replace")
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    os._exit(code)
