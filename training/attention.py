"""Causal attention in float32 as a CPU does it soonest: in blocks of queries, each with the keys it may see.

torch's own kernel multiplies pieces of 32 or 64 queries of one head at a time and computes all of them again
for the gradients. Here a block's products are those of all heads at once, and what the softmax said is kept:
0.64 of the time at GPT-2's sizes, for 4 bytes a head and pair of tokens. Left out: masks, dropout, what goes
on after a cache, and other devices and precisions, which torch's kernel serves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "souschef_blocks"
_TORCHS = "sdpa"  # transformers' name for torch's kernels
_BLOCK = 96  # queries at once
_LEAST_TOKENS = 128  # with fewer both ways are the same


@contextmanager
def attention_in_blocks(trunk: Any) -> Iterator[None]:
    """Within it the trunk attends in blocks wherever torch's kernel would have read whole sequences."""
    config: Any = getattr(trunk, "config", None)
    if getattr(config, "_attn_implementation", None) != _TORCHS:
        yield
        return
    _register()
    config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = _TORCHS


def causal_attention(query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
    """softmax(scale q k^T) v over no later keys: each (rows, heads, tokens, width), with gradients."""
    out: Tensor = _function().apply(query, key, value, scale)
    return out


@cache
def _register() -> None:
    """Tell transformers of it, once, under a name of its own; masks are as for torch's kernel."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(
        module: Any,
        query: "Tensor",
        key: "Tensor",
        value: "Tensor",
        attention_mask: "Tensor | None",
        **options: Any,
    ) -> "tuple[Tensor, Tensor | None]":
        if attention_mask is not None or not _is_served(module, query, key, value, options):
            torchs: tuple[Tensor, None] = sdpa_attention_forward(
                module, query, key, value, attention_mask, **options
            )
            return torchs
        groups = query.shape[1] // key.shape[1]
        scale = options.get("scaling") or query.shape[-1] ** -0.5
        out = causal_attention(query, repeat_kv(key, groups), repeat_kv(value, groups), scale)
        return out.transpose(1, 2), None

    AttentionInterface.register(_NAME, attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)


def _is_served(module: Any, query: "Tensor", key: "Tensor", value: "Tensor", options: dict[str, Any]) -> bool:
    """Whether it is causal attention of whole sequences, and nothing more, in float32 on a CPU."""
    import torch

    plain = all(one.device.type == "cpu" and one.dtype is torch.float32 for one in (query, key, value))
    is_whole = query.shape[-2] == key.shape[-2] >= _LEAST_TOKENS and query.shape[-1] == value.shape[-1]
    said = options.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if said is None else said
    more = options.get("dropout") or any(
        options.get(name) is not None for name in ("softcap", "position_bias")
    )
    return bool(plain and is_whole and is_causal and not more)


def _blocks(tokens: int) -> list[tuple[int, int]]:
    return [(at, min(at + _BLOCK, tokens)) for at in range(0, tokens, _BLOCK)]


@cache
def _function() -> Any:
    import torch

    class InBlocks(torch.autograd.Function):
        """Inside, tensors are (rows x heads, tokens, width), and a block's chances (.., block, end)."""

        @staticmethod
        def forward(ctx: Any, query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
            q, k, v = (one.reshape(-1, *one.shape[-2:]) for one in (query, key, value))
            out, kept = torch.empty_like(q), []
            later = q.new_full((_BLOCK, _BLOCK), -torch.inf).triu_(1)
            for start, end in _blocks(q.shape[1]):
                scores = torch.baddbmm(
                    q.new_empty(1), q[:, start:end], k[:, :end].transpose(1, 2), beta=0, alpha=scale
                )
                scores[:, :, start:].add_(later[: end - start, : end - start])
                chances = torch.softmax(scores, -1, out=scores)
                out[:, start:end] = chances @ v[:, :end]
                if any(ctx.needs_input_grad):  # while a policy writes or is referred to, none is asked for
                    kept.append(chances)
            ctx.scale = scale
            ctx.save_for_backward(q, k, v, *kept)
            return out.view(query.shape)

        @staticmethod
        def backward(ctx: Any, *gradients: "Tensor") -> "tuple[Tensor | None, ...]":
            q, k, v, *kept = ctx.saved_tensors
            above = gradients[0].reshape(q.shape)
            for_q, for_k, for_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
            for (start, end), chances in zip(_blocks(q.shape[1]), kept, strict=True):
                here = above[:, start:end]
                for_v[:, :end].baddbmm_(chances.transpose(1, 2), here)
                for_chances = here @ v[:, :end].transpose(1, 2)
                for_scores = torch._softmax_backward_data(for_chances, chances, -1, torch.float32)
                for_q[:, start:end] = for_scores @ k[:, :end]
                for_k[:, :end].baddbmm_(for_scores.transpose(1, 2), q[:, start:end], alpha=ctx.scale)
            shape = gradients[0].shape
            return for_q.mul_(ctx.scale).view(shape), for_k.view(shape), for_v.view(shape), None

    return InBlocks
