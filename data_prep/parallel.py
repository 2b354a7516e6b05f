"""Run a function over items in worker processes; the results come back in the order of the items.

Invariants: what is computed does not depend on the number of workers; one worker means this process. Workers end
when the process that started them ends, even by kill -9.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from contracts.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, cure: str
) -> Iterator[Result]:
    """function(item) for each item, in order; `function` and items must be picklable.

    Raises what `function` raises; InputError with `cure` where the system ended a worker (out of memory).
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    # Spawned, not forked: a fork of a process whose tokenizer has started threads can hang.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool:
        raise InputError(f"a worker process was ended by the system, probably for its memory; {cure}") from None
    finally:
        pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """In a worker: end when the parent does. A worker that waits for work would not notice."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
