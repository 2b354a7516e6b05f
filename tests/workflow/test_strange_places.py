"""The workflow runs wherever a person puts it: in a folder whose name a shell would read otherwise."""

import re
import shlex

from tests.workflow.conftest import new_project

STRANGE = 'it\'s a $HOME of "my" `project` & ümlaut;'


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
