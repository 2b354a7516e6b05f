"""What an output may take the place of (nothing that a person put there), and manifests that are none."""

from pathlib import Path

import pytest

from contracts.code_reach import code_facts
from contracts.errors import InputError
from contracts.manifest import build_manifest, read_manifest, replaceable, write_manifest


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The output of an earlier command."""
    folder = tmp_path / "output"
    (folder / "below").mkdir(parents=True)
    outputs = {"a.arrow": {}, "below/b.arrow": {}}
    made = build_manifest(stage="pack", inputs={}, outputs=outputs, settings={}, code=code_facts(), counts={})
    write_manifest(folder / "manifest.json", made)
    for name in ("a.arrow", "below/b.arrow", ".snakemake_timestamp", ".metadata"):
        (folder / name).write_text("ours")
    return folder


def test_nothing_an_empty_folder_and_an_earlier_output_may_be_replaced(output: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "absent", tmp_path / "empty", output):
        assert replaceable(folder, "pack") == folder


def test_a_file_beside_an_earlier_output_is_not_lost(output: Path) -> None:
    (output / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"output: holds notes\.txt, .*choose another folder, or move it away"):
        replaceable(output, "pack")


def test_a_folder_without_a_manifest_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds notes"):
        replaceable(tmp_path, "pack")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_a_link_in_the_place_of_the_output_is_named(output: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    place.write_text("mine") if kind == "file" else place.symlink_to(output)
    with pytest.raises(InputError, match=f"place: a {kind}, and the output is a folder"):
        replaceable(place, "pack")


def test_the_output_of_another_command_is_not_lost(output: Path) -> None:
    with pytest.raises(InputError, match="holds what 'pack' made; choose another folder"):
        replaceable(output, "tokenize")


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b"\xff", b"{"])
def test_a_broken_manifest_is_told_in_one_line(output: Path, content: bytes) -> None:
    (output / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json.*run the step that makes"):
        read_manifest(output)
