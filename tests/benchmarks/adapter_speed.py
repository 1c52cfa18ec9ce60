"""How fast the gguf engine writes with each adapter that comes along, against the model without one.

    python tests/benchmarks/adapter_speed.py [--rounds N]

Tokens per second of writing alone, by turns in one engine, so that what else the machine does hits all
alike. A ratio is of medians. Exit 1 where an adapter leaves less than 0.85 of the speed.
"""

import statistics
import sys
import time
from contextlib import closing

import click

from agent.engines import Decoding, Engine, Message, Usage, load_engine

LEAST_RATIO = 0.85
TOKENS = 96
TEXT = r"start: /(.|\n){2000,}/"  # more than TOKENS hold, so no text ends early
QUESTION: Message = {"role": "user", "content": "Tell me all that you know of bread."}


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Texts of each.")
def main(rounds: int) -> None:
    """Write by turns, compare, print."""
    with closing(load_engine()) as engine:
        speeds = by_turns(engine, sorted(engine.adapters), rounds)
    base = statistics.median(speeds[""])
    print(f"{'without':12} {base:6.1f} tokens/s   {spread(speeds.pop(''))}")
    ratios = []
    for name, measured in speeds.items():
        ratios.append(statistics.median(measured) / base)
        print(
            f"{name:12} {statistics.median(measured):6.1f} tokens/s   {spread(measured)}   "
            f"{ratios[-1]:.3f} x   limit {LEAST_RATIO} x"
        )
    sys.exit(min(ratios) < LEAST_RATIO)


def by_turns(engine: Engine, names: list[str], rounds: int) -> dict[str, list[float]]:
    """Tokens per second of each adapter and of none, after one text of each to warm up."""
    speeds: dict[str, list[float]] = {name: [] for name in ("", *names)}
    for seed in range(rounds + 1):
        for name, measured in speeds.items():
            measured.append(tokens_per_s(engine, name, seed))
    return {name: measured[1:] for name, measured in speeds.items()}


def tokens_per_s(engine: Engine, adapter: str, seed: int) -> float:
    """From the first piece of a text to its end."""
    decoding = Decoding(max_tokens=TOKENS, temperature=1.0, seed=seed, grammar=TEXT, adapter=adapter)
    first = 0.0
    for piece in engine.stream([QUESTION], decoding):
        now = time.perf_counter()
        first = first or now
        if isinstance(piece, Usage):
            assert piece.output_tokens == TOKENS, "the text ended early"
            return (piece.output_tokens - 1) / (now - first)
    raise RuntimeError("The stream ended without a Usage.")


def spread(measured: list[float]) -> str:
    """The lowest and the highest."""
    return f"({min(measured):.1f} to {max(measured):.1f}, n = {len(measured)})"


if __name__ == "__main__":
    main()
