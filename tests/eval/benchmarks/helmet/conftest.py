"""HELMET's data folder in small."""

from pathlib import Path

import pytest

from tests.published.helmet import write_helmet


@pytest.fixture(scope="session")
def helmet_folder(tmp_path_factory, book_text) -> Path:
    """HELMET's `data/` folder in small; texts are of a public-domain book."""
    folder = tmp_path_factory.mktemp("helmet")
    write_helmet(folder, book_text)
    return folder
