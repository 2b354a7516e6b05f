"""Which node of a training this launcher leads: `srun` starts one on each, and all meet at the first node.

    srun --nodes=2 --ntasks=2 python -m megatron_cdt train ...        inside a Slurm job of two nodes

in : the variables that Slurm gives the tasks of such a step
out: the place of this launcher among the nodes, and the address at which all processes meet
Invariant: every launcher of a step finds the same address, without talking to the others.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.errors import InputError

# Outside the range from which Linux takes ports for outgoing connections (32768 and above).
FIRST_PORT, PORTS = 20000, 10000


@dataclass(frozen=True)
class Node:
    """One of the nodes of a training."""

    number: int  # from 0
    nodes: int
    address: str  # of node 0: a host name
    port: int


def node_of_step(variables: Mapping[str, str]) -> Node | None:
    """The node that this launcher leads; None where it is no task of a step with one task on each of several nodes."""
    nodes = int(variables.get("SLURM_STEP_NUM_NODES", 1))
    if nodes == 1 or variables.get("SLURM_STEP_NUM_TASKS") != str(nodes):
        return None
    address = variables.get("MASTER_ADDR") or first_host(variables["SLURM_STEP_NODELIST"])
    port = int(variables.get("MASTER_PORT") or FIRST_PORT + int(variables["SLURM_JOB_ID"]) % PORTS)
    return Node(int(variables["SLURM_NODEID"]), nodes, address, port)


def first_host(node_list: str) -> str:
    """The first name of a Slurm node list: gpu[003-007,9],login -> gpu003."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])+", node_list)
    if not first:
        raise InputError(f"Slurm's list of nodes is {node_list!r}; set MASTER_ADDR to the first node's name")
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first[0])


def processes_of_node(processes: int, node: Node) -> range:
    """The ranks that one node runs: an equal share, in the order of the nodes."""
    if processes % node.nodes:
        raise InputError(
            f"layout.processes {processes} cannot be shared equally by {node.nodes} nodes; "
            f"set `nodes` and `tasks` of the training in the profile to a divisor of it"
        )
    share = processes // node.nodes
    return range(node.number * share, (node.number + 1) * share)
