"""Megatron-core on a machine without a GPU: "cuda" means "cpu" here, and nowhere else.

Megatron-core asks for CUDA devices by name in its optimizers, gradient buffers and RNG tracker. Where
torch sees no GPU, `use_available_device()` gives those calls CPU answers; where there is one, it only
selects this process's GPU. Every stand-in of the project is in this file.

Invariant: the numbers are torch's own CPU numbers; only names of devices are rewritten.
"""

import contextlib
import os

import torch
from torch.overrides import TorchFunctionMode


class CudaNamesMeanCpu(TorchFunctionMode):
    """Rewrite device="cuda" to "cpu" and drop pin_memory in every torch call made under it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if "cuda" in str(kwargs.get("device", "")):
            kwargs["device"] = "cpu"
        kwargs.pop("pin_memory", None)
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.type and len(args) == 1 and not kwargs:
            # clip_grads and the distributed optimizer compare this with the names of CUDA tensor types.
            return func(*args).replace("torch.", "torch.cuda.", 1)
        return func(*args, **kwargs)


def has_gpu() -> bool:
    """Whether this process trains on a GPU (torch.cuda.is_available)."""
    return torch.cuda.is_available()


def device() -> torch.device:
    """The device of this process's tensors."""
    return torch.device("cuda", torch.cuda.current_device()) if has_gpu() else torch.device("cpu")


def use_available_device() -> None:
    """Select this process's GPU, or install the CPU stand-ins (once; later calls change nothing)."""
    if has_gpu():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    elif not getattr(torch.cuda, "stands_for_cpu", False):
        install_cpu_stand_ins()


def install_cpu_stand_ins() -> None:
    """Give the torch.cuda calls that megatron-core makes on every path a CPU answer."""
    torch.cuda.current_device = lambda: "cpu"
    torch.cuda.set_device = lambda *_: None
    torch.cuda.synchronize = lambda *_: None
    torch.cuda.empty_cache = lambda: None
    torch.cuda.current_stream = lambda *_: CpuStream()
    torch.cuda.default_stream = lambda *_: CpuStream()
    torch.cuda.manual_seed = lambda seed: None
    torch.cuda.get_rng_state = lambda *_, **__: torch.get_rng_state()
    torch.cuda.set_rng_state = lambda state, *_, **__: torch.set_rng_state(state)
    torch.cuda.stands_for_cpu = True

    from megatron.core.tensor_parallel import random as megatron_random

    megatron_random._get_cuda_rng_state = lambda *_, **__: torch.get_rng_state()
    megatron_random._set_cuda_rng_state = lambda state, *_, **__: torch.set_rng_state(state)
    # Dropout is 0 and weights come from a checkpoint: no stream of random numbers needs forking.
    megatron_random.CudaRNGStatesTracker.fork = lambda self, *_, **__: contextlib.nullcontext()


class CpuStream:
    """A stream that is always in order: waiting for it is nothing to do."""

    def wait_stream(self, _other) -> None:
        return None

    def synchronize(self) -> None:
        return None


def megatron_calls() -> contextlib.AbstractContextManager:
    """The context in which megatron-core code that names CUDA devices must run; free on a GPU."""
    return contextlib.nullcontext() if has_gpu() else CudaNamesMeanCpu()
