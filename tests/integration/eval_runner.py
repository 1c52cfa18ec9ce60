"""A process that runs `eval agent` with a scripted engine, for tests that kill it.

python eval_runner.py OUT [--resume] [--slowly]
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit"))
sys.path.append(str(Path(__file__).parents[1]))

from eval_samples import cases, evaluated, knowing
from scripted import ScriptedEngine

if __name__ == "__main__":
    engine = ScriptedEngine(knowing, pause_s=0.02 if "--slowly" in sys.argv else 0.0, piece_characters=10)
    evaluated(engine, cases(5), out=Path(sys.argv[1]), resume="--resume" in sys.argv)
