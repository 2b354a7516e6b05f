"""Packs: what was written is what is read, without a copy; anything else is refused in one line."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.manifest import describe_files, write_manifest
from contracts.packs import PackMetadata, PackReader, PackRow, packs_schema

METADATA = PackMetadata(
    length=8,
    alignment=2,
    padding_id=0,
    vocab_size=100,
    rows_per_batch=3,
    block_diagonal=True,
    tokenizer_digest="t",
    fingerprint="f",
)


def example_row(number: int) -> dict:
    """A row of two segments: 6 tokens of which 5 are real, and 2 real ones; odd rows have spans."""
    return {
        "input_ids": [number + place for place in range(8)],
        "segment_lengths": [6, 2],
        "segment_tokens": [5, 2],
        "segment_documents": [f"a{number}", "b"],
        "segment_starts": [0, 1 << 40],
        "label_spans": [{"start": 1, "end": 3}, {"start": 7, "end": 8}] if number % 2 else None,
        "evidence_spans": [] if number % 2 else None,
    }


def write_pack(path: Path, rows: list[dict], metadata: PackMetadata = METADATA) -> None:
    schema = packs_schema(metadata)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for begin in range(0, len(rows), metadata.rows_per_batch):
            writer.write(pa.RecordBatch.from_pylist(rows[begin : begin + metadata.rows_per_batch], schema=schema))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of 7 and 2 rows, 3 rows a batch."""
    write_pack(tmp_path / "pack-00000.arrow", [example_row(number) for number in range(7)])
    write_pack(tmp_path / "pack-00001.arrow", [example_row(number) for number in range(7, 9)])
    return tmp_path


def as_written(row: PackRow) -> dict:
    spans = {name: getattr(row, name) for name in ("label_spans", "evidence_spans")}
    return {
        "input_ids": row.input_ids.tolist(),
        "segment_lengths": row.segment_lengths.tolist(),
        "segment_tokens": row.segment_tokens.tolist(),
        "segment_documents": row.segment_documents,
        "segment_starts": row.segment_starts.tolist(),
        **{
            name: None if pairs is None else [{"start": start, "end": end} for start, end in pairs.tolist()]
            for name, pairs in spans.items()
        },
    }


def test_rows_come_back_as_written_across_batches_and_files(folder: Path) -> None:
    reader = PackReader(folder)
    assert len(reader) == 9
    assert reader.metadata == METADATA
    assert [as_written(row) for row in reader] == [example_row(number) for number in range(9)]
    assert as_written(reader.row(5)) == example_row(5)


@pytest.mark.parametrize("index", [-1, 9])
def test_a_row_outside_is_an_index_error(folder: Path, index: int) -> None:
    with pytest.raises(IndexError):
        PackReader(folder).row(index)


def test_rows_are_read_only_views_of_the_memory_map(folder: Path) -> None:
    before = pa.total_allocated_bytes()
    reader = PackReader(folder)
    row = reader.row(4)
    assert pa.total_allocated_bytes() == before
    for view in (row.input_ids, row.segment_lengths, row.segment_tokens, row.segment_starts):
        assert not view.flags.owndata
        assert not view.flags.writeable
    assert np.shares_memory(row.input_ids, reader.row(4).input_ids)


def test_a_folder_without_rows_has_length_zero(tmp_path: Path) -> None:
    write_pack(tmp_path / "pack-00000.arrow", [])
    assert len(PackReader(tmp_path)) == 0


def test_positions_start_anew_in_every_segment(folder: Path) -> None:
    assert PackReader(folder).row(0).positions().tolist() == [0, 1, 2, 3, 4, 5, 0, 1]


def test_targets_leave_out_padding_first_tokens_and_the_prompt(folder: Path) -> None:
    reader = PackReader(folder)
    assert reader.row(0).supervised_tokens().nonzero()[0].tolist() == [1, 2, 3, 4, 7]
    assert reader.row(0).target_mask().nonzero()[0].tolist() == [0, 1, 2, 3, 6]
    assert reader.row(1).supervised_tokens().nonzero()[0].tolist() == [1, 2, 7]


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    return lengths, [draw(st.integers(0, length)) for length in lengths]


@given(segmentation=segmentations())
def test_every_real_token_but_the_first_of_a_segment_is_a_target_once(segmentation: tuple) -> None:
    lengths, tokens = (np.array(values, dtype=np.int32) for values in segmentation)
    row = PackRow(
        input_ids=np.zeros(lengths.sum(), dtype=np.int32),
        segment_lengths=lengths,
        segment_tokens=tokens,
        segment_starts=np.zeros(len(lengths), dtype=np.int64),
        label_spans=None,
        evidence_spans=None,
        documents=pa.array(["d"] * len(lengths)),
    )
    assert row.target_mask().sum() == np.maximum(tokens - 1, 0).sum()
    # A target's predictor lies in the same segment: its position is the target's minus one.
    predictors = row.target_mask().nonzero()[0]
    assert (row.positions()[predictors] + 1 == row.positions()[predictors + 1]).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_file_is_refused_in_one_line(folder: Path, share: float) -> None:
    path = folder / "pack-00001.arrow"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"pack-00001\.arrow: torn"):
        PackReader(folder)


def test_a_foreign_arrow_file_is_refused(folder: Path) -> None:
    schema = pa.schema([("input_ids", pa.int32())])
    with pa.OSFile(str(folder / "pack-00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema):
        pass
    with pytest.raises(InputError, match="not packs of this version"):
        PackReader(folder)


def test_a_file_of_another_packing_is_refused(folder: Path) -> None:
    write_pack(folder / "pack-00001.arrow", [example_row(0)], replace(METADATA, fingerprint="other"))
    with pytest.raises(InputError, match=r"pack-00001\.arrow: made with other settings"):
        PackReader(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    shutil.copy(folder / "pack-00001.arrow", folder / "pack-00002.arrow")
    (folder / "pack-00001.arrow").unlink()
    with pytest.raises(InputError, match=r"pack-00001\.arrow is missing"):
        PackReader(folder)


def test_a_last_file_that_is_missing_shows_in_the_manifest(folder: Path) -> None:
    outputs = describe_files(folder.glob("*.arrow"))
    write_manifest(folder / "manifest.json", {"outputs": outputs})
    assert len(PackReader(folder)) == 9
    (folder / "pack-00001.arrow").unlink()
    with pytest.raises(InputError, match=r"pack-00001\.arrow: absent or of another size"):
        PackReader(folder)


def test_an_empty_folder_says_how_to_make_packs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="python -m data_prep pack"):
        PackReader(tmp_path)


def test_the_ids_of_a_row_alone_are_the_same_view_and_released_pages_come_back(folder: Path) -> None:
    reader = PackReader(folder)
    for index in range(9):
        ids = reader.input_ids(index)
        assert ids.tolist() == reader.row(index).input_ids.tolist() == example_row(index)["input_ids"]
        assert not ids.flags.owndata
        reader.release()
        assert ids.tolist() == example_row(index)["input_ids"]
