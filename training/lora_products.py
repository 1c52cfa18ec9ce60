"""LoRA's products as a CPU does them soonest, in float32.

Multiplying by an adapter's thin matrices costs a fiftieth of the base's product; peft's forward then scales
and adds what comes of it in passes of their own over the layer's output, and autograd does it again for the
gradients. Here BLAS adds it where the base's product stands, in one pass each way. Where many tokens are
written without gradients, the adapter is merged into a copy of the weights instead. Left out: dropout, bias,
DoRA and other variants, and several adapters at once.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Product = Callable[["Tensor", "Tensor", "Tensor | None"], "Tensor"]


def has_plain_lora(layer: Any) -> bool:
    """Whether it is a layer with LoRA as Hu et al. 2021 have it, switched on and not merged yet."""
    if not hasattr(layer, "lora_variant"):
        return False
    more = layer.lora_variant or any(layer.lora_bias.values())
    return not (more or layer.merged or layer.disable_adapters)


def merged(layer: Any) -> "Tensor":
    """A copy of a layer's weight, (out, in), with its active adapters in it."""
    weight: Tensor = layer.base_layer.weight.detach()
    for name in _active(layer):
        weight = weight + layer.get_delta_weight(name)
    return (weight.t() if layer.fan_in_fan_out else weight).contiguous()


def adds_in_place(layer: Any) -> bool:
    """Whether a layer's one adapter can be added to the product of its frozen base where that stands."""
    import torch

    active = _active(layer)
    if len(active) != 1 or layer.base_layer.weight.requires_grad:
        return False
    drops = layer.training and not isinstance(layer.lora_dropout[active[0]], torch.nn.Identity)
    return not drops and layer.lora_A[active[0]].weight.dtype is torch.float32


def times_rows_with_lora(layer: Any, rows: "Tensor", weight: "Tensor", product: Product) -> "Tensor":
    """The layer on rows (..., in), its base's weight (out, in) multiplied by `product`: (..., out)."""
    (name,) = _active(layer)
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    flat = rows.reshape(-1, rows.shape[-1])
    out: Tensor = _function().apply(
        flat, weight, layer.base_layer.bias, down, up, layer.scaling[name], product
    )
    return out.view(*rows.shape[:-1], -1)


def _active(layer: Any) -> list[str]:
    return [name for name in layer.active_adapters if name in layer.lora_A]


@cache
def _function() -> Any:
    import torch

    class WithLora(torch.autograd.Function):
        """x W^T + b + scale (x A^T) B^T, with gradients for x, A (rank, in) and B (out, rank)."""

        @staticmethod
        def forward(
            ctx: Any,
            rows: "Tensor",
            weight: "Tensor",
            bias: "Tensor | None",
            down: "Tensor",
            up: "Tensor",
            scale: float,
            product: Product,
        ) -> "Tensor":
            inner = rows @ down.t()
            ctx.save_for_backward(rows, weight, down, up, inner)
            ctx.scale, ctx.product = scale, product
            return product(rows, weight, bias).addmm_(inner, up.t(), alpha=scale)

        @staticmethod
        def backward(ctx: Any, *gradients: "Tensor") -> "tuple[Tensor | None, ...]":
            (above,), (rows, weight, down, up, inner) = gradients, ctx.saved_tensors
            through = above @ up
            for_rows = (
                ctx.product(above, weight.t(), None).addmm_(through, down, alpha=ctx.scale)
                if ctx.needs_input_grad[0]
                else None
            )
            for_down = (through.t() @ rows).mul_(ctx.scale)
            for_up = (above.t() @ inner).mul_(ctx.scale)
            return for_rows, None, None, for_down, for_up, None, None

    return WithLora
