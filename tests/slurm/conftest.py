"""One Slurm for all tests of this folder, and one undisturbed run of the workflow on it.

The test processes of pytest-xdist share the cluster: the first one starts it, the last one stops it.
"""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.site import Clone, Cluster, missing_for_slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """A Slurm of four idle nodes; without Slurm's packages the test is skipped."""
    if missing := missing_for_slurm():
        pytest.skip(missing)
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    cluster = Cluster(shared / "slurm")
    change_users(shared, +1, cluster)
    yield cluster
    change_users(shared, -1, cluster)


def change_users(shared: Path, change: int, cluster: Cluster) -> None:
    """Count the test processes that use the cluster; start it for the first and stop it after the last."""
    with open(shared / "slurm-users", "a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        users = int(counter.read() or 0)
        if users == 0:
            cluster.start()
        if users + change == 0:
            cluster.stop()
        counter.truncate(0)
        counter.write(str(users + change))


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The copy of the repository in which `snakemake --profile slurm` has run to its end; nobody changes it."""
    clone = Clone.fresh(tmp_path_factory.mktemp("slurm-runs") / "undisturbed", cluster)
    clone.run()
    return clone
