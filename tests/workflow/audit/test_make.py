"""What the audit folder holds: sums that sha256sum checks, lineages that join up, a crate that the validator takes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.audit.crate_validator import validate
from tests.workflow.audit.tiny_run import CONFIGURATION, REPOSITORY, ROOT, make_audit

METHODS = CONFIGURATION["train"]["methods"]
SECRETS = {
    "HF_TOKEN": "hf_AbCdEfGhIjKlMnOpQrStUvWx",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "MY_PASSWORD": "correct horse battery staple",
}


@pytest.fixture
def audit(finished: Path) -> Path:
    """The audit folder of the finished run."""
    return finished / ROOT / "audit"


def read(path: Path):
    """The JSON in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def test_sha256sum_verifies_the_run_and_its_inputs(finished, audit):
    for folder, sums in ((audit, "SHA256SUMS"), (finished, f"{ROOT}/audit/inputs.SHA256SUMS")):
        checked = subprocess.run(["sha256sum", "--check", "--strict", sums], cwd=folder, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        assert len(checked.stdout.splitlines()) == len((folder / sums).read_text().splitlines())


def test_the_sums_cover_every_file(finished, audit):
    stated = {line.split("  ")[1] for line in (audit / "SHA256SUMS").read_text().splitlines()}
    of_the_run = {path for path in (finished / ROOT).rglob("*") if path.is_file() and audit not in path.parents}
    of_the_audit = {path for path in audit.rglob("*") if path.is_file() and path.name != "SHA256SUMS"}
    assert {os.path.relpath(path, audit) for path in of_the_run | of_the_audit} == stated


def test_the_run_s_facts_name_commit_command_line_and_settings(audit):
    facts = read(audit / "run.json")
    assert facts["command_line"] == ["snakemake", "audit"]
    assert facts["settings"]["train"]["steps"] == CONFIGURATION["train"]["steps"]
    assert facts["settings"]["train"]["weight_decay"] == 0.1, "defaults are filled in"
    assert facts["inputs_not_at_hand"] == []
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    assert facts["git"]["commit"] == (commit.stdout.strip() or None)


def test_the_environments_are_those_of_the_jobs(audit):
    seen = read(audit / "env.json")
    [training] = [environment for environment in seen if "megatron_cdt train" in environment["commands"]]
    assert training["torch"]["deterministic_algorithms"] is True
    assert training["variables"]["NCCL_ALGO"] == "Ring"
    assert training["packages"]["megatron-core"] == training["packages"]["megatron-core"].strip() != ""
    assert all(environment["python"] == sys.version.split()[0] for environment in seen)
    assert {"host", "processor", "driver", "gpus"} <= training.keys()


def test_documents_and_tokens_join_up_from_books_to_rows(audit):
    rows = {row["manifest"]: row for row in read(audit / "data_lineage.json")}
    packs, tokens = rows["packs/train/manifest.json"], rows["tokens/train/manifest.json"]
    assert packs["made_from"] == ["tokens/train/manifest.json"]
    assert packs["counts"]["tokens"]["in"] == tokens["counts"]["tokens"]["out"] > 0
    assert tokens["counts"]["documents"]["in"] == 2


def test_trainings_say_what_they_came_from_and_who_trained_which_steps(finished, audit):
    trainings = read(audit / "training_lineage.json")
    assert set(trainings) == {f"models/{method}" for method in METHODS}
    for training in trainings.values():
        [attempt] = training["attempts"]
        assert (attempt["first_step"], attempt["last_step"], attempt["ended"]) == (1, 10, "orderly")
        assert attempt["hosts"] == [os.uname().nodename]
        assert training["base_weights"]["files"].keys() >= {"common.pt"}
        assert training["layout"]["context"] == 1
    assert trainings["models/ce"]["base_weights"] == trainings["models/cdt"]["base_weights"]


def test_metrics_are_the_training_s_own_bytes(finished, audit):
    for method in METHODS:
        [metrics] = (finished / ROOT / f"train/{method}").glob("run-*/metrics.jsonl")
        assert (audit / f"metrics/models/{method}/metrics.jsonl").read_bytes() == metrics.read_bytes()


def test_every_command_of_the_run_is_a_job_with_its_cost(audit, commands):
    with open(audit / "jobs.tsv", encoding="utf-8") as table:
        jobs = list(csv.DictReader(table, delimiter="\t"))
    assert len(jobs) == len(commands) - 1
    assert {job["exit_code"] for job in jobs} == {"0"}
    assert all(float(job["seconds"]) > 0 and float(job["peak_memory_mib"]) > 10 for job in jobs)
    assert {"train", "tokenize", "score", "report"} <= {job["rule"] for job in jobs}


def test_replay_makes_a_stage_again_byte_for_byte(work):
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
    script = ["bash", f"{ROOT}/audit/replay.sh"]
    listed = subprocess.run(script, cwd=work, env=environment, capture_output=True, text=True, check=True)
    assert {"tokenizer", "models/ce", "report.html"} <= set(listed.stdout.splitlines())
    subprocess.run([*script, "tokenizer"], cwd=work, env=environment | {"root": "again"}, check=True, timeout=120)
    for file in (work / "again/tokenizer").iterdir():
        assert file.read_bytes() == (work / ROOT / "tokenizer" / file.name).read_bytes()


def test_the_public_validator_accepts_the_crate(audit, tmp_path):
    code, issues = validate(audit, tmp_path / "cache")
    assert (code, issues) == (0, [])


# What the validator recommends and nobody can say truthfully: a page for a workflow without a public repository, an
# absolute id for a file of the crate, Bioschemas' profile, the publisher and the employer of whoever ran it.
UNSAID = ("process-run-crate-0.5_3.2", "process-run-crate-0.5_5.1", "workflow-ro-crate-1.0_8.1", "ro-crate-1.1_22.3")
UNSAID += ("ro-crate-1.1_30.2", "ro-crate-1.1_30.3")


def test_the_public_validator_misses_only_what_nobody_knows(audit, tmp_path):
    _, issues = validate(audit, tmp_path / "cache", "recommended")
    assert [issue for issue in issues if not issue.startswith(UNSAID)] == []


def test_the_statement_names_the_results_and_what_they_were_made_from(audit):
    statement = read(audit / "provenance.intoto.json")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    sums = dict(line.split("  ")[::-1] for line in (audit / "SHA256SUMS").read_text().splitlines())
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert {"report.json", "models/ce/model.safetensors", "packs/train/pack-00000.arrow"} <= subjects.keys()
    assert all(sums[f"../{name}"] == digest for name, digest in subjects.items())
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert definition["externalParameters"]["settings"]["train"]["steps"] == CONFIGURATION["train"]["steps"]
    materials = {material["name"]: material["digest"] for material in definition["resolvedDependencies"]}
    assert {"books/train/1.txt", "tiny.yaml"} <= materials.keys()
    assert details["builder"]["id"]
    assert details["metadata"]["startedOn"] < details["metadata"]["finishedOn"]


def test_the_validator_would_have_complained(work, tmp_path):
    (work / ROOT / "audit/workflow/Snakefile").unlink()
    code, issues = validate(work / ROOT / "audit", tmp_path / "cache")
    assert code != 0
    assert issues


def test_no_secret_gets_in(work, commands):
    secrets = [*SECRETS.values(), "hunter2hunter2", "sk-abcdefghijklmnopqrstuvwx", "s3cr3t-s1gn4ture"]
    planted = json.loads(commands[-1][commands[-1].index("--settings") + 1])
    planted["fetch"] = {"book.txt": {"url": f"https://me:{secrets[4]}@host/book?signature={secrets[6]}"}}
    planted["hub"] = {"api_key": "plain-looking-value-0", "note": f"use {secrets[5]}", "folder": SECRETS["HF_TOKEN"]}
    words = list(commands[-1])
    words[words.index("--settings") + 1] = json.dumps(planted)
    line = (
        f"snakemake audit --config hf_token={SECRETS['HF_TOKEN']} --token 'another plain one' --api-key=third-value-1"
    )
    make_audit(work, words, MEGATRON_CDT_COMMAND_LINE=line, **SECRETS)
    bundle = b"".join(path.read_bytes() for path in (work / ROOT / "audit").rglob("*") if path.is_file())
    for secret in [*secrets, "plain-looking-value-0", "another plain one", "third-value-1"]:
        assert secret.encode() not in bundle, secret
    assert b"https://REDACTED@host/book?REDACTED" in bundle
