"""How long a user waits: for help, cold from process start to the answer, warm to first token and answer.

    python tests/benchmarks/ask_latency.py

Help is `souschef --help` and cold is `souschef ask --json`, each in a process of its own, with model files
and index already on the machine. Warm is a session in this process after one turn; each question is a turn of
its own conversation. The limits are those for 2 CPU cores, and the exit code is 1 above one; a busy machine
breaks them.
"""

import statistics
import subprocess
import sys
import time

from agent import Session, build_agent
from agent.engines import load_engine
from agent.events import Turn
from tools.index import embedded_index

COLD_RUNS = 3
HELP_RUNS = 5
QUESTIONS = (
    "How do I make banana bread?",
    "a lentil soup without onions",
    "How can I cook pancakes?",
    "I would like an apple pie",
    "How do I make scones?",
)
LIMITS = {"help": 0.5, "cold ask": 20.0, "first token": 1.5, "whole answer": 10.0, "agent a step": 0.05}


def main() -> int:
    waited = {"help": [process_s("--help") for _ in range(HELP_RUNS)]}
    waited["cold ask"] = [process_s("ask", QUESTIONS[0], "--json") for _ in range(COLD_RUNS)]
    turns = warm_turns()
    waited["first token"] = [turn.timing.first_token for turn in turns]
    waited["whole answer"] = [turn.timing.total for turn in turns]
    waited["agent a step"] = [overhead_s(turn) for turn in turns]
    print(f"{'':14} {'median s':>9} {'worst s':>9} {'limit s':>9} {'limit/worst':>12} {'n':>3}")
    for name, seconds in waited.items():
        middle, worst, limit = statistics.median(seconds), max(seconds), LIMITS[name]
        print(f"{name:14} {middle:9.3f} {worst:9.3f} {limit:9.3f} {limit / worst:11.1f}x {len(seconds):3}")
    for turn in turns:
        print(f"  {turn.timing.total:5.1f} s  {turn.output_tokens:4} tokens  {turn.route:14} {turn.question}")
    return 1 if any(max(seconds) > LIMITS[name] for name, seconds in waited.items()) else 0


def process_s(*arguments: str) -> float:
    """Seconds from the start of a `souschef` process to its end, which comes with all that it says."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "agent", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def warm_turns() -> list[Turn]:
    """A turn for each question, the first of which is asked once before, to warm up."""
    engine = load_engine()
    agent = build_agent(engine, embedded_index())
    Session(agent).ask(QUESTIONS[-1])
    turns = [Session(agent).ask(question) for question in QUESTIONS]
    engine.close()
    return turns


def overhead_s(turn: Turn) -> float:
    """What is neither model nor tools, over the model's steps: one a tool call, and the answer."""
    return (turn.timing.total - turn.timing.model - turn.timing.tools) / (len(turn.steps) + 1)


if __name__ == "__main__":
    sys.exit(main())
