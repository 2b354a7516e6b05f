"""The processes that one launcher starts on a machine meet at a port that nobody can take from them."""

import sys

import pytest

from megatron_cdt.training.launch import end, exit_code, start_here

# What a process of a run does first; then each says what it got from the other.
MEET = """
import torch, torch.distributed as dist
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import start_processes, stop_processes, sum_over
start_processes(Layout())
total = sum_over(torch.tensor([1.0 + dist.get_rank()]), dist.group.WORLD)
stop_processes()
assert total.item() == 3.0
"""
# Says whether the port could be listened on by somebody else while the processes were on their way.
LISTENS = """
import os, socket, sys
try:
    socket.create_server((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))).close()
except OSError:
    sys.exit(0)
sys.exit(1)
"""


def codes(script: str) -> list[int]:
    """The exit codes of two processes that run a script as those of a run do."""
    processes = start_here([sys.executable, "-W", "ignore", "-c", script], 2)
    try:
        return [process.wait(timeout=240) for process in processes]
    finally:
        end(processes)


@pytest.mark.parametrize("script", [LISTENS, MEET], ids=["taken", "met"])
def test_they_meet_at_a_port_that_is_theirs_from_the_start(script):
    assert codes(script) == [0, 0]


@pytest.mark.parametrize(
    ("codes", "told"), [([1, 75], 75), ([-6, 2], 2), ([-9, 1], 137), ([1], 1), ([75, 75], 75), ([-10], 138)]
)
def test_the_exit_code_is_that_of_the_process_that_had_a_reason(codes, told):
    assert exit_code(codes) == told
