"""The workflow runs wherever a person puts it: in a folder whose name a shell would read otherwise."""

import re
import shlex

from tests.workflow.conftest import new_project
from workflow.run_config import check_folder

STRANGE = 'it\'s a $HOME of "my" `project` & ümlaut;'
# Without the apostrophe it is no hindrance for jobs of a cluster either: tests/slurm runs there.
STRANGE_ON_A_CLUSTER = STRANGE.replace("'", "")


def test_the_whole_demo_runs_in_a_folder_with_spaces_quotes_and_dollars(tmp_path):
    project = new_project(tmp_path / STRANGE / "repository")
    project.run()
    assert (project.folder / "results/demo/report.html").is_file()
    assert project.to_run() == set()


def test_every_command_of_the_demo_is_a_line_that_a_shell_reads_as_it_is_meant(fresh):
    planned = fresh.snakemake("-n", "-p", "--profile", "local", "--configfile", "config/demo.yaml").stdout
    commands = re.findall(r"^Shell command: (.*)$", planned, flags=re.MULTILINE)
    commands = [command for command in commands if command != "None"]  # targets that only collect
    assert len(commands) > 80
    for command in commands:
        words = shlex.split(command)
        assert "python" in words
        assert words.count(">") == 1
        assert not {"&&", ";", "|"} & set(words)


def test_a_folder_that_jobs_of_a_cluster_cannot_find_is_refused_in_one_line(tmp_path, slurm):
    project = new_project(tmp_path / STRANGE / "repository")
    refused = project.snakemake("--profile", "slurm", "--configfile", "config/demo.yaml", **slurm)
    assert refused.returncode == 2
    assert f"error: {project.folder}: jobs of a cluster cannot be started there" in refused.stdout
    check_folder(str(tmp_path / STRANGE_ON_A_CLUSTER))
    check_folder("/home/o'neill")
