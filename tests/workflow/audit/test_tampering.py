"""Whoever changes one thing of a finished run is found out, and what was changed is named."""

import random
import shutil
from pathlib import Path

import pytest

from tests.workflow.audit.conftest import linked_copy
from tests.workflow.audit.tampering import CHAINED, HASHED
from tests.workflow.audit.tiny_run import REPOSITORY, ROOT
from workflow.audit.files import files_of_run
from workflow.audit.provenance import CODE_FILES, CODE_FOLDERS
from workflow.audit.run import Difference
from workflow.audit.sums import SUMS, hash_files, sums_text
from workflow.audit.verify_command import find_differences, open_audit

TAMPERERS = CHAINED | HASHED
TAMPERINGS = len(CHAINED | HASHED)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that the audit speaks of; nobody changes it."""
    folder = tmp_path_factory.mktemp("repository")
    for name in CODE_FOLDERS:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in CODE_FILES:
        shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def differences(work: Path, code: Path = REPOSITORY) -> list[Difference]:
    """What verify finds."""
    return list(find_differences(open_audit(work / ROOT / "audit", code)))


def seal_again(run_folder: Path) -> None:
    """Write SHA256SUMS anew, as somebody would who covers up a change."""
    audit = run_folder / "audit"
    digests = hash_files([name for name in files_of_run(audit) if name != SUMS], audit)
    digests |= {f"../{name}": sha for name, sha in hash_files(files_of_run(run_folder), run_folder).items()}
    (audit / SUMS).unlink()
    (audit / SUMS).write_text(sums_text(digests))


def names(found: list[Difference], path: str) -> bool:
    """Whether some difference names a file, or a file in that folder."""
    return any(difference.path == path or difference.path.startswith(f"{path}/") for difference in found)


def test_nothing_is_found_in_an_untouched_run(finished, repository):
    assert differences(finished) == []
    assert differences(finished, repository) == []


@pytest.mark.parametrize("seed", range(TAMPERINGS))
def test_tampering_is_found_and_named(seed, work, repository, tmp_path):
    kind = list(TAMPERERS)[seed % len(TAMPERERS)]
    code = linked_copy(repository, tmp_path / "code")
    changed = TAMPERERS[kind](work, code, random.Random(seed))
    found = differences(work, code)
    assert names(found, changed), f"{kind}: {changed} is not among {found}"


@pytest.mark.parametrize("kind", CHAINED)
def test_tampering_is_found_though_the_sums_are_written_anew(kind, work):
    changed = CHAINED[kind](work, REPOSITORY, random.Random(kind))
    seal_again(work / ROOT)
    found = differences(work)
    assert names(found, changed), f"{kind}: {changed} is not among {found}"
