"""BABILong cells on a small tokenizer, with bAbI files generated in the published format."""

from pathlib import Path

import pytest

from eval.building.context import BuildContext
from eval.settings import EvalSettings
from tests.published.babi import write_babi


@pytest.fixture(scope="session")
def babi_folder(tmp_path_factory) -> Path:
    """Ten tasks, all in the form of qa1."""
    folder = tmp_path_factory.mktemp("babi")
    write_babi(folder)
    return folder


@pytest.fixture(scope="session")
def babilong_context(tokenizer, books_folder, babi_folder):
    """babilong_context(task, length, tokenizer=..., files=..., **babilong settings) -> BuildContext."""

    def make(task: str, length: int, given=tokenizer, seed: int = 42, files=None, **changes) -> BuildContext:
        section = {"lengths": [length], "samples": 5, **changes}
        settings = EvalSettings.model_validate({"seed": seed, "benchmarks": {"babilong": section}})
        paths = {"books": str(books_folder), "babi": str(babi_folder), **(files or {})}
        return BuildContext("babilong", task, length, given, settings, paths, device="cpu")

    return make
