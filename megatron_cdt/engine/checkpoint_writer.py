"""Writing a checkpoint's files in the process that holds the tensors, and in no other.

Megatron's writer forks two processes for each save and starts a server for their results, even for a save that
waits for them. Where the training is killed inside a save, those stay behind: they hold its files and locks, and
may write into the checkpoint of the next run. This strategy has the same files and the same bytes without them.
A planned save is written at once, or staged first and then written by a thread while its tensors change.
"""

import inspect
import queue
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.strategies import filesystem_async
from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from megatron.core.dist_checkpointing.strategies.filesystem_async import FileSystemWriterAsync
from megatron.core.dist_checkpointing.strategies.torch import TorchDistSaveShardedStrategy

from megatron_cdt.engine.megatron_versions import writer_of_megatron


class WriteInThisProcess(TorchDistSaveShardedStrategy):
    """Megatron's `torch_dist` format, version 1, for dist_checkpointing.save(..., sharded_strategy=...)."""

    def __init__(self) -> None:
        super().__init__("torch_dist", 1)
        # The writer takes this queue instead of asking a server process for one.
        filesystem_async._results_queue = queue.Queue()

    def _get_save_and_finalize_callbacks(self, writer, save_state_dict_ret, *strategy) -> AsyncRequest:
        request = super()._get_save_and_finalize_callbacks(writer, save_state_dict_ret, *strategy)
        if request.async_fn is None:
            return request
        transforms, *_ = request.async_fn.args
        return request._replace(async_fn=partial(write_buckets_here, transforms))


@dataclass(frozen=True)
class PlannedSave:
    """A checkpoint of which every process knows what it writes where, and nothing is written."""

    request: AsyncRequest

    def stage(self) -> None:
        """Copy what is to be written to the host's memory, tensor by tensor: the originals may change from now on."""
        for _, _, (_, tensors) in self.request.async_fn_args[1] if self.request.async_fn else ():
            for place, (item, tensor) in enumerate(tensors):
                tensors[place] = item, tensor.to("cpu", copy=True)

    def write(self) -> None:
        """Write this process's files and bring them to disk: no communication. `finish` raises what goes wrong."""
        if self.request.async_fn:
            rank, buckets, results = self.request.async_fn_args
            self.request.async_fn(rank, on_host(buckets), results)

    def finish(self) -> None:
        """Write the index, once every process has written (all processes call this).

        Raises torch's CheckpointException where one could not.
        """
        for finalize in self.request.finalize_fns:
            finalize()


def plan_save(state: dict, folder: Path) -> PlannedSave:
    """Share a sharded state out over files of `folder`, an empty folder (all processes call this)."""
    strategy = WriteInThisProcess()
    request = dist_checkpointing.save(state, str(folder), strategy, async_sharded_save=True, **writer_of_megatron())
    return PlannedSave(request)


def on_host(buckets: list) -> list:
    """The same buckets with every tensor in the host's memory; what is there already is not copied."""
    return [
        (file, key, (objects, [(item, tensor.to("cpu")) for item, tensor in tensors]))
        for file, key, (objects, tensors) in buckets
    ]


# Megatron's own switches garbage collection off for the whole process, because it expects to be in a forked one.
write_file = inspect.unwrap(FileSystemWriterAsync.write_preloaded_data)


def write_buckets_here(transforms: list, _rank: int, write_buckets: list, results: queue.Queue) -> None:
    """Write each file in turn; `results` gets {bucket: written items}, or the first exception."""
    written = {}
    for number, bucket in enumerate(write_buckets):
        outcome, tickets = queue.Queue(), queue.Queue()
        tickets.put(number)
        write_file(transforms, number, bucket, outcome, tickets, True)
        _, written[number] = outcome.get()
        if isinstance(written[number], Exception):
            results.put(reason_of(written[number]))
            return
    results.put(written)


def reason_of(error: BaseException) -> BaseException:
    """What the disk said; torch's zip writer answers it with an error about its own position."""
    told = error
    while told and not isinstance(told, OSError):
        told = told.__context__
    return told or error
