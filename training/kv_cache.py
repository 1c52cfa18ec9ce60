"""Keys and values of a batch that grows a token at a time, in memory that is taken once.

transformers' DynamicCache copies all it holds for every token, which for GPT-2 at 600 tokens moves more bytes
than the weights do; its StaticCache attends over places that hold nothing yet. This one writes into room that
is there already and hands out a view. Left out: sliding windows, whose models read here what they also could
with a full cache.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def growing_cache(room: int) -> Any:
    """A transformers Cache for sequences of at most `room` tokens."""
    from transformers.cache_utils import Cache, DynamicLayer

    class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        """One layer: `keys` and `values` are views, (rows, heads, so far, width), of longer tensors."""

        def update(
            self, key_states: "Tensor", value_states: "Tensor", *_: Any, **__: Any
        ) -> "tuple[Tensor, Tensor]":
            if not self.is_initialized:
                self.dtype, self.device = key_states.dtype, key_states.device
                rows, heads, _unused, width = key_states.shape
                self.room = tuple(
                    states.new_empty(rows, heads, room, width_)
                    for states, width_ in ((key_states, width), (value_states, value_states.shape[-1]))
                )
                self.length, self.is_initialized = 0, True
            end = self.length + key_states.shape[-2]
            for place, states in zip(self.room, (key_states, value_states), strict=True):
                place[:, :, self.length : end] = states
            self.length = end
            return self._look()

        def batch_select_indices(self, indices: "Tensor") -> None:
            self.room = tuple(place[indices] for place in self.room)
            self._look()

        def _look(self) -> "tuple[Tensor, Tensor]":
            keys, values = (place[:, :, : self.length] for place in self.room)
            self.keys, self.values = keys, values
            return keys, values

    return Cache(layer_class_to_replicate=GrowingLayer)
