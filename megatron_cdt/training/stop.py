"""Stopping in good order: a signal asks, the end of the step answers, the exit code says "run me again".

SIGTERM (schedulers, Kubernetes, torchrun) and SIGUSR1 (Slurm's --signal=USR1@120) ask to save and stop.
"""

import signal

import torch
import torch.distributed as dist

from megatron_cdt.engine.device import device

# EX_TEMPFAIL of sysexits.h: "try again later". The same command goes on from the checkpoint.
RESUME_EXIT_CODE = 75


class StopRequest:
    """Whether some process of the run was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self.ask)

    def ask(self, *_signal) -> None:
        """Note the wish; the loop sees to it after the step."""
        self.asked = True

    def by_any_rank(self) -> bool:
        """The same answer on every rank (all processes call this)."""
        flag = torch.tensor(int(self.asked), device=device())
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())
