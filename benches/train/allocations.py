"""The most bytes that tensors made inside a block hold at one time.

    with PeakAllocation() as memory: ...
    memory.peak

A TorchDispatchMode sees every tensor that an operator returns, in forward and backward; a storage counts from its
birth until nothing refers to it. Scratch space inside an operator is not seen. Works on fake tensors too, so that
an implementation can be measured that would not fit into memory.
"""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakAllocation(TorchDispatchMode):
    """`now` and `peak` in bytes; tensors that existed before are not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.alive: dict[int, int] = {}
        self.foreign: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        # What goes in without having come out here is older than the block: an in-place operator returns it.
        for tensor in tensors_in((args, kwargs)):
            storage = tensor.untyped_storage()
            key = id(storage)
            if key not in self.alive and key not in self.foreign:
                self.foreign.add(key)
                weakref.finalize(storage, self.foreign.discard, key)
        output = function(*args, **(kwargs or {}))
        for tensor in tensors_in(output):
            self.count(tensor.untyped_storage())
        return output

    def count(self, storage: torch.UntypedStorage) -> None:
        """Add a storage that is new, until it dies."""
        key = id(storage)
        if key in self.alive or key in self.foreign:
            return
        self.alive[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.forget, key)

    def forget(self, key: int) -> None:
        """A storage has died."""
        self.now -= self.alive.pop(key)


def tensors_in(values: object) -> list[torch.Tensor]:
    """The tensors of nested arguments or results."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
