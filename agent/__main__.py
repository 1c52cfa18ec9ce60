"""`python -m agent` is `souschef`."""

from agent.cli import run

run()
