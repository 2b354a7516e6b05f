"""Process groups: how the processes of one run share a model (tensor, pipeline, context, data).

Invariant: groups are values that are passed on. Nothing else in this project asks megatron-core's global
state for a group.
"""

import os

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
from torch.distributed.constants import default_pg_timeout

from contracts.errors import InputError
from megatron_cdt.engine.device import has_gpu, use_available_device
from megatron_cdt.engine.options import LISTENER, Layout


def start_processes(layout: Layout) -> ProcessGroupCollection:
    """Join the processes of this run and build its groups; NCCL with a GPU, gloo without.

    Works alone too: without torchrun's environment variables the world is this one process.
    Raises InputError where the number of processes does not fit the layout.
    """
    use_available_device()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if has_gpu() else "gloo", **meeting_point())
    world = dist.get_world_size()
    if world % layout.model_parallel:
        raise InputError(
            f"{world} processes do not fit tensor {layout.tensor} x pipeline {layout.pipeline} x context "
            f"{layout.context}; start a multiple of {layout.model_parallel} with torchrun --nproc-per-node"
        )
    if not parallel_state.model_parallel_is_initialized():
        parallel_state.initialize_model_parallel(
            tensor_model_parallel_size=layout.tensor,
            pipeline_model_parallel_size=layout.pipeline,
            context_parallel_size=layout.context,
        )
    if has_gpu():
        # Megatron draws a new weight from the streams that this makes; what it draws is always overwritten.
        model_parallel_cuda_manual_seed(1)
    return ProcessGroupCollection.use_mpu_process_groups()


def meeting_point() -> dict:
    """Where the processes find each other, as arguments of init_process_group.

    The socket that our own launcher holds open; else what torchrun's variables say; alone, any port.
    """
    if "RANK" not in os.environ:
        return {"init_method": "tcp://127.0.0.1:0", "rank": 0, "world_size": 1}
    if LISTENER not in os.environ:
        return {"init_method": "env://"}
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # The process that leads takes the socket over; what the others have inherited of it must not outlive it.
    listener = int(os.environ.pop(LISTENER))
    if rank != 0:
        os.close(listener)
    store = dist.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world,
        is_master=rank == 0,
        timeout=default_pg_timeout,
        master_listen_fd=listener if rank == 0 else None,
    )
    return {"store": store, "rank": rank, "world_size": world}


def stop_processes() -> None:
    """Leave the groups; a later start_processes may choose another layout."""
    parallel_state.destroy_model_parallel()
    if dist.is_initialized():
        dist.destroy_process_group()


def sum_over(tensor: torch.Tensor, *groups: dist.ProcessGroup) -> torch.Tensor:
    """The sum of `tensor` over the processes of every group in turn, as a new tensor (no gradient flows through)."""
    total = tensor.detach().clone()
    for group in groups:
        if group.size() > 1:
            dist.all_reduce(total, group=group)
    return total
