"""Packing: every token in exactly one place or counted, rows tiled by aligned segments, the same bytes every time."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.packs import PackReader
from contracts.token_files import TokensReader
from contracts.tokens import TokensMetadata, tokens_schema
from data_prep.packs import writer as pack_writer
from data_prep.packs.plan import Plan, plan_rows
from data_prep.settings import PackSettings


@st.composite
def packings(draw: st.DrawFn) -> tuple[list[int], PackSettings]:
    alignment = draw(st.integers(1, 6))
    settings = PackSettings(
        length=alignment * draw(st.integers(2 if alignment == 1 else 1, 20)),
        alignment=alignment,
        block_diagonal=draw(st.booleans()),
        rows=draw(st.none() | st.integers(1, 20)),
        shuffle_seed=draw(st.none() | st.integers(0, 3)),
    )
    return draw(st.lists(st.integers(1, 200), max_size=20)), settings


def pieces_of(plan: Plan) -> dict[int, list[tuple[int, int]]]:
    """{document: its [start, end) pieces in order}"""
    pieces: dict[int, list[tuple[int, int]]] = {}
    for document, start, tokens in zip(plan.documents, plan.starts, plan.tokens, strict=True):
        pieces.setdefault(int(document), []).append((int(start), int(start + tokens)))
    return {document: sorted(spans) for document, spans in pieces.items()}


@given(packing=packings())
def test_every_token_is_in_one_segment_or_counted_beyond_the_limit(packing: tuple) -> None:
    lengths, settings = packing
    plan = plan_rows(np.array(lengths, dtype=np.int64), settings)
    assert plan.tokens.sum() + sum(plan.dropped.values()) == sum(lengths)
    assert len(pieces_of(plan)) + sum(plan.dropped_documents.values()) == len(lengths)
    if settings.rows is None:
        assert plan.dropped == {}
        for document, spans in pieces_of(plan).items():
            starts, ends = zip(*spans, strict=True)
            assert (starts[0], ends[-1], starts[1:]) == (0, lengths[document], ends[:-1])
    else:
        assert len(plan) <= settings.rows
        for spans in pieces_of(plan).values():
            assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


@given(packing=packings())
def test_no_row_is_empty_or_holds_more_than_its_length(packing: tuple) -> None:
    lengths, settings = packing
    plan = plan_rows(np.array(lengths, dtype=np.int64), settings)
    unit = settings.alignment if settings.block_diagonal else 1
    for row in range(len(plan)):
        tokens = plan.tokens[plan.rows[row] : plan.rows[row + 1]]
        assert len(tokens)
        assert (tokens >= 1).all()
        assert (-(-tokens // unit) * unit).sum() <= settings.length


@given(packing=packings())
def test_a_document_is_cut_only_where_a_whole_row_ends(packing: tuple) -> None:
    lengths, settings = packing
    plan = plan_rows(np.array(lengths, dtype=np.int64), settings)
    assert (plan.starts % settings.length == 0).all()
    last = plan.starts + plan.tokens == np.array(lengths, dtype=np.int64)[plan.documents]
    assert (last | (plan.tokens == settings.length)).all()


@given(packing=packings())
def test_shuffling_only_changes_the_order_of_the_rows(packing: tuple) -> None:
    lengths, settings = packing

    def rows(seed: int | None) -> list[list[tuple]]:
        plan = plan_rows(
            np.array(lengths, dtype=np.int64), settings.model_copy(update={"shuffle_seed": seed, "rows": None})
        )
        segments = list(zip(plan.documents.tolist(), plan.starts.tolist(), plan.tokens.tolist(), strict=True))
        return [segments[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]

    assert sorted(rows(1)) == sorted(rows(None))
    assert rows(1) == rows(1)


def test_a_shuffle_spreads_the_rows_of_a_long_document() -> None:
    settings = PackSettings(length=10, shuffle_seed=3)
    starts = plan_rows(np.array([1000, 1000]), settings).documents
    assert 0.3 < np.mean(starts[:100]) < 0.7


def write_tokens(folder: Path, documents: list[list[int]], label_spans: list | None = None) -> TokensReader:
    schema = tokens_schema(TokensMetadata("digest", 1000, "source", "versions"))
    rows = [
        {"id": f"d{n}", "source": "test", "characters": 2 * len(ids), "input_ids": ids}
        | {"label_spans": label_spans and label_spans[n]}
        for n, ids in enumerate(documents)
    ]
    folder.mkdir(exist_ok=True)
    with pa.OSFile(str(folder / "tokens-00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for begin in range(0, len(rows), 3):
            writer.write(pa.RecordBatch.from_pylist(rows[begin : begin + 3], schema=schema))
    return TokensReader(folder)


def unpacked(folder: Path) -> dict[str, list[int]]:
    """{document: its ids}, put together again from the segments of block-diagonal rows."""
    found: dict[str, dict[int, int]] = {}
    for row in PackReader(folder):
        begins = np.cumsum(row.segment_lengths) - row.segment_lengths
        for begin, tokens, start, name in zip(
            begins, row.segment_tokens, row.segment_starts, row.segment_documents, strict=True
        ):
            ids = row.input_ids[begin : begin + tokens].tolist()
            pieces = found.setdefault(name, {})
            assert not pieces.keys() & set(range(start, start + tokens))
            pieces.update(zip(range(start, start + tokens), ids, strict=True))
    return {name: [ids[place] for place in range(len(ids))] for name, ids in found.items()}


@given(lengths=st.lists(st.integers(1, 70), max_size=12), alignment=st.sampled_from([1, 2, 4]), data=st.data())
def test_written_rows_hold_every_token_of_every_document(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], alignment: int, data: st.DataObject
) -> None:
    ids = iter(range(1, 1000))
    documents = [[next(ids) for _ in range(length)] for length in lengths]
    folder = tmp_path_factory.mktemp("packing")
    reader = write_tokens(folder / "tokens", documents)
    settings = PackSettings(length=16, alignment=alignment)
    plan = plan_rows(reader.lengths, settings)
    metadata = pack_writer.PackMetadata(16, alignment, 0, 1000, data.draw(st.integers(1, 5)), True, "digest", "f")
    assert sum(pack_writer.write_packs(folder, reader, plan, metadata)) == len(plan)
    assert unpacked(folder) == {f"d{n}": tokens for n, tokens in enumerate(documents)}
    for row in PackReader(folder):
        assert row.segment_lengths.sum() == 16
        assert (row.segment_lengths % alignment == 0).all()


def test_rows_are_spread_over_files_of_whole_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "FILE_TOKENS", 64)
    reader = write_tokens(tmp_path / "tokens", [list(range(1, 150))])
    plan = plan_rows(reader.lengths, PackSettings(length=16, shuffle_seed=None))
    metadata = pack_writer.PackMetadata(16, 1, 0, 1000, 2, True, "digest", "f")
    assert list(pack_writer.write_packs(tmp_path, reader, plan, metadata)) == [2, 2, 2, 2, 2]
    assert len(list(tmp_path.glob("pack-*.arrow"))) == 3
    assert unpacked(tmp_path) == {"d0": list(range(1, 150))}


def test_joined_rows_are_one_segment_with_the_documents_end_to_end(tmp_path: Path) -> None:
    reader = write_tokens(tmp_path / "tokens", [[1] * 5, [2] * 6])
    settings = PackSettings(length=16, alignment=4, block_diagonal=False)
    metadata = pack_writer.PackMetadata(16, 4, 0, 1000, 1, False, "digest", "f")
    list(pack_writer.write_packs(tmp_path, reader, plan_rows(reader.lengths, settings), metadata))
    (row,) = PackReader(tmp_path)
    assert row.input_ids.tolist() == [1] * 5 + [2] * 6 + [0] * 5
    assert (row.segment_lengths.tolist(), row.segment_tokens.tolist()) == ([16], [11])
    assert row.segment_documents == ["d0 + d1"]
    assert row.target_mask().sum() == 10


def test_the_command_loses_no_token_and_counts_them(tokens_folder: Path, packs_folder: Path) -> None:
    tokens = TokensReader(tokens_folder)
    assert unpacked(packs_folder) == {tokens.id(n): tokens.tokens(n).tolist() for n in range(len(tokens))}
    counts = json.loads((packs_folder / "manifest.json").read_text())["counts"]
    assert counts["tokens"] == {"in": tokens.lengths.sum(), "out": tokens.lengths.sum(), "dropped": {}}
    assert counts["rows"] * 64 == counts["padding_tokens"] + tokens.lengths.sum()


def test_a_row_limit_counts_what_it_leaves_out(data_prep: Callable, tokens_folder: Path, tmp_path: Path) -> None:
    assert (
        data_prep("pack", "--input", tokens_folder, "--length", 64, "--rows", 3, "--output", tmp_path / "p").code == 0
    )
    tokens = json.loads((tmp_path / "p" / "manifest.json").read_text())["counts"]["tokens"]
    assert len(PackReader(tmp_path / "p")) == 3
    assert tokens["in"] == tokens["out"] + tokens["dropped"]["rows beyond the limit"]


def test_the_order_in_which_books_were_written_changes_no_byte(
    data_prep: Callable, books: Path, books_written_in_another_order: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    folders = []
    for name, corpus in (("a", books), ("b", books_written_in_another_order)):
        words = ("--input", corpus, "--tokenizer", tokenizer_folder, "--output", tmp_path / f"{name}-tokens")
        assert data_prep("tokenize", *words).code == 0
        words = ("--input", tmp_path / f"{name}-tokens", "--length", 32, "--output", tmp_path / name)
        assert data_prep("pack", *words).code == 0
        folders.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert folders[0] == folders[1]


def test_the_fingerprint_follows_the_settings_and_the_tokens(
    data_prep: Callable, tokens_folder: Path, packs_folder: Path, tmp_path: Path
) -> None:
    fingerprints = {PackReader(packs_folder).metadata.fingerprint}
    for length, align, output in ((64, 4, "same"), (64, 2, "aligned"), (32, 4, "shorter")):
        words = ("--input", tokens_folder, "--length", length, "--align", align, "--output", tmp_path / output)
        assert data_prep("pack", *words).code == 0
        fingerprints.add(PackReader(tmp_path / output).metadata.fingerprint)
    assert len(fingerprints) == 3


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        ([], ["no row length", "--length L"]),
        (["--length", "10", "--align", "4"], ["length 10 is not a multiple of alignment 4", "take 12 or 8"]),
        (["--settings", '{"length": 8, "lenght": 9}'], ["lenght", "known keys: length"]),
        (["--settings", "absent.yaml"], ["absent.yaml: no such settings file"]),
    ],
)
def test_bad_settings_are_refused_in_one_line(
    data_prep: Callable, refused: Callable, tokens_folder: Path, tmp_path: Path, words: list[str], fragments: list[str]
) -> None:
    assert refused(data_prep("pack", "--input", tokens_folder, *words, "--output", tmp_path / "p"), *fragments)


def test_tokens_that_are_not_finished_torn_or_mixed_are_refused(
    data_prep: Callable, refused: Callable, tokens_folder: Path, tmp_path: Path
) -> None:
    words = ("pack", "--length", 8, "--output", tmp_path / "p", "--input")
    assert refused(data_prep(*words, tmp_path / "absent"), "no manifest", "run it again")
    path = tokens_folder / "tokens-00000.arrow"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert refused(data_prep(*words, tokens_folder), "tokens-00000.arrow", "another size")
    path.write_bytes(whole[:-10] + b"0123456789")
    assert refused(data_prep(*words, tokens_folder), "tokens-00000.arrow: torn")


def test_tokens_of_two_tokenizers_are_refused(
    data_prep: Callable, refused: Callable, tokens_folder: Path, tmp_path: Path
) -> None:
    write_tokens(tmp_path / "other", [[1, 2, 3]])
    (tokens_folder / "tokens-00001.arrow").write_bytes((tmp_path / "other" / "tokens-00000.arrow").read_bytes())
    outcome = data_prep("pack", "--input", tokens_folder, "--length", 8, "--output", tmp_path / "p")
    assert refused(outcome, "its files come from different tokenizers", "tokenize again")


def test_supervised_samples_are_never_cut(tmp_path: Path, data_prep: Callable, refused: Callable) -> None:
    write_tokens(tmp_path / "tokens", [[1, 2, 3], [4, 5]], [None, [{"start": 0, "end": 1}]])
    (tmp_path / "tokens" / "manifest.json").write_text('{"outputs": {}}')
    outcome = data_prep("pack", "--input", tmp_path / "tokens", "--length", 8, "--output", tmp_path / "p")
    assert refused(outcome, "document d1 has supervised spans")
