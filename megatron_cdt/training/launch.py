"""Start the processes of a run on this machine, where no launcher (torchrun) has started them.

`python -m megatron_cdt train ...` with layout.processes: 2 then just works; under `srun` with one task a node, each
task starts its node's share. The exit code is the run's: 0, 2 for bad input, 75 for "run me again", which torchrun
would turn into 1. Signals to this process are passed on to all.
Invariant: when one process ends badly, or this one is killed, none is left behind.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

from megatron_cdt.engine.options import LISTENER
from megatron_cdt.training.node import Node, node_of_step, processes_of_node

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
# When one process fails, the others usually notice within a second; then they are killed.
PATIENCE_SECONDS = 10.0


def is_launched() -> bool:
    """Whether a launcher has told this process its rank."""
    return "RANK" in os.environ


def launch_processes(count: int) -> int:
    """Run this very command as `count` processes, or as this node's share of them.

    The exit code is that of the first that ended badly, or 0.
    """
    command = [sys.executable, "-m", "megatron_cdt", *sys.argv[1:]]
    node = node_of_step(os.environ)
    processes = start(command, environments(count, node)) if node else start_here(command, count)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda given, _frame: send(given, processes))
    while not (bad := [process for process in processes if process.poll()]):
        if all(process.returncode == 0 for process in processes):
            return 0
        time.sleep(POLL_SECONDS)
    end(processes)
    # A process that a signal ended has a negative code; shells write it as 128 + signal.
    return bad[0].returncode if bad[0].returncode > 0 else 128 - bad[0].returncode


def start_here(command: list[str], count: int) -> list[subprocess.Popen]:
    """All processes of a run on this machine.

    They meet at a socket that is open from here on: a port that is only found free may be gone before torch, which
    takes seconds to import, listens there.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        node = Node(0, 1, *listener.getsockname())
        told = {LISTENER: str(listener.fileno())}
        return start(command, (each | told for each in environments(count, node)), listener.fileno())


def start(command: list[str], variables: Iterable[dict[str, str]], *inherited: int) -> list[subprocess.Popen]:
    """The command once with each set of variables, and with these open files."""
    return [subprocess.Popen(command, env=each, pass_fds=inherited) for each in variables]


def environments(count: int, node: Node) -> Iterator[dict[str, str]]:
    """The variables that torch.distributed reads (env://), for each process of a node."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": node.address, "MASTER_PORT": str(node.port)}
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    for local_rank, rank in enumerate(processes_of_node(count, node)):
        yield os.environ | threads | shared | {"RANK": str(rank), "LOCAL_RANK": str(local_rank)}


def send(number: int, processes: list[subprocess.Popen]) -> None:
    """Pass a signal on to the processes that still run."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def end(processes: list[subprocess.Popen]) -> None:
    """Wait for the others to notice that one has ended, then kill those that hang."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(POLL_SECONDS)
    send(signal.SIGKILL, processes)
    for process in processes:
        process.wait()


def die_with_launcher() -> None:
    """Ask Linux to kill this process when its launcher dies, so that no orphan goes on writing a run folder."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
