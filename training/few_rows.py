"""Large matrices times few rows, as in writing token by token, where a CPU waits for the weights.

BLAS reads a matrix two to three times as fast when the matrix comes first, as W x^T, than in x W^T with few
rows of x: 25 GB/s against 9 for GPT-2's at four rows on two cores. Left out: GPUs, bfloat16, and quantized
layers, which have kernels of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from training.other_forward import other_forward

if TYPE_CHECKING:
    from torch import Tensor

MOST_ROWS = 64  # with more, both ways are the same


def times_few_rows(rows: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> "Tensor":
    """A linear layer on rows (..., in) with a weight (out, in): (..., out)."""
    import torch

    flat = rows.reshape(-1, rows.shape[-1]).t()
    product = weight @ flat if bias is None else torch.addmm(bias[:, None], weight, flat)
    return product.t().contiguous().view(*rows.shape[:-1], -1)


def are_few(rows: "Tensor") -> bool:
    """Whether rows (..., in) are worth the other way round."""
    import torch

    in_place = rows.device.type == "cpu" and rows.dtype is torch.float32
    return in_place and rows.numel() <= MOST_ROWS * rows.shape[-1]


@contextmanager
def for_few_rows(trunk: Any) -> Iterator[None]:
    """Within it the trunk's linear layers take the quick way where they are given few rows.

    Conv1D keeps its weight as (in, out), so it is copied: the weights must not change meanwhile.
    """
    with ExitStack() as changed:
        for layer in filter(_is_plain, trunk.modules()):
            changed.enter_context(other_forward(layer, _quick(layer)))
        yield


def _is_plain(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    plain = type(layer) in (torch.nn.Linear, Conv1D)
    return plain and layer.weight.device.type == "cpu" and layer.weight.dtype is torch.float32


def _quick(layer: Any) -> "Callable[[Tensor], Tensor]":
    import torch

    is_linear = type(layer) is torch.nn.Linear
    weight = layer.weight if is_linear else layer.weight.t().contiguous()
    whole = layer.forward

    def forward(rows: "Tensor") -> "Tensor":
        if are_few(rows):
            return times_few_rows(rows, weight, layer.bias)
        every: Tensor = whole(rows)
        return every

    return forward
