"""Ctrl-C ends work that can be gone on with, wherever it falls."""

import subprocess
import sys

DEAF = """
import os, signal, time
from agent.commands.stopping import Stopped, saying_how_to_go_on

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # the exception is raised here, where Python ignores it

try:
    with saying_how_to_go_on("--resume goes on"):
        Deaf()
        time.sleep(20)
except Stopped as stopped:
    print(stopped.message)
"""


def test_ctrl_c_in_a_destructor_is_heard_a_second_later() -> None:
    done = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=15)
    assert done.stdout == "Stopped: the same command with --resume goes on.\n"
    assert "Exception ignored in" in done.stderr
