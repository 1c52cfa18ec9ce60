"""Matrix products in float32 as a CPU does them soonest.

Writing token by token, a CPU waits for the weights: BLAS reads a matrix two to three times as fast when it
comes first, as W x^T, than in x W^T with few rows of x (25 GB/s against 9 for GPT-2's at four rows on two
cores). With many rows, torch takes Intel's MKL, which is slow on AMD's CPUs: oneDNN, which torch has as well
and takes for bfloat16, multiplies GPT-2's matrices 1.2 to 1.4 times as fast there. Left out: GPUs, bfloat16,
quantized layers, which have kernels of their own, and thin matrices such as an adapter's.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.other_forward import other_forward

if TYPE_CHECKING:
    from torch import Tensor

MOST_ROWS = 64  # up to which rows are few; with more, both ways are the same
_LEAST_WIDTH = 128  # of a matrix that oneDNN is asked to multiply

Product = Callable[["Tensor", "Tensor", "Tensor | None"], "Tensor"]
Forward = Callable[["Tensor"], "Tensor"]


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


def linear(rows: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> "Tensor":
    """A linear layer on rows (..., in) with a weight (out, in), soonest: (..., out), with gradients."""
    return (times_few_rows if are_few(rows) else _times_rows(weight))(rows, weight, bias)


@contextmanager
def quick_products(trunk: Any, *, writing: bool = False) -> Iterator[None]:
    """Within it the trunk's linear layers in float32 multiply as this CPU does it soonest.

    `writing` is for many passes of few rows without gradients: LoRA's matrices are merged into a copy of the
    weights, Conv1D's weights (in, out) are turned in a copy, and none of them must change meanwhile.
    """
    with ExitStack() as changed:
        for layer, forward in (_writing if writing else _reading)(trunk):
            changed.enter_context(other_forward(layer, forward))
        yield


def _writing(trunk: Any) -> "Iterator[tuple[Any, Forward]]":
    adapted = [layer for layer in trunk.modules() if _has_plain_lora(layer)]
    inner = {id(part) for layer in adapted for part in layer.modules()}
    for layer in adapted:
        yield layer, partial(linear, weight=_merged(layer), bias=layer.base_layer.bias)
    for layer in filter(_is_plain, trunk.modules()):
        if id(layer) not in inner:
            yield layer, partial(linear, weight=_out_in(layer).contiguous(), bias=layer.bias)


def _reading(trunk: Any) -> "Iterator[tuple[Any, Forward]]":
    for layer in filter(_is_plain, trunk.modules()) if _has_slow_blas() else ():
        yield layer, _read(layer, _times_rows(layer.weight))


def _read(layer: Any, product: Product) -> "Forward":
    return lambda rows: product(rows, _out_in(layer), layer.bias)


def _is_plain(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    plain = type(layer) in (torch.nn.Linear, Conv1D)
    return plain and layer.weight.device.type == "cpu" and layer.weight.dtype is torch.float32


def _has_plain_lora(layer: Any) -> bool:
    """Whether it is a linear layer with LoRA as Hu et al. 2021 have it, switched on and not merged yet."""
    if not hasattr(layer, "lora_variant") or not _is_plain(layer.base_layer):
        return False
    more = layer.lora_variant or any(layer.lora_bias.values())
    return not (more or layer.merged or layer.disable_adapters)


def _merged(layer: Any) -> "Tensor":
    """A copy of a layer's weight, (out, in), with its active adapters in it."""
    weight: Tensor = layer.base_layer.weight.detach()
    for name in layer.active_adapters:
        if name in layer.lora_A:
            weight = weight + layer.get_delta_weight(name)
    return (weight.t() if layer.fan_in_fan_out else weight).contiguous()


def _out_in(layer: Any) -> "Tensor":
    """A layer's weight as (out, in)."""
    import torch

    weight: Tensor = layer.weight if type(layer) is torch.nn.Linear else layer.weight.t()
    return weight


def _times_rows(weight: "Tensor") -> Product:
    """What multiplies many rows by a weight."""
    import torch

    thick = min(weight.shape) >= _LEAST_WIDTH
    return _times_rows_by_onednn() if thick and _has_slow_blas() else torch.nn.functional.linear


@cache
def _has_slow_blas() -> bool:
    """Whether torch multiplies with MKL on an AMD CPU, and has oneDNN for it."""
    import torch

    if platform.machine() != "x86_64" or not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return False
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and "AuthenticAMD" in _cpu()


def _cpu() -> str:
    """What the first CPU says of itself; empty where no file tells."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return ""


@cache
def _times_rows_by_onednn() -> Product:
    import torch

    def multiplied(rows: "Tensor", weight: "Tensor", bias: "Tensor | None") -> "Tensor":
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return product

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, rows: "Tensor", weight: "Tensor", bias: "Tensor | None") -> "Tensor":
            ctx.save_for_backward(rows, weight)
            return multiplied(rows, weight, bias)

        @staticmethod
        def backward(ctx: Any, *gradients: "Tensor") -> "tuple[Tensor | None, ...]":
            (above,), (rows, weight) = gradients, ctx.saved_tensors
            for_rows, for_weight, for_bias = ctx.needs_input_grad
            return (
                multiplied(above, weight.t(), None) if for_rows else None,
                above.t() @ rows if for_weight else None,
                above.sum(0) if for_bias else None,
            )

    def times(rows: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> "Tensor":
        if rows.device.type != "cpu" or rows.dtype is not torch.float32:
            return torch.nn.functional.linear(rows, weight, bias)
        flat = rows.reshape(-1, rows.shape[-1])
        product: Tensor = Linear.apply(flat, weight, bias)  # type: ignore[no-untyped-call]
        return product.view(*rows.shape[:-1], -1)

    return times
