"""How often the default agent takes the right route on the development rows of its adapter's data.

    python tests/benchmarks/routing_held_out.py --data ../shared/data [--limit N]

Those rows come from recipes, questions, texts and phrasings that no training row shares; see
docs/react_adapter_data.md. Asked is the first step alone, greedily. Shares with 95% bootstrap intervals, and
what went wrong. Exit 1 below the limit. Left out: rows that go on after a search, whose route is taken.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from langchain_core.messages import AIMessage, HumanMessage

from agent import build_agent
from agent.adapters.material import load_material
from agent.adapters.react_data import make_rows
from agent.adapters.react_rows import Row
from agent.engines import load_engine
from tools.bootstrap import mean_interval
from tools.index import embedded_index

LEAST = 0.95
ENOUGH_FOR_A_STEP = 96  # tokens; an answer may be cut, since its route is known by then


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Ask only so many.")
def main(data: Path, limit: int | None) -> None:
    """Ask, count, print."""
    rows = make_rows(load_material(data, "dev"), "dev", seed=0)
    rows = [row for row in rows if isinstance(row.conversation[-1], HumanMessage)][:limit]
    with closing(load_engine()) as engine:
        agent = build_agent(engine, embedded_index(), max_tokens=ENOUGH_FOR_A_STEP)
        taken = [route(agent, row) for row in rows]
    for name in (None, *sorted({row.route for row in rows})):
        right = [float(t == r.route) for r, t in zip(rows, taken, strict=True) if name in (None, r.route)]
        report(name or "all", right)
    for row, other in zip(rows, taken, strict=True):
        if other != row.route:
            print(f"  {row.route} -> {other}: {row.question[:120]!r}")
    share = sum(t == r.route for r, t in zip(rows, taken, strict=True)) / len(rows)
    sys.exit(share < LEAST)


def route(agent: Any, row: Row) -> str:
    """The tool that the agent calls first, or "direct"."""
    for update in agent.stream({"messages": list(row.conversation)}, stream_mode="updates"):
        for message in (update.get("model") or {}).get("messages", ()):
            if isinstance(message, AIMessage):
                return message.tool_calls[0]["name"] if message.tool_calls else "direct"
    raise RuntimeError("The agent took no step.")


def report(name: str, right: Sequence[float]) -> None:
    """A share and its interval."""
    mean = mean_interval(right)
    print(f"{name:16} {mean.mean:6.1%} ({mean.low:.1%} to {mean.high:.1%}, n = {mean.n})")


if __name__ == "__main__":
    main()
