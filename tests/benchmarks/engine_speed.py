"""Tokens per second of reading a prompt and of writing an answer, for the gguf and the hf engine, in one run.

    python tests/benchmarks/engine_speed.py [--hf FOLDER]

The hf engine runs the same weights as the gguf engine, made dense, where no other folder is given (this needs
the `gguf` package). Each figure is the best of three, which leaves out what else the machine was doing.
"""

import argparse
import tempfile
import time
from pathlib import Path

from agent.engines import Decoding, Engine, Message, Usage, load_engine
from tools.models import model_path

PROMPT_WORDS = 500
ANSWER_TOKENS = 64
ROUNDS = 3
LINES = Decoding(max_tokens=ANSWER_TOKENS, temperature=1.0, grammar=r"start: /(.|\n)+/")  # never ends early


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hf", help="a folder in Hugging Face layout")
    given = parser.parse_args().hf
    with tempfile.TemporaryDirectory() as scratch:
        gguf = speeds("gguf", load_engine("smollm2-135m"))
        hf = speeds("hf", load_engine(given or str(dense(Path(scratch)))))
    print(f"gguf/hf   prompt {gguf[0] / hf[0]:6.2f} x   answer {gguf[1] / hf[1]:6.2f} x")


def speeds(name: str, engine: Engine) -> tuple[float, float]:
    """Tokens/s of prompt and answer; a prompt differs from the first word on, so no cache helps."""
    measured = [once(engine, number) for number in range(ROUNDS)]
    engine.close()
    prompt, answer = (max(column) for column in zip(*measured, strict=True))
    print(f"{name:8}  prompt {prompt:6.0f}/s   answer {answer:6.0f}/s   (best of {ROUNDS})", flush=True)
    return prompt, answer


def once(engine: Engine, number: int) -> tuple[float, float]:
    words = " ".join(f"egg{(number + 1) * word}" for word in range(PROMPT_WORDS))
    messages: list[Message] = [{"role": "user", "content": words}]
    began = time.perf_counter()
    first = began
    for piece in engine.stream(messages, LINES):
        now = time.perf_counter()
        if first == began:
            first = now
        if isinstance(piece, Usage):
            return piece.input_tokens / (first - began), (piece.output_tokens - 1) / (now - first)
    raise RuntimeError("The stream ended without a Usage.")


def dense(folder: Path) -> Path:
    """The gguf model's weights as a Hugging Face folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    file = model_path("smollm2-135m").path
    AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
