"""Another version of a package runs again what computes with it, and nothing where the run keeps its own."""

import ast
import json
import sys

import pytest

from contracts.job_environment import installed_packages
from tests.workflow.conftest import REPOSITORY
from workflow.packages import COMPUTED_WITH, StagePackages

# Packages whose modules have other names, and those that decide no byte: settings, progress, curves for people.
PACKAGES = {"megatron": "megatron-core", "pytrec_eval": "pytrec-eval-terrier"}
DECIDE_NOTHING = {"pydantic", "pydantic_core", "yaml", "tqdm", "matplotlib", "tensorboard", "wandb", "jsonschema"}


def place(folder, **versions: str) -> str:
    """A folder of installed packages."""
    folder.mkdir()
    for name, version in versions.items():
        (folder / f"{name}-{version}.dist-info").mkdir()
    return str(folder)


def packages_of(stages: StagePackages, kind: str) -> dict:
    return json.loads(stages.of(kind))["packages"]


def test_a_stage_carries_the_versions_of_what_it_computes_with(tmp_path):
    stages = StagePackages("current", str(tmp_path), (place(tmp_path / "site", torch="2.13.0", transformers="5.1"),))
    assert packages_of(stages, "training") == {"torch": "2.13.0"}
    assert packages_of(stages, "answers") == {"torch": "2.13.0", "transformers": "5.1"}
    assert packages_of(stages, "data") == {}


def test_a_run_that_keeps_its_packages_goes_on_with_those_it_was_begun_with(tmp_path):
    old, new = (place(tmp_path / "old", torch="2.12.0"),), (place(tmp_path / "new", torch="2.13.0"),)
    StagePackages("current", str(tmp_path), old).keep()
    assert packages_of(StagePackages("kept", str(tmp_path), new), "training") == {"torch": "2.12.0"}
    assert packages_of(StagePackages("current", str(tmp_path), new), "training") == {"torch": "2.13.0"}


def test_a_new_run_that_keeps_its_packages_has_those_of_now(tmp_path):
    stages = StagePackages("kept", str(tmp_path), (place(tmp_path / "site", torch="2.13.0"),))
    assert packages_of(stages, "training") == {"torch": "2.13.0"}


@pytest.mark.parametrize("room", ["data_prep", "megatron_cdt", "eval"])
def test_every_package_that_a_room_imports_is_a_reason_or_decides_nothing(room):
    listed = {name.replace("-", "_") for names in COMPUTED_WITH.values() for name in names}
    foreign = {
        PACKAGES.get(module, module).replace("-", "_")
        for path in (REPOSITORY / room).rglob("*.py")
        for module in imported(path)
        if module not in sys.stdlib_module_names and not (REPOSITORY / module).is_dir()
    }
    assert foreign - DECIDE_NOTHING <= listed | {"transformer_engine_torch"}


def imported(path) -> set[str]:
    """The modules that a file imports, by the first part of their names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_what_is_named_is_installed_here_or_optional():
    installed = installed_packages(sys.path)
    optional = {"transformer-engine", "apex", "vllm"}
    assert {name for names in COMPUTED_WITH.values() for name in names} - optional <= installed.keys()
