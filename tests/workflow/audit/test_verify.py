"""The command: exit codes, one line per difference, what it says it cannot check."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflow.audit.conftest import audit_command
from tests.workflow.audit.tampering import put
from tests.workflow.audit.tiny_run import ROOT
from workflow.audit.files import files_of_run
from workflow.audit.sums import SUMS, hash_files, sums_text

needs_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen (OpenSSH) is not installed")


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


def test_what_only_the_sums_know_is_said_to_be_self_declared(work):
    declared = audit_command(work, "verify", ROOT).stdout.splitlines()[-2]
    assert declared.startswith("self-declared: ")
    assert "2 validation losses" in declared
    assert "times of a training" in declared
    table = [line.split("\t") for line in (work / ROOT / "audit/files.tsv").read_text().splitlines()[1:]]
    known = {kind: by for _, kind, by in table}
    assert known["times of a training"] == "self-declared"
    assert known["score"] == "computed again"
    assert f"self-declared: {sum(by == 'self-declared' for _, _, by in table)} files" in declared


def key_of(folder: Path, name: str) -> Path:
    """An SSH key of its own, and a file in which it alone may sign."""
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    kind, public, _ = key.with_suffix(".pub").read_text().split()
    (folder / f"{name}.signers").write_text(f"{name}@example.org {kind} {public}\n")
    return key


@needs_ssh
def test_a_signed_audit_names_its_signer_and_no_other(work, tmp_path):
    key, _ = key_of(tmp_path, "ada"), key_of(tmp_path, "eve")
    signed = audit_command(work, "verify", ROOT, "--sign", str(key))
    assert signed.returncode == 0, signed.stdout + signed.stderr
    verified = audit_command(work, "verify", ROOT, "--signers", str(tmp_path / "ada.signers"))
    assert verified.returncode == 0, verified.stdout
    assert "signed by ada@example.org" in verified.stdout
    other = audit_command(work, "verify", ROOT, "--signers", str(tmp_path / "eve.signers"))
    assert other.returncode == 1
    assert "audit/SHA256SUMS.sig: is no signature of SHA256SUMS as it is by anybody in" in other.stdout
    assert "not checked: audit/SHA256SUMS.sig: whose signature it is" in audit_command(work, "verify", ROOT).stdout


@needs_ssh
def test_a_signature_finds_whoever_wrote_a_self_declared_file_and_its_sum_anew(work, tmp_path):
    key, run = key_of(tmp_path, "ada"), work / ROOT
    audit_command(work, "verify", ROOT, "--sign", str(key))
    timing = next(run.glob("train/ce/*/timing.jsonl"))
    lines = [json.loads(line) | {"seconds": 0.001} for line in timing.read_text().splitlines()]
    put(timing, "".join(json.dumps(line) + "\n" for line in lines).encode())
    own = [name for name in files_of_run(run / "audit") if not name.startswith(SUMS)]
    digests = hash_files(own, run / "audit")
    digests |= {f"../{name}": sha for name, sha in hash_files(files_of_run(run), run).items()}
    put(run / f"audit/{SUMS}", sums_text(digests).encode())
    assert audit_command(work, "verify", ROOT).returncode == 0, "nothing else knows it"
    found = audit_command(work, "verify", ROOT, "--signers", str(tmp_path / "ada.signers"))
    assert found.returncode == 1
    assert "audit/SHA256SUMS.sig: is no signature" in found.stdout


@needs_ssh
def test_an_audit_that_nobody_signed_is_a_difference_for_who_asks(work, tmp_path):
    key_of(tmp_path, "ada")
    verified = audit_command(work, "verify", ROOT, "--signers", str(tmp_path / "ada.signers"))
    assert verified.returncode == 1
    assert "audit/SHA256SUMS.sig: is missing: nobody signed this audit" in verified.stdout


@needs_ssh
def test_an_audit_with_a_difference_is_not_signed(work, tmp_path):
    put(work / ROOT / "report.html", b"another page")
    verified = audit_command(work, "verify", ROOT, "--sign", str(key_of(tmp_path, "ada")))
    assert verified.returncode == 1
    assert not (work / ROOT / "audit/SHA256SUMS.sig").exists()


@needs_ssh
def test_what_is_no_key_is_bad_input(work, tmp_path):
    (tmp_path / "key").write_text("no key")
    verified = audit_command(work, "verify", ROOT, "--sign", str(tmp_path / "key"))
    assert verified.returncode == 2
    assert f"error: {tmp_path / 'key'}: cannot sign" in verified.stderr
