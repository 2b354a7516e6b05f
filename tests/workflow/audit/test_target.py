"""`snakemake audit`, as people type it."""

import json
import subprocess


def test_snakemake_audit_writes_the_folder_once(project):
    asked = ("audit", "--profile", "local", "--configfile", "config/demo.yaml")
    made = project.snakemake(*asked)
    assert made.returncode == 0, made.stdout
    audit = project.folder / "results/demo/audit"
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=audit, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
    facts = json.loads((audit / "run.json").read_text())
    assert facts["command_line"][-len(asked) :] == list(asked)
    assert facts["root"] == "results/demo"
    assert "config/demo.yaml" in (audit / "inputs.SHA256SUMS").read_text()
    assert "Nothing to be done" in project.snakemake("-n", *asked).stdout
