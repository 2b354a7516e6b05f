"""The command: exit codes, one line per difference, what it says it cannot check."""

import shutil

import pytest

from tests.workflow.audit.conftest import audit_command
from tests.workflow.audit.tampering import put
from tests.workflow.audit.tiny_run import ROOT


def test_an_untouched_run_is_verified(work):
    verified = audit_command(work, "verify", f"{ROOT}/audit")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.splitlines()[-1].endswith("no differences")


def test_a_run_that_has_moved_is_verified_and_its_absent_inputs_are_said(work, tmp_path):
    moved = tmp_path / "moved"
    shutil.move(work / ROOT, moved)
    verified = audit_command(tmp_path, "verify", str(moved))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "not checked: books/test/4.txt: this input is not at hand here" in verified.stdout


def test_every_difference_is_one_line_and_the_exit_code_says_it(work):
    put(work / ROOT / "report.html", b"another page")
    (work / ROOT / "logs/report.log").unlink()
    verified = audit_command(work, "verify", ROOT)
    assert verified.returncode == 1
    lines = verified.stdout.splitlines()
    assert any(line.startswith("report.html: has changed") for line in lines)
    assert "logs/report.log: is missing" in lines
    assert lines[-1].endswith("differences")


@pytest.mark.parametrize("place", ["audit/SHA256SUMS", "audit"])
def test_without_an_audit_it_is_bad_input(work, place):
    path = work / ROOT / place
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    verified = audit_command(work, "verify", ROOT)
    assert verified.returncode == 2
    assert verified.stderr.startswith("error: ")
    assert len(verified.stderr.splitlines()) == 1
