"""Run a function over items in worker processes; the results come back in the order of the items.

Invariant: what is computed does not depend on the number of workers. One worker means this process.
"""

import multiprocessing
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
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool:
        raise InputError(f"a worker process was ended by the system, probably for its memory; {cure}") from None
    finally:
        pool.shutdown(cancel_futures=True)
