"""`souschef chat` over a scripted engine, to be run in a terminal: one recipe, then long mixed scripts."""

import sys
import time
from pathlib import Path
from typing import Any

WIDE = "寿司は酢飯と魚を組み合わせた料理である。🍣🍱 Then שקשוקה with eggs, then كسكس with lamb, "
WORDS = [f"{a}{b}{c}" for a in "bcdfgh" for b in "aeiou" for c in "klmnprst"]


def load_engine(_: Any) -> Any:
    """The engine, after a while as with a real one."""
    time.sleep(0.5)
    from chat_samples import ASKED
    from scripted import ScriptedEngine, answer

    prose = f"**Wide** {WIDE} and so on: {' '.join(WORDS)}.\n\n- first {' '.join(WORDS[:20])}\n- second"
    return ScriptedEngine(*ASKED, answer(prose), pause_s=0.002)


def load_index(_: Any) -> Any:
    """Four recipes."""
    from chat_samples import small_index

    return small_index()


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    from agent.repl.loaders import Loaders
    from agent.repl.options import Choice
    from agent.repl.start import Start, start

    raise SystemExit(start(Start(Choice("scripted")), Loaders(engine=load_engine, index=load_index)))
