"""Run a function in several processes of one group (gloo), as torchrun would start them.

    by_rank = run_distributed(train_a_step, 2, folder)        # calls train_a_step(folder) in each process

The function must be a module-level one of a test file, and its arguments and result must pickle. A failure in any
process fails the test with that process's traceback; nothing outlives `timeout` seconds.
"""

import multiprocessing
import os
import socket
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_cdt.engine.parallel import Layout, start_processes

POLL_SECONDS = 0.05
# A server that has imported the slow modules once forks the processes of every test.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["megatron_cdt.huggingface.weights", "transformers.models.llama.modeling_llama"])


def run_distributed(function: Callable, processes: int, *arguments: object, timeout: float = 120) -> list:
    """What `function(*arguments)` returned in each of `processes` processes, by rank."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        workers = [
            FORKS.Process(target=work, args=(function, arguments, rank, processes, port, folder))
            for rank in range(processes)
        ]
        for worker in workers:
            worker.start()
        try:
            wait_for(workers, Path(folder), timeout)
        finally:
            for worker in workers:
                worker.kill()
                worker.join()
        return [torch.load(Path(folder) / f"{rank}.result", weights_only=False) for rank in range(processes)]


def start_layout(layout: Layout) -> ProcessGroupCollection:
    """The groups of `layout`, in a process that may have had others; the connections between processes stay.

    To stop and start processes anew would race: one process could meet another's old rendezvous.
    """
    parallel_state.destroy_model_parallel()
    return start_processes(layout)


def work(function: Callable, arguments: tuple, rank: int, processes: int, port: int, folder: str) -> None:
    """One process: torchrun's environment, one thread, then the function; its result or traceback into a file."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    torch.set_num_threads(1)
    try:
        result = function(*arguments)
        torch.save(result, Path(folder) / f"{rank}.result")
        if dist.is_initialized():
            # A process that leaves early would cut the connections that others still use.
            dist.barrier()
    except BaseException:
        (Path(folder) / f"{rank}.error").write_text(traceback.format_exc())
        raise


def wait_for(workers: list, folder: Path, timeout: float) -> None:
    """Return when all have ended well; the first failure, or the timeout, raises with what is known."""
    deadline = time.monotonic() + timeout
    while any(worker.is_alive() for worker in workers):
        if any(worker.exitcode for worker in workers) or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    errors = [f"process {file.stem}:\n{file.read_text()}" for file in sorted(folder.glob("*.error"))]
    codes = [worker.exitcode for worker in workers]
    if any(code != 0 for code in codes):
        raise AssertionError("\n".join([f"exit codes by rank (None: still running, stopped): {codes}", *errors]))


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def results_by_layout(
    every_case: Callable, folder: Path, processes_of: Mapping[str, int]
) -> Callable[[str], tuple[dict, ...]]:
    """By layout, the results of its processes; all layouts of as many processes are run when the first is asked for."""

    @cache
    def of_processes(count: int) -> dict[str, tuple[dict, ...]]:
        names = [name for name, processes in processes_of.items() if processes == count]
        by_process = run_distributed(every_case, count, folder, names, timeout=300)
        return dict(zip(names, zip(*by_process, strict=True), strict=True))

    return lambda name: of_processes(processes_of[name])[name]
