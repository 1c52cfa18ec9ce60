"""Matrix products in float32 as a CPU does them soonest.

Writing token by token, a CPU waits for the weights. oneDNN reads a matrix that it has packed for itself at
20 to 27 GB/s with four rows on two cores, where BLAS reads it at 10 to 20 when it comes first, as W x^T, and
at 8 as x W^T. With many rows, torch takes Intel's MKL, which is slow on AMD's CPUs: oneDNN, which torch has
as well and takes for bfloat16, multiplies GPT-2's matrices 1.2 to 1.4 times as fast there. Left out: GPUs,
bfloat16, quantized layers, which have kernels of their own, and thin matrices such as an adapter's.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.attention import attention_in_blocks
from training.lora_products import Product, adds_in_place, has_plain_lora, merged, times_rows_with_lora
from training.other_forward import other_forward

if TYPE_CHECKING:
    from torch import Tensor

MOST_ROWS = 64  # up to which rows are few; with more, both ways are the same
_LEAST_WIDTH = 128  # of a matrix that oneDNN is asked to multiply
_MOST_PACKED_BYTES = 2**31  # of copies of frozen weights; GPT-2 124M has 1 GB of them

Forward = Callable[["Tensor"], "Tensor"]


class FrozenWeights:
    """Copies of weights that never change again, packed as oneDNN reads them best when first asked for.

    A model whose copies would take too much memory keeps some of its weights as they are.
    """

    def __init__(self) -> None:
        self._copies: dict[tuple[int, tuple[int, ...]], tuple[Tensor, Tensor]] = {}
        self._bytes = 0

    def packed(self, weight: "Tensor") -> "Tensor":
        """The copy of a weight (out, in) or of a view of one, or the weight itself."""
        import torch

        key = weight.data_ptr(), weight.stride()
        if key not in self._copies:
            if self._bytes + weight.nbytes > _MOST_PACKED_BYTES:
                return weight
            self._bytes += weight.nbytes
            copy = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), MOST_ROWS)
            self._copies[key] = weight, copy  # who holds the weight keeps its address from others
        return self._copies[key][1]


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


def linear(
    rows: "Tensor", weight: "Tensor", bias: "Tensor | None" = None, frozen: FrozenWeights | None = None
) -> "Tensor":
    """A linear layer on rows (..., in) with a weight (out, in), soonest: (..., out), with gradients."""
    return (times_few_rows if are_few(rows) else _times_rows(weight, frozen))(rows, weight, bias)


@contextmanager
def quick_products(
    trunk: Any, precision: str = "fp32", *, writing: bool = False, frozen: FrozenWeights | None = None
) -> Iterator[None]:
    """Within it the trunk's linear layers in float32 multiply as this CPU does it soonest.

    In bf16 nothing changes, since autocast does so by itself.
    An adapter's product is added in place. `writing` is for many passes of few rows without gradients: the
    weights are copied as they are read best, an adapter merged into them, and none must change meanwhile.
    Weights that take no gradient are multiplied by their copies in `frozen`, where it is given.
    """
    if precision != "fp32":
        yield
        return
    with ExitStack() as changed:
        if _has_slow_blas():  # of which torch's attention asks for small products
            changed.enter_context(attention_in_blocks(trunk))
        for layer, forward in (_writing if writing else _reading)(trunk, frozen):
            changed.enter_context(other_forward(layer, forward))
        yield


def _writing(trunk: Any, frozen: FrozenWeights | None) -> "Iterator[tuple[Any, Forward]]":
    adapted, others = _layers(trunk)
    for layer in adapted:
        yield layer, for_writing(merged(layer), layer.base_layer.bias)
    for layer in others:
        yield layer, for_writing(_out_in(layer), layer.bias, None if layer.weight.requires_grad else frozen)


def for_writing(
    weight: "Tensor", bias: "Tensor | None" = None, frozen: FrozenWeights | None = None
) -> "Forward":
    """A linear layer with a copy of a weight (out, in) that is read soonest with few rows; no gradients."""
    weight = weight.detach()
    if not _has_onednn():
        return partial(linear, weight=weight.contiguous(), bias=bias)
    packed = (frozen or FrozenWeights()).packed(weight)
    return lambda rows: _by_onednn(rows, packed, bias)


def _reading(trunk: Any, frozen: FrozenWeights | None) -> "Iterator[tuple[Any, Forward]]":
    adapted, others = _layers(trunk)
    for layer in filter(adds_in_place, adapted):
        yield layer, _read_with_lora(layer, _times_rows(layer.base_layer.weight, frozen))
    for layer in others if _has_slow_blas() else ():
        yield layer, _read(layer, _times_rows(layer.weight, frozen))


def _layers(trunk: Any) -> tuple[list[Any], list[Any]]:
    """The linear layers with an adapter that is on, and those without, their own parts left out."""
    adapted = [layer for layer in trunk.modules() if has_plain_lora(layer) and _is_plain(layer.base_layer)]
    inner = {id(part) for layer in adapted for part in layer.modules()}
    return adapted, [layer for layer in trunk.modules() if _is_plain(layer) and id(layer) not in inner]


def _read_with_lora(layer: Any, product: Product) -> "Forward":
    return lambda rows: times_rows_with_lora(layer, rows, _out_in(layer.base_layer), product)


def _read(layer: Any, product: Product) -> "Forward":
    return lambda rows: product(rows, _out_in(layer), layer.bias)


def _is_plain(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    plain = type(layer) in (torch.nn.Linear, Conv1D)
    return plain and layer.weight.device.type == "cpu" and layer.weight.dtype is torch.float32


def _out_in(layer: Any) -> "Tensor":
    """A layer's weight as (out, in)."""
    import torch

    weight: Tensor = layer.weight if type(layer) is torch.nn.Linear else layer.weight.t()
    return weight


def _times_rows(weight: "Tensor", frozen: FrozenWeights | None) -> Product:
    """What multiplies many rows by a layer's weight, or by a view of it."""
    import torch

    if min(weight.shape) < _LEAST_WIDTH or not _has_slow_blas():
        return torch.nn.functional.linear
    return partial(_times_rows_by_onednn(), frozen=None if weight.requires_grad else frozen)


@cache
def _has_slow_blas() -> bool:
    """Whether torch multiplies with MKL on an AMD CPU, and has oneDNN for it."""
    import torch

    has_mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return has_mkl and _has_onednn() and "AuthenticAMD" in _cpu()


@cache
def _has_onednn() -> bool:
    """Whether torch has oneDNN's products, on a CPU for which they were measured."""
    import torch

    has_it = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    known = all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight"))
    return platform.machine() == "x86_64" and has_it and known


def _cpu() -> str:
    """What the first CPU says of itself; empty where no file tells."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return ""


def _by_onednn(rows: "Tensor", weight: "Tensor", bias: "Tensor | None") -> "Tensor":
    """A linear layer, without gradients, on rows (..., in) with a weight (out, in), packed or not."""
    import torch

    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


@cache
def _times_rows_by_onednn() -> Callable[..., "Tensor"]:
    import torch

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any, rows: "Tensor", weight: "Tensor", bias: "Tensor | None", frozen: FrozenWeights | None
        ) -> "Tensor":
            ctx.save_for_backward(rows, weight)
            ctx.held = frozen.packed if frozen else (lambda weight: weight)
            return _by_onednn(rows, ctx.held(weight), bias)

        @staticmethod
        def backward(ctx: Any, *gradients: "Tensor") -> "tuple[Tensor | None, ...]":
            (above,), (rows, weight) = gradients, ctx.saved_tensors
            for_rows, for_weight, for_bias, _ = ctx.needs_input_grad
            return (
                _by_onednn(above, ctx.held(weight.t()), None) if for_rows else None,
                of_weight(above.t(), rows.t(), weight) if for_weight else None,
                above.sum(0) if for_bias else None,
                None,
            )

    def of_weight(above: "Tensor", rows: "Tensor", weight: "Tensor") -> "Tensor":
        """The gradient of a weight (out, in) as the weight lies in memory; Conv1D's lies as (in, out)."""
        if weight.is_contiguous():
            return _by_onednn(above, rows, None)
        return _by_onednn(rows, above, None).t()

    def times(
        rows: "Tensor",
        weight: "Tensor",
        bias: "Tensor | None" = None,
        *,
        frozen: FrozenWeights | None = None,
    ) -> "Tensor":
        if rows.device.type != "cpu" or rows.dtype is not torch.float32:
            return torch.nn.functional.linear(rows, weight, bias)
        flat = rows.reshape(-1, rows.shape[-1])
        product: Tensor = Linear.apply(flat, weight, bias, frozen)  # type: ignore[no-untyped-call]
        return product.view(*rows.shape[:-1], -1)

    return times
