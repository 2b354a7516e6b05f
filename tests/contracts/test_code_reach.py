"""The hash of a command's code: every edit of what it executes changes it, no edit of anything else, no other words."""

import ast
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.code_places import REPOSITORY, ROOMS, data_files, module_source
from contracts.code_reach import Reach, code_fingerprint, reached_code
from contracts.code_syntax import module_fingerprint
from contracts.fingerprint import sha256_file
from contracts.job_record import RECORDER
from tests.contracts.mutations import mutated, reworded
from tests.copy_of_repository import copy_of_repository
from tests.megatron_cdt.training.job import make_job, train_settings

BOOK = REPOSITORY / "resources/pg19/test/860.txt"
BUILD = ("eval.commands.build", "eval.benchmarks.ruler.niah:build")
SCORE = ("eval.commands.score", "eval.benchmarks.ruler.score:score")
STAGES = {
    "tokenizer": ("data_prep.commands.tokenizer", "data_prep.sources.text"),
    "tokenize": ("data_prep.commands.tokenize", "data_prep.sources.text", "data_prep.tokens.encode:document_encoder"),
    "pack": ("data_prep.commands.pack",),
    "train": ("megatron_cdt.training.train_command", "megatron_cdt.objectives.cdt.objective"),
    "build": BUILD,
    "score": SCORE,
}
# How a command is started and written down: named there, not imported, since it changes no output.
STARTING = {"contracts.command_line", *RECORDER}
EDITS = 12


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> dict[str, dict[str, list[str]]]:
    """{stage: {module: functions that it executed}} of real commands on small inputs."""
    folder = tmp_path_factory.mktemp("traced")
    for split in ("train", "validation", "test"):
        (folder / "books" / split).mkdir(parents=True)
        (folder / "books" / split / "1.txt").write_bytes(BOOK.read_bytes()[:40_000])
    found = {}

    def run(stage: str, program: str, *words: object) -> None:
        output = folder / f"{stage}.json"
        command = [sys.executable, "-W", "ignore", "-m", "tests.contracts.traced_stage", output, program, *words]
        ended = subprocess.run([str(word) for word in command], cwd=REPOSITORY, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        found[stage] = json.loads(output.read_text())

    corpus = ("--input", folder / "books/train", "--source", "text")
    run("tokenizer", "data_prep", "tokenizer", *corpus, "--vocab-size", 400, "--output", folder / "tokenizer")
    run(
        *("tokenize", "data_prep", "tokenize", *corpus, "--tokenizer", folder / "tokenizer", "--workers", 1),
        *("--output", folder / "tokens"),
    )
    run("pack", "data_prep", "pack", "--input", folder / "tokens", "--length", 64, "--output", folder / "packs")
    settings = json.dumps({"lengths": [512], "benchmarks": {"ruler": {"samples": 2}}})
    cell = ("--benchmark", "ruler", "--task", "niah_single_1", "--length", 512)
    run(
        *("build", "eval", "build", *cell, "--tokenizer", folder / "tokenizer", "--settings", settings),
        *("--output", folder / "512.jsonl"),
    )
    samples = [json.loads(line) for line in (folder / "512.jsonl").read_text().splitlines()]
    header = {"samples_sha256": sha256_file(folder / "512.jsonl")}
    answers = [header, *({"id": row["id"], "prediction": "none"} for row in samples)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    run(
        *("score", "eval", "score", "--samples", folder / "512.jsonl", "--predictions", folder / "answers.jsonl"),
        *("--model-name", "none", "--output", folder / "score.json"),
    )
    (folder / "job").mkdir()
    job = make_job(folder / "job")
    run("train", "megatron_cdt", *job.arguments(train_settings(steps=3, checkpoint_interval=3), folder / "job/run"))
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the rooms, to be edited."""
    folder = tmp_path_factory.mktemp("tree") / "repository"
    copy_of_repository(folder, ROOMS)
    return folder


def edited(tree: Path, path: Path, text: str, roots: tuple[str, ...]) -> str:
    """The hash of some code while a file of the tree has another text."""
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(text, encoding="utf-8")
        return code_fingerprint(*roots, repository=tree)
    finally:
        path.write_text(before, encoding="utf-8")


def executed_definitions(functions: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(module, function or method) of what a stage executed, without what only runs inside of another function."""
    names = {
        (module, name.split(".<locals>")[0])
        for module, all_of in functions.items()
        if module
        for name in all_of
        if not name.startswith("<")
    }
    return sorted(pair for pair in names if "<" not in pair[1] and is_written(*pair))


def is_written(module: str, name: str) -> bool:
    """Whether a function of this name stands in the source; a dataclass's __init__ does not, a class body is none."""
    body: list[ast.stmt] = ast.parse(module_source(module).read_bytes()).body
    inner: list[ast.stmt] = []
    for part in name.split("."):
        inner = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part]
        if not inner:
            return False
        body = inner[0].body
    return isinstance(inner[0], ast.FunctionDef)


@pytest.mark.parametrize("stage", STAGES)
def test_everything_that_a_stage_executes_is_in_its_hash(traced, stage):
    reach = Reach(STAGES[stage], REPOSITORY)
    reached = {
        (module, name) for module, all_of in reach.reached.items() for made in all_of.values() for name in made.binds
    }
    executed = {(module, name.split(".")[0]) for module, name in executed_definitions(traced[stage])}
    assert len(executed) > 10
    assert {pair for pair in executed if pair[0] not in STARTING} <= reached
    loaded = {name for name in traced[stage][""] if not name.endswith(".__main__")}
    assert loaded - STARTING <= reach.executed.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_an_edit_of_what_a_stage_executes_changes_its_hash(traced, tree, stage):
    before = code_fingerprint(*STAGES[stage], repository=tree)
    candidates = [pair for pair in executed_definitions(traced[stage]) if pair[0] not in STARTING]
    drawn = random.Random(stage).sample(candidates, min(EDITS, len(candidates)))
    unseen = []
    for seed, (module, name) in enumerate(drawn):
        path = module_source(module, tree)
        text, kind = mutated(path.read_text(encoding="utf-8"), name, seed)
        if edited(tree, path, text, STAGES[stage]) == before:
            unseen.append((module, name, kind))
    assert len(drawn) >= 8
    assert not unseen


@pytest.mark.parametrize("stage", STAGES)
def test_an_edit_of_what_a_stage_cannot_reach_leaves_its_hash(tree, stage):
    reach, before = Reach(STAGES[stage], tree), code_fingerprint(*STAGES[stage], repository=tree)
    outside = [
        (module, node.name)
        for path in sorted(path for room in ROOMS for path in (tree / room).rglob("*.py"))
        for module in [".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__")]
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name not in {name for made in reach.reached.get(module, {}).values() for name in made.binds}
    ]
    near = [pair for pair in outside if pair[0] in reach.executed]
    generator = random.Random(stage)
    drawn = generator.sample(outside, EDITS) + generator.sample(near, min(4, len(near)))
    seen = []
    for seed, (module, name) in enumerate(drawn):
        path = module_source(module, tree)
        text, kind = mutated(path.read_text(encoding="utf-8"), name, seed)
        # A decorator or a base that is not known may do anything at import: such an edit counts, rightly.
        if kind not in ("decorator", "base class", "default") and edited(tree, path, text, STAGES[stage]) != before:
            seen.append((module, name, kind))
    assert len(drawn) >= EDITS
    assert not seen


def test_no_other_words_change_a_hash(tree, tmp_path):
    before = {stage: code_fingerprint(*roots, repository=tree) for stage, roots in STAGES.items()}
    other = tmp_path / "repository"
    copy_of_repository(other, ROOMS)
    for path in (path for room in ROOMS for path in (other / room).rglob("*.py")):
        path.write_text(reworded(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert {stage: code_fingerprint(*roots, repository=other) for stage, roots in STAGES.items()} == before
    modules = [name for room in ROOMS for name in modules_of(tree, room)]
    assert [module_fingerprint(name, other) for name in modules] == [module_fingerprint(name, tree) for name in modules]


def modules_of(tree: Path, room: str) -> list[str]:
    """The modules of one room."""
    paths = sorted((tree / room).rglob("*.py"))
    return [".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__") for path in paths]


def test_the_wording_of_a_task_and_its_line_in_the_registry_count(tree):
    before = code_fingerprint(*BUILD, repository=tree)
    wording = next(path for path in (tree / "eval").rglob("wording.json"))
    assert edited(tree, wording, wording.read_text(encoding="utf-8") + "\n", BUILD) != before
    registry = tree / "eval/registry.py"
    text = registry.read_text(encoding="utf-8")
    assert edited(tree, registry, text.replace('takes=("essays", "books")', 'takes=("essays",)'), BUILD) != before
    assert edited(tree, wording, wording.read_text(encoding="utf-8") + "\n", STAGES["pack"]) == code_fingerprint(
        *STAGES["pack"], repository=tree
    )


def test_every_data_file_beside_the_code_is_in_some_hash():
    packages = [REPOSITORY / room for room in ROOMS]
    beside = {file for room in packages for package in room.rglob("__init__.py") for file in data_files(package.parent)}
    modules = [name for room in ROOMS for name in modules_of(REPOSITORY, room) if not name.endswith("__main__")]
    parts = [part for definitions in reached_code(*modules).values() for part in definitions.get("", {})]
    found = {Path(part.removeprefix("file ")).name for part in parts if part.startswith("file ")}
    assert {file.name for file in beside} == found
    assert beside
