"""A Slurm for the tests of this folder, and one undisturbed run of the workflow on it.

A host can have one Slurm, so the tests that need it are in one file: pytest-xdist gives a file to one process.
"""

from collections.abc import Iterator

import pytest

from tests.slurm.site import Clone, Cluster, missing_for_slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of four idle nodes; without Slurm's packages the test is skipped."""
    if missing := missing_for_slurm():
        pytest.skip(missing)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The copy of the repository in which `snakemake --profile slurm` has run to its end; nobody changes it."""
    clone = Clone.fresh(tmp_path_factory.mktemp("slurm-runs") / "undisturbed", cluster)
    clone.run()
    return clone
