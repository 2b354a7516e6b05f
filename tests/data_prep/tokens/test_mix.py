"""The mix: the wanted number of each kind, no sample in two splits, every other one counted, the same bytes always."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.packs import PackReader
from contracts.token_files import TokensReader
from data_prep.commands.mix import draw, shares
from data_prep.settings import MixPart, paper_mix
from tests.data_prep.records import longalpaca_record, longmit_record, write_jsonl

SETTINGS = {
    "longmit": {"samples": 20, "validation_samples": 5, "evidence": [2, 3, 4, 5, 6]},
    "longalpaca": {"samples": 6, "validation_samples": 2},
    "seed": 7,
}


@pytest.fixture
def parts(data_prep: Callable, chat_folder: Path, tmp_path: Path) -> dict[str, Path]:
    """Tokens of 50 LongMIT records, 10 of each number of passages, and of 12 LongAlpaca ones."""
    write_jsonl(tmp_path / "mit" / "train.jsonl", [longmit_record(n, 2 + n % 5) for n in range(50)])
    (tmp_path / "LongAlpaca.json").write_text(json.dumps([longalpaca_record(n) for n in range(12)]))
    folders = {}
    for name, path in (("longmit", tmp_path / "mit"), ("longalpaca", tmp_path / "LongAlpaca.json")):
        folders[name] = tmp_path / f"{name}-tokens"
        words = ("--source", name, "--input", path, "--tokenizer", chat_folder, "--output", folders[name])
        outcome = data_prep("tokenize", *words, "--settings", '{"samples": {"min_tokens": 1}}', "--workers", 1)
        assert outcome.code == 0, outcome.err
    return folders


def mixed(data_prep: Callable, parts: dict[str, Path], output: Path, split: str = "train", **changes: dict) -> Path:
    words = [word for name, folder in parts.items() for word in ("--part", f"{name}={folder}")]
    outcome = data_prep(
        "mix", *words, "--settings", json.dumps(SETTINGS | changes), "--split", split, "--output", output
    )
    assert outcome.code == 0, outcome.err
    return output


def ids(folder: Path) -> list[str]:
    reader = TokensReader(folder)
    return [reader.id(index) for index in range(len(reader))]


def test_each_number_of_passages_is_drawn_equally_often_and_splits_share_nothing(
    data_prep: Callable, parts: dict[str, Path], tmp_path: Path
) -> None:
    train, validation = (mixed(data_prep, parts, tmp_path / split, split) for split in ("train", "validation"))
    for folder, each, alpaca in ((train, 4, 6), (validation, 1, 2)):
        reader = TokensReader(folder)
        assert np.bincount(reader.evidence_counts + 1).tolist() == [alpaca, 0, 0] + [each] * 5
        assert sum(name.startswith("longalpaca/") for name in ids(folder)) == alpaca
    assert not set(ids(train)) & set(ids(validation))
    counts = json.loads((train / "manifest.json").read_text())["counts"]
    assert counts["documents"] == {"in": 62, "out": 26, "dropped": {"drawn for another split": 7, "not drawn": 29}}
    assert counts["drawn"]["longmit"] == {f"{n} supporting passages": 4 for n in range(2, 7)}
    sets = [json.loads((folder / "manifest.json").read_text())["counts"] for folder in parts.values()]
    for kind in ("characters", "tokens"):
        assert counts[kind]["in"] == sum(told[kind]["out"] for told in sets)
        assert counts[kind]["in"] == counts[kind]["out"] + sum(counts[kind]["dropped"].values())
    assert counts["characters"]["out"] == TokensReader(train).characters.sum() > 0
    assert data_prep("verify", train).code == 0


def test_samples_are_shuffled_together_and_keep_their_tokens_and_spans(
    data_prep: Callable, parts: dict[str, Path], tmp_path: Path
) -> None:
    folder = mixed(data_prep, parts, tmp_path / "mix")
    kinds = [name.split("/")[0] for name in ids(folder)]
    assert sum(a != b for a, b in itertools.pairwise(kinds)) > 3
    assert ids(folder) != sorted(ids(folder))
    reader, readers = TokensReader(folder), {name: TokensReader(path) for name, path in parts.items()}
    for index, name in enumerate(ids(folder)):
        kind, original = name.split("/", 1)
        place = ids(parts[kind]).index(original)
        assert np.array_equal(reader.tokens(index), readers[kind].tokens(place))
        assert np.array_equal(reader.spans("label_spans", index), readers[kind].spans("label_spans", place))
        known = readers[kind].spans("evidence_spans", place)
        assert (reader.spans("evidence_spans", index) is None) == (known is None)
        assert known is None or np.array_equal(reader.spans("evidence_spans", index), known)


def test_the_seed_decides_and_nothing_else(data_prep: Callable, parts: dict[str, Path], tmp_path: Path) -> None:
    first = mixed(data_prep, parts, tmp_path / "first")
    again = mixed(data_prep, dict(reversed(parts.items())), tmp_path / "again")
    other = mixed(data_prep, parts, tmp_path / "other", seed=8)
    assert ids(first) == ids(again)
    assert (first / "tokens-00000.arrow").read_bytes() == (again / "tokens-00000.arrow").read_bytes()
    assert ids(first) != ids(other)
    assert set(ids(first)) != set(ids(other))


def test_a_mix_is_packed_without_cutting_a_sample(data_prep: Callable, parts: dict[str, Path], tmp_path: Path) -> None:
    folder = mixed(data_prep, parts, tmp_path / "mix")
    words = ("--input", folder, "--length", 4096, "--align", 8, "--mode", "best-fit", "--output", tmp_path / "packs")
    assert data_prep("pack", *words).code == 0
    assert data_prep("verify", tmp_path / "packs").code == 0
    tokens, places = TokensReader(folder), {name: index for index, name in enumerate(ids(folder))}
    seen = []
    for row in PackReader(tmp_path / "packs"):
        begins = np.cumsum(row.segment_lengths) - row.segment_lengths
        labels = [tuple(span) for span in row.label_spans.tolist()]
        evidence = [] if row.evidence_spans is None else [tuple(span) for span in row.evidence_spans.tolist()]
        for begin, count, name in zip(begins.tolist(), row.segment_tokens, row.segment_documents, strict=True):
            index = places[name]
            assert np.array_equal(row.input_ids[begin : begin + count], tokens.tokens(index))
            for found, column in ((labels, "label_spans"), (evidence, "evidence_spans")):
                spans = tokens.spans(column, index)
                for start, end in [] if spans is None else spans.tolist():
                    found.remove((begin + start, begin + end))
            seen.append(name)
        assert labels == evidence == []
    assert sorted(seen) == sorted(places)
    found = json.loads(data_prep("inspect", tmp_path / "packs", "--json").out)
    passages = found["evidence_passages"]
    assert sum(entry["count"] for entry in passages["histogram"]) == 20
    assert (passages["min"], passages["mean"], passages["max"]) == (2, 4, 6)
    assert found["evidence_places"]["max"] < 100
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        assert data_prep("inspect", tmp_path / "packs", "--plot", picture).code == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[0].read_text().count('id="axes_') == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"longmit": {"samples": 60, "evidence": [2, 3]}}, "10 of 2, 10 of 3; 30 of each are wanted; draw 20 in all"),
        ({"longalpaca": {"samples": 13, "validation_samples": 0}}, "longalpaca: 12 samples, 13 are wanted"),
        ({"longalpaca": {"samples": 0}, "longmit": {"samples": 0}}, "no samples for training"),
        ({"longmit": {"sample": 3}}, "longmit.sample"),
    ],
)
def test_too_few_candidates_are_told_in_one_line(
    data_prep: Callable, refused: Callable, parts: dict[str, Path], tmp_path: Path, changes: dict, told: str
) -> None:
    words = [word for name, folder in parts.items() for word in ("--part", f"{name}={folder}")]
    outcome = data_prep("mix", *words, "--settings", json.dumps(SETTINGS | changes), "--output", tmp_path / "mix")
    assert refused(outcome, told), outcome.err
    assert not (tmp_path / "mix").exists()


def test_a_missing_or_unknown_set_is_told(
    data_prep: Callable, refused: Callable, parts: dict[str, Path], tmp_path: Path
) -> None:
    words = ("--settings", json.dumps(SETTINGS), "--output", tmp_path / "mix")
    assert refused(data_prep("mix", "--part", f"longmit={parts['longmit']}", *words), "no --part longalpaca=FOLDER")
    assert refused(data_prep("mix", "--part", f"other={parts['longmit']}", *words), "NAME one of longmit, longalpaca")


def test_a_set_alone_needs_no_word_of_the_other(
    data_prep: Callable, refused: Callable, parts: dict[str, Path], tmp_path: Path
) -> None:
    for name, folder in parts.items():
        settings = json.dumps({name: SETTINGS[name]})
        words = ("mix", "--part", f"{name}={folder}", "--output", tmp_path / name)
        assert data_prep(*words, "--settings", settings).code == 0
        assert {kind.split("/")[0] for kind in ids(tmp_path / name)} == {name}
        assert len(ids(tmp_path / name)) == SETTINGS[name]["samples"]
        other = next(iter(parts.keys() - {name}))
        assert refused(data_prep(*words, "--settings", json.dumps({other: SETTINGS[other]})), f"no --part {other}=")
        both = ("--part", f"{other}={parts[other]}", "--settings", settings)
        assert refused(data_prep(*words, *both), f"the settings have no {other}")
    # Without settings the paper's numbers hold for the sets that are given.
    words = ("mix", "--part", f"longalpaca={parts['longalpaca']}", "--output", tmp_path / "paper")
    assert refused(data_prep(*words), "longalpaca: 12 samples, 1000 are wanted")


def test_the_default_mix_is_the_papers() -> None:
    settings = paper_mix()
    assert (settings.longmit.samples, settings.longmit.evidence) == (7000, (2, 3, 4, 5, 6))
    assert (settings.longalpaca.samples, settings.longalpaca.evidence) == (1000, ())
    assert shares(7000, 5) == [1400] * 5


@given(
    evidence=st.lists(st.integers(-1, 6), min_size=30, max_size=60),
    wanted=st.integers(0, 3),
    held=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_what_is_drawn_depends_on_the_ids_alone(evidence: list[int], wanted: int, held: int, order: object) -> None:
    names = [f"id{number}" for number in range(len(evidence))]
    part = MixPart(samples=wanted, validation_samples=held)
    drawn = draw("set", names, np.array(evidence), part, 3)
    places = list(range(len(names)))
    order.shuffle(places)
    again = draw("set", [names[p] for p in places], np.array(evidence)[places], part, 3)
    assert {split: [names[n] for n in found] for split, found in drawn.items()} == {
        split: [names[places[n]] for n in found] for split, found in again.items()
    }
    assert (len(drawn["train"]), len(drawn["validation"])) == (wanted, held)
    assert not set(drawn["train"]) & set(drawn["validation"])
