"""Hundreds of varied, random and hostile questions to the embedded model, and what went wrong.

    python tests/benchmarks/hostile_turns.py --n 300 --seed 0 --out turns.json

Counts malformed actions, invented observations, endless turns and tracebacks, from what model and tools
really did (tests/turn_audit.py). Exit 1 if there is any. About 4 s a turn on 2 cores.
"""

import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile_questions import conversations
from turn_audit import FAULTS, Auditor, Verdict

from agent.engines import load_engine
from tools.index import embedded_index


@click.command()
@click.option("--n", "count", default=300, show_default=True, help="Turns.")
@click.option("--seed", default=0, show_default=True, help="Of the questions.")
@click.option("--max-tokens", default=192, show_default=True, help="Most per step.")
@click.option("--time-limit", default=180.0, show_default=True, help="Seconds after which a turn is endless.")
@click.option("--out", type=click.Path(path_type=Path), help="Write every turn as JSON.")
def main(count: int, seed: int, max_tokens: int, time_limit: float, out: Path | None) -> None:
    """Ask, count, print."""
    engine = load_engine()
    auditor = Auditor(engine, embedded_index(), max_tokens=max_tokens, time_limit_s=time_limit)
    verdicts: list[Verdict] = []
    for conversation in conversations(seed, count):
        verdicts += auditor.converse(conversation)
        print(f"{len(verdicts)} of {count} turns", file=sys.stderr, flush=True)
        for verdict in verdicts[-len(conversation) :]:
            for fault, why in verdict.faults:
                print(f"{fault}: {verdict.question!r:.300}\n    {why}", file=sys.stderr, flush=True)
    engine.close()
    counts = faults(verdicts)
    report(verdicts, counts)
    if out:
        turns = [asdict(verdict) for verdict in verdicts]
        out.write_text(
            json.dumps({"n": len(verdicts), "seed": seed, "faults": counts, "turns": turns}, indent=1)
        )
    sys.exit(any(counts.values()))


def faults(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """In how many turns each fault was found."""
    return {name: sum(name in dict(verdict.faults) for verdict in verdicts) for name in FAULTS}


def report(verdicts: Sequence[Verdict], counts: dict[str, int]) -> None:
    """Counts, routes and seconds."""
    n = len(verdicts)
    for name, number in counts.items():
        print(f"{name:22} {number:4} of {n} turns")
    seconds = [verdict.seconds for verdict in verdicts]
    print(f"routes        {dict(Counter(verdict.route for verdict in verdicts))}")
    print(f"ended by      {dict(Counter(verdict.exit_reason for verdict in verdicts))}")
    print(f"kinds         {dict(Counter(verdict.question.kind for verdict in verdicts))}")
    print(
        f"seconds       median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}, "
        f"all {sum(seconds):.0f}"
    )


if __name__ == "__main__":
    main()
