"""RULER cells on a small tokenizer, with essays, SQuAD and HotpotQA files generated in the published formats."""

import pytest

from eval.building.context import BuildContext
from eval.settings import EvalSettings
from tests.published.ruler import write_ruler


@pytest.fixture(scope="session")
def ruler_files(tmp_path_factory, book_text) -> dict[str, str]:
    """{key of eval.data: file}; the paragraphs are a book's."""
    folder = tmp_path_factory.mktemp("ruler")
    files = write_ruler(folder, book_text)
    (folder / "english_words.txt").write_text("\n".join(f"word{number}" for number in range(20_000)))
    return {key: str(path) for key, path in files.items()} | {"english_words": str(folder / "english_words.txt")}


@pytest.fixture(scope="session")
def ruler_context(tokenizer, books_folder, ruler_files):
    """ruler_context(task, length, tokenizer=..., seed=..., **ruler settings) -> BuildContext."""

    def make(task: str, length: int, given=tokenizer, seed: int = 42, files=ruler_files, **changes) -> BuildContext:
        settings = EvalSettings.model_validate({"seed": seed, "benchmarks": {"ruler": {"samples": 1, **changes}}})
        paths = {**files, "books": str(books_folder)}
        return BuildContext("ruler", task, length, given, settings, paths, device="cpu")

    return make
