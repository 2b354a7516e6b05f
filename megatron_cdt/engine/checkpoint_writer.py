"""Writing a checkpoint's files in the process that holds the tensors, and in no other.

Megatron's writer forks two processes for each save and starts a server for their results, even for a save that
waits for them. Where the training is killed inside a save, those stay behind: they hold its files and locks, and
may write into the checkpoint of the next run. This strategy has the same files and the same bytes without them.
"""

import queue
from functools import partial

from megatron.core.dist_checkpointing.strategies import filesystem_async
from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from megatron.core.dist_checkpointing.strategies.filesystem_async import FileSystemWriterAsync
from megatron.core.dist_checkpointing.strategies.torch import TorchDistSaveShardedStrategy


class WriteInThisProcess(TorchDistSaveShardedStrategy):
    """Megatron's `torch_dist` format, version 1, for dist_checkpointing.save(..., sharded_strategy=...)."""

    def __init__(self) -> None:
        super().__init__("torch_dist", 1)
        # The writer takes this queue instead of asking a server process for one.
        filesystem_async._results_queue = queue.Queue()

    def _get_save_and_finalize_callbacks(self, writer, save_state_dict_ret) -> AsyncRequest:
        request = super()._get_save_and_finalize_callbacks(writer, save_state_dict_ret)
        if request.async_fn is None:
            return request
        transforms, *_ = request.async_fn.args
        return request._replace(async_fn=partial(write_buckets_here, transforms))


def write_buckets_here(transforms: list, _rank: int, write_buckets: list, results: queue.Queue) -> None:
    """Write each file in turn; `results` gets {bucket: written items}, or the first exception."""
    written = {}
    for number, bucket in enumerate(write_buckets):
        outcome, tickets = queue.Queue(), queue.Queue()
        tickets.put(number)
        FileSystemWriterAsync.write_preloaded_data(transforms, number, bucket, outcome, tickets, True)
        _, written[number] = outcome.get()
        if isinstance(written[number], Exception):
            results.put(written[number])
            return
    results.put(written)
