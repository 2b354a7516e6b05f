"""One launcher a node under srun: which ranks it starts, and where all meet."""

import pytest

from contracts.errors import InputError
from megatron_cdt.training.launch import environments
from megatron_cdt.training.node import Node, first_host, node_of_step, processes_of_node

STEP = {
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "gpu[003-004]",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "123456",
}


def test_the_meeting_point_is_the_first_node_and_a_port_of_the_job():
    assert node_of_step(STEP) == Node(number=1, nodes=2, address="gpu003", port=23456)


def test_a_given_meeting_point_is_taken():
    node = node_of_step(STEP | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "7000"})
    assert (node.address, node.port) == ("10.0.0.1", 7000)


@pytest.mark.parametrize(
    "variables",
    [{}, STEP | {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NUM_TASKS": "1"}, STEP | {"SLURM_STEP_NUM_TASKS": "16"}],
    ids=["no Slurm", "one node", "a task for every GPU"],
)
def test_elsewhere_a_launcher_has_no_other_nodes(variables):
    assert node_of_step(variables) is None


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node7", "node1"),
        ("gpu[003-007,9],login", "gpu003"),
        ("rack[2-3]-gpu[1,4]", "rack2-gpu1"),
        ("a-1.cluster.org", "a-1.cluster.org"),
    ],
)
def test_the_first_host_of_slurm_s_shorthand(nodes, first):
    assert first_host(nodes) == first


def test_the_nodes_share_all_ranks_in_order():
    nodes = [Node(number, 4, "a", 1) for number in range(4)]
    assert [rank for node in nodes for rank in processes_of_node(8, node)] == list(range(8))


def test_ranks_that_cannot_be_shared_equally_are_refused_with_the_cure():
    with pytest.raises(InputError, match="set `nodes` and `tasks`"):
        processes_of_node(8, Node(0, 3, "a", 1))


def test_a_process_is_told_its_rank_among_all_and_on_its_node():
    told = list(environments(4, Node(1, 2, "gpu003", 23456)))
    assert [(one["RANK"], one["LOCAL_RANK"]) for one in told] == [("2", "0"), ("3", "1")]
    assert {(one["WORLD_SIZE"], one["MASTER_ADDR"], one["MASTER_PORT"]) for one in told} == {("4", "gpu003", "23456")}
