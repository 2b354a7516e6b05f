"""The profile that docs/cluster.md gives for other schedulers runs the workflow, on a stand-in for their commands."""

import os
import re
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY

# Runs the job at once, and says its number as `qsub -terse` does.
QSUB = """#!/bin/sh
echo "$@" >> "$SUBMITTED"
for last; do :; done
sh "$last" > /dev/null 2>&1
echo 17
"""


def documented_profile() -> str:
    """The example of docs/cluster.md."""
    page = (REPOSITORY / "docs/cluster.md").read_text(encoding="utf-8")
    return re.search(r"```yaml\n(executor: cluster-generic\n.*?)```", page, flags=re.DOTALL)[1]


def test_a_job_is_submitted_with_its_threads_memory_and_time(fresh, tmp_path):
    pytest.importorskip("snakemake_executor_plugin_cluster_generic", reason="an executor of its own package")
    (tmp_path / "qsub").write_text(QSUB)
    (tmp_path / "qsub").chmod(0o755)
    (fresh.folder / "grid").mkdir()
    (fresh.folder / "grid/profile.yaml").write_text(documented_profile(), encoding="utf-8")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SUBMITTED": str(tmp_path / "submitted")}
    ended = fresh.snakemake(
        *("--profile", "grid", "--configfile", "config/demo.yaml", "--seconds-between-status-checks", "1"),
        *("--", "results/demo/packs/train"),
        **environment,
    )
    assert ended.returncode == 0, ended.stdout
    assert (fresh.folder / "results/demo/packs/train/done.json").is_file()
    first = Path(environment["SUBMITTED"]).read_text().splitlines()[0]
    assert first.startswith("-terse -cwd -V -pe smp 2 -l h_vmem=2000M -l h_rt=0:60:00 ")
