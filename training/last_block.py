"""Spare the last block's feed-forward layer where nobody looks at what it says.

After the last attention nothing mixes positions any more, and PPO reads the trunk at response positions
alone. In GPT-2 at 512 + 128 tokens that layer at prompt positions is 4% of all multiplications. Left out: the
last attention's own projections, whose names differ from model to model.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from training.other_forward import other_forward

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def last_feed_forward_at(trunk: Any, at: "tuple[Tensor, Tensor]") -> Iterator[None]:
    """Within it, the last block's `mlp` runs at these (rows, positions) and says 0 elsewhere.

    A trunk whose blocks are not found, or have no `mlp`, runs whole.
    """
    blocks = getattr(trunk, "layers", None) or getattr(trunk, "h", None)
    layer = getattr(blocks[-1], "mlp", None) if blocks is not None else None
    if layer is None:
        yield
        return
    whole = layer.forward

    def sparse(hidden: "Tensor", *more: Any, **named: Any) -> "Tensor":
        wanted: Tensor = whole(hidden[at], *more, **named)  # (tokens, width)
        return wanted.new_zeros(hidden.shape).index_put(at, wanted)

    with other_forward(layer, sparse):
        yield
