"""Signals that ask a training to save and stop, from the first line of its process on.

SIGTERM (schedulers, Kubernetes, torchrun) and SIGUSR1 (Slurm's --signal=USR1@120). Until a training has something to
save they end the process at once with 75; the launcher then passes them on, and training/loop.py saves.
Imported before anything that takes time, so it imports next to nothing. Before Python reads this, some hundredths of a
second, the kernel ends the process (exit code 138 or 143).
"""

import contextlib
import os
import signal
from collections.abc import Iterator

# EX_TEMPFAIL of sysexits.h: "try again later". The same command goes on from the checkpoint.
RESUME_EXIT_CODE = 75
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


def end_when_asked() -> None:
    """From here on a stop signal ends this process with 75, one that the launcher held back for it included."""
    for number in STOP_SIGNALS:
        signal.signal(number, end_with_nothing_to_save)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def end_with_nothing_to_save(*_signal: object) -> None:
    """Say so and end; the same command begins anew, or goes on from the last checkpoint.

    Not by an exception: libraries catch everything while they are imported, and go on with half of what they need.
    """
    if os.environ.get("RANK", "0") == "0":
        # Not print: a signal may come while something is being printed.
        os.write(2, f"stopped on a signal before the first step (exit code {RESUME_EXIT_CODE})\n".encode())
    os._exit(RESUME_EXIT_CODE)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Processes started in here hold stop signals back until they call `end_when_asked`; so does this one meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
