"""Tiny random models of Phi-3's architecture, with Phi-3's real vocabulary and chat template.

Their text is noise, but all around it is real: the code of the architecture, tokens, template, grammar masks.
"""

import os
from pathlib import Path

import pytest

TOKENIZERS = Path(__file__).parents[3] / "shared/data/tokenizers"


def tiny_phi3_folder(path: Path) -> Path:
    """A folder as the model hub has it, as for microsoft/Phi-3-mini-4k-instruct but with two small layers."""
    import torch
    from transformers import AutoTokenizer, Phi3Config, Phi3ForCausalLM

    vocabulary = phi3_vocabulary()
    torch.manual_seed(0)
    model = Phi3ForCausalLM(
        Phi3Config(
            vocab_size=32064,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=4096,
            original_max_position_embeddings=4096,
            sliding_window=2047,
            bos_token_id=1,
            eos_token_id=32000,
            pad_token_id=32000,
        )
    )
    model.generation_config.eos_token_id = [32000, 32001, 32007]
    model.save_pretrained(path)
    AutoTokenizer.from_pretrained(vocabulary.parent, gguf_file=vocabulary.name).save_pretrained(path)
    return path


def tiny_phi3_gguf(path: Path) -> Path:
    """A random two-layer model of Phi-3's architecture, with Phi-3's real vocabulary and template."""
    import numpy as np
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    sizes = {"embedding_length": 64, "feed_forward_length": 128, "block_count": 2, "rope.dimension_count": 16}
    sizes |= {"attention.head_count": 4, "attention.head_count_kv": 4}
    writer = GGUFWriter(path, "phi3")
    for field in GGUFReader(phi3_vocabulary()).fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind, *of = field.types
        value = sizes.get(field.name.removeprefix("phi3."), field.contents())
        writer.add_key_value(field.name, value, kind, of[0] if kind == GGUFValueType.ARRAY else None)
    block: dict[str, tuple[int, ...]] = {"attn_norm": (64,), "ffn_norm": (64,)}
    block |= {"attn_qkv": (192, 64), "attn_output": (64, 64), "ffn_up": (256, 64), "ffn_down": (64, 128)}
    block |= {"attn_norm": (64,), "ffn_norm": (64,)}
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (32064, 64),
        "output": (32064, 64),
        "output_norm": (64,),
    }
    shapes |= {f"blk.{layer}.{name}": shape for layer in range(2) for name, shape in block.items()}
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.05, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def phi3_vocabulary() -> Path:
    return _beside_the_project(TOKENIZERS / "phi3/ggml-vocab-phi-3.gguf")


def gpt2_tokenizer() -> Path:
    return _beside_the_project(TOKENIZERS / "gpt2")


def _beside_the_project(path: Path) -> Path:
    if not path.exists() and "CI" not in os.environ:
        pytest.skip(f"{path.name} lies beside the project, in ../shared/data/tokenizers, and is not here")
    return path
