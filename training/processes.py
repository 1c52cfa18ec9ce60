"""The processes of a run: one by itself, or several that `accelerate launch` started.

Each process holds the whole policy, generates and differentiates its share of the rows, and sums gradients
with the others, so that they stay equal. A mean over the global batch is a sum here and one division, which
is why two processes do what one does. Left out: policies too large for one device.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tools.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")


class Processes:
    """Which process this is, of how many, and what they do together."""

    def __init__(self) -> None:
        import torch
        from accelerate import PartialState
        from accelerate.utils import parse_flag_from_env

        # without it, processes that a launcher started on a machine without GPUs do not find each other
        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
        self._state: Any = PartialState(cpu=cpu)
        self.count: int = self._state.num_processes
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started != self.count:
            raise TrainingError(
                f"{started} processes were started and {self.count} found each other: "
                "start them with `accelerate launch`, as the README says."
            )
        self.rank: int = self._state.process_index
        self.is_main: bool = self._state.is_main_process
        self.device: torch.device = self._state.device

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's items: every count-th one, beginning with its rank."""
        return list(items[self.rank :: self.count])

    def gather(self, items: list[Item]) -> list[Item]:
        """All processes' items, in the order that `share` was given them."""
        if self.count == 1:
            return items
        import torch.distributed as distributed

        shares: list[list[Item]] = [[] for _ in range(self.count)]
        distributed.all_gather_object(shares, items)
        total = sum(map(len, shares))
        return [shares[n % self.count][n // self.count] for n in range(total)]

    def sum(self, tensors: "Sequence[Tensor]") -> None:
        """Replace each tensor by its sum over all processes, in one message."""
        if self.count == 1 or not tensors:
            return
        import torch

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split_with_sizes([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Until all processes are here."""
        self._state.wait_for_everyone()
