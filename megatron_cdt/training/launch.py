"""Start the processes of a run on this machine, where no launcher (torchrun) has started them.

`python -m megatron_cdt train ...` with layout.processes: 2 then just works; under `srun` with one task a node, each
task starts its node's share. The exit code is the run's: 0, 2 for bad input, 75 for "run me again", which torchrun
would turn into 1. Signals to this process are passed on to all; one that comes while they are started waits in each
until it can answer.
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

from contracts.command_line import BAD_INPUT
from megatron_cdt.engine.options import LISTENER
from megatron_cdt.stop_signals import RESUME_EXIT_CODE, STOP_SIGNALS, held_back
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

    0, or the exit code of the first that ended badly.
    """
    command = [sys.executable, "-m", "megatron_cdt", *sys.argv[1:]]
    node = node_of_step(os.environ)
    processes: list[subprocess.Popen] = []
    asked: list[int] = []
    pass_on_signals(processes, asked)
    with held_back():
        processes += start(command, environments(count, node)) if node else start_here(command, count)
    for number in asked:
        send(number, processes)
    while not (bad := [process for process in processes if process.poll()]):
        if all(process.returncode == 0 for process in processes):
            return 0
        time.sleep(POLL_SECONDS)
    end(processes)
    return exit_code([process.returncode for process in bad])


def exit_code(codes: list[int]) -> int:
    """The run's exit code from those of the processes that ended badly at about the same moment.

    Where one of them had a reason, the others only met a peer that was gone. A process that a signal ended has a
    negative code; shells write it as 128 + signal.
    """
    told = next((code for code in codes if code in (BAD_INPUT, RESUME_EXIT_CODE)), codes[0])
    return told if told > 0 else 128 - told


def pass_on_signals(processes: list[subprocess.Popen], asked: list[int]) -> None:
    """Send what comes to the processes that there are by then, and note it for those that are yet to be started.

    `held_back` does not keep a signal from other threads of this process, and libraries start some.
    """

    def pass_on(number: int, _frame: object) -> None:
        asked.append(number)
        send(number, processes)

    for number in (*STOP_SIGNALS, signal.SIGINT):
        signal.signal(number, pass_on)


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
