"""One PPO step of GPT-2 124M against TRL 1.12's, the last release with PPO: seconds a step and peak memory.

    python tests/benchmarks/ppo_step.py [--steps N] [--only CASE,...] [--peer-env DIR] [--json]

Random weights, 4 prompts of 512 tokens, answers of 128, 4 PPO epochs over one mini-batch, float32, all
weights trained; then ours with LoRA, with bfloat16, and with prompts of 64 to 512 tokens, which the peer
pads. Each case is a process of its own. The peer gets an environment of its own, made on the first run, with
the torch and the transformers that are installed here. The first step warms up and is not counted where there
are more. On 2 cores this takes about ten minutes a step, and 14 GB. Exit code 1 where a limit is missed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tools.model_cache import cache_dir

HERE = Path(__file__).parent
PEER = "trl==1.12"
MIXED = (64, 213, 363, 512)
PEER_CASES = ("peer", "mixed-peer")
OURS: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"lora_rank": 16, "lora_targets": ["c_attn"]},  # the attention, as Hu et al. 2021 adapt GPT-2
    "lora-all": {"lora_rank": 16},
    "lora-bf16": {"lora_rank": 16, "lora_targets": ["c_attn"], "precision": "bf16"},
    "bf16": {"precision": "bf16"},
    "mixed": {"mixed": True},
}
# whose step, against whose, at least how many times faster, and at most this share of its peak memory
RATIOS = (
    ("full", "peer", 2.8, 0.5),
    ("lora", "peer", 4.0, None),
    ("lora-all", "peer", None, None),
    ("lora-bf16", "peer", None, None),
    ("bf16", "peer", None, None),
    ("bf16", "full", None, None),
    ("mixed", "mixed-peer", None, None),
    ("mixed", "full", None, None),
)
SIZES: dict[str, dict[str, Any]] = {  # as GPT-2's config has them; "tiny" is for a trial of the script
    "gpt2": {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12},
    "tiny": {"vocab_size": 512, "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 2},
}
Result = dict[str, Any]


def main() -> None:
    given = arguments()
    cases = given.only.split(",") if given.only else ["peer", *OURS, "mixed-peer"]
    if unknown := set(cases) - {*PEER_CASES, *OURS}:
        sys.exit(
            f"There is no case {', '.join(sorted(unknown))}: choose of {', '.join((*PEER_CASES, *OURS))}."
        )
    python = peer_python(given.peer_env) if set(cases) & set(PEER_CASES) else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        write_model(given.size, Path(folder))
        results = {name: measure(name, given, python, Path(folder)) for name in cases}
    judged = [ratio for wanted in RATIOS if (ratio := compared(results, *wanted))]
    if given.json:
        print(json.dumps({"machine": machine(given), "cases": results, "ratios": judged}, indent=1))
    else:
        print_table(given, results, judged)
    sys.exit(given.size == "gpt2" and not all(ratio["met"] for ratio in judged))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--only", default="", help=f"of {', '.join((*PEER_CASES, *OURS))}")
    parser.add_argument("--peer-env", type=Path, default=cache_dir() / "benchmarks" / PEER.replace("==", "-"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--size", choices=SIZES, default="gpt2", help="tiny: a trial, whose ratios mean nothing"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def peer_python(folder: Path) -> Path:
    """The peer's interpreter, whose environment is made where it is not there."""
    python = folder / "bin/python"
    known = python.exists() and subprocess.run(
        [python, "-c", "import trl.experimental.ppo"], capture_output=True
    )
    if not known or known.returncode:
        print(f"Installing {PEER} into {folder} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        same = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "transformers")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER, *same], check=True)
    return python


def model_of(size: str) -> dict[str, Any]:
    """Settings of GPT2Config; the last token ends a text, as GPT-2's does."""
    last = SIZES[size]["vocab_size"] - 1
    return SIZES[size] | {"bos_token_id": last, "eos_token_id": last}


def write_model(size: str, folder: Path) -> None:
    script, model = str(HERE / "ppo_step_ours.py"), json.dumps(model_of(size))
    command = [sys.executable, script, "--write-model", model, str(folder)]
    subprocess.run(command, check=True, env=ours_environment(), stdout=sys.stderr)


def measure(name: str, given: argparse.Namespace, peer: Path, folder: Path) -> Result:
    """A case's seconds a step, tokens a second, and peak of memory, from a process of its own."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    is_peer = name in PEER_CASES
    job, out = folder / "job.json", folder / "result.json"
    job.write_text(json.dumps(job_of(name, given, folder)), encoding="utf-8")
    script = HERE / ("ppo_step_peer.py" if is_peer else "ppo_step_ours.py")
    environment = quiet_environment() if is_peer else ours_environment()
    environment["OMP_NUM_THREADS"] = str(given.threads)
    command = [peer if is_peer else sys.executable, script, job, out]
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
    result: Result = json.loads(out.read_text(encoding="utf-8"))
    counted = result["seconds"][1:] or result["seconds"]
    tokens = sum(map(len, prompts_of(name, given.size))) + len(MIXED) * lengths(given.size)[1]
    return result | {"seconds_a_step": median(counted), "tokens_per_s": tokens / median(counted)}


def job_of(name: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What a worker is to do; prompts are the same for the peer and for us."""
    chosen = {"precision": "fp32", "lora_rank": 0, "lora_targets": ["all-linear"]} | OURS.get(name, {})
    return chosen | {
        "model": model_of(given.size),
        "folder": str(folder),
        "prompts": prompts_of(name, given.size),
        "response_tokens": lengths(given.size)[1],
        "epochs": 4,
        "steps": given.steps,
        "threads": given.threads,
        "learning_rate": 1.41e-5,
    }


def lengths(size: str) -> tuple[int, int]:
    """Tokens of the longest prompt, and of every answer."""
    return (512, 128) if size == "gpt2" else (64, 16)


def prompts_of(name: str, size: str) -> list[list[int]]:
    """Random tokens, of one length or mixed ones."""
    longest, vocabulary = lengths(size)[0], SIZES[size]["vocab_size"] - 1
    draw = random.Random(0)
    several = [length * longest // MIXED[-1] for length in MIXED]
    wanted = several if name.startswith("mixed") else [longest] * len(MIXED)
    return [[draw.randrange(vocabulary) for _ in range(length)] for length in wanted]


def quiet_environment() -> dict[str, str]:
    return os.environ | {"PYTHONWARNINGS": "ignore", "TRANSFORMERS_VERBOSITY": "error"}


def ours_environment() -> dict[str, str]:
    return quiet_environment() | {"PYTHONPATH": str(HERE.parents[1])}


def compared(
    results: dict[str, Result], ours: str, other: str, faster: float | None, memory: float | None
) -> dict[str, Any] | None:
    """How two cases compare, and whether the limits are met; None where one was not measured."""
    if ours not in results or other not in results:
        return None
    speed = results[other]["seconds_a_step"] / results[ours]["seconds_a_step"]
    share = results[ours]["peak_bytes"] / results[other]["peak_bytes"]
    met = (faster is None or speed >= faster) and (memory is None or share <= memory)
    limits = {"speed_limit": faster, "memory_limit": memory}
    return {"case": ours, "against": other, "speed": speed, "memory": share, **limits, "met": met}


def machine(given: argparse.Namespace) -> dict[str, Any]:
    """What the figures were measured on."""
    said = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = next((line.partition(":")[2].strip() for line in said.splitlines() if "model name" in line), "?")
    wide = sorted({"avx512_bf16", "amx_bf16"} & set(said.split()))
    return {"cpu": name, "threads": given.threads, "bf16_instructions": wide, "torch": version("torch")}


def print_table(
    given: argparse.Namespace, results: dict[str, Result], judged: Sequence[dict[str, Any]]
) -> None:
    print(", ".join(f"{key}: {value}" for key, value in machine(given).items()))
    print(f"steps: {given.steps}, of which the first is not counted where there are more")
    print(f"{'case':12} {'s a step':>9} {'tokens/s':>9} {'peak GB':>8} {'generation':>11}")
    for name, result in results.items():
        share = result.get("generation_s", 0.0) / result["seconds_a_step"]
        print(
            f"{name:12} {result['seconds_a_step']:9.2f} {result['tokens_per_s']:9.0f} "
            f"{result['peak_bytes'] / 1e9:8.2f} {f'{share:.0%}' if share else '':>11}"
        )
    for ratio in judged:
        print(f"{ratio['case']} against {ratio['against']}: {told(ratio)}")


def told(ratio: dict[str, Any]) -> str:
    """A comparison in words, with the limits that it had to meet."""
    faster, memory = ratio["speed_limit"], ratio["memory_limit"]
    speed = f"{ratio['speed']:.2f} times as fast" + (f" (limit {faster:g})" if faster else "")
    share = f"{ratio['memory']:.2f} of the peak memory" + (f" (limit {memory:g})" if memory else "")
    verdict = ("", ": met" if ratio["met"] else ": MISSED")[bool(faster or memory)]
    return f"{speed}, {share}{verdict}"


if __name__ == "__main__":
    main()
