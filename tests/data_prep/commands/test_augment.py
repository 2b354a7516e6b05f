"""From published samples to rows of pairs: tokenize, rank, augment, pack; and what each refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts import command_line
from contracts.packs import PackReader
from contracts.ranks import open_ranks
from contracts.token_files import TokensReader
from contracts.tokenizer import load_tokenizer
from contracts.tokens import MASKED
from data_prep.__main__ import COMMANDS
from eval.__main__ import COMMANDS as EVAL_COMMANDS
from tests.data_prep.conftest import TEMPLATE

NQ = Path(__file__).resolve().parents[3] / "resources" / "benchmarks" / "nq.jsonl"
QUESTIONS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer_folder) -> Path:
    """A tokenizer with a chat template, the tokens of some questions, and their ranks."""
    root = tmp_path_factory.mktemp("pairs")
    (root / "tokenizer").mkdir()
    for path in tokenizer_folder.iterdir():
        (root / "tokenizer" / path.name).write_bytes(path.read_bytes())
    (root / "tokenizer" / "chat_template.jinja").write_text(TEMPLATE)
    (root / "nq.jsonl").write_text("".join(line + "\n" for line in NQ.read_text().splitlines()[:QUESTIONS]))
    tokenize(root)
    assert rank(root) == 0
    return root


def tokenize(root: Path, output: str = "tokens", **corpus: object) -> None:
    told = json.dumps({"source": "nq", "path": str(root / "nq.jsonl"), "nq": {"distractors": 5}} | corpus)
    words = ["tokenize", "--corpus", told, "--tokenizer", root / "tokenizer", "--workers", 1, "--output", root / output]
    words += ["--settings", '{"samples": {"min_tokens": 1}}']
    assert command_line.main("data_prep", COMMANDS, [str(word) for word in words]) == 0


def rank(root: Path, tokens: str = "tokens", output: str = "ranks", **settings: object) -> int:
    told = json.dumps({"chunk_length": 20} | settings)
    words = ["rank", "--tokens", root / tokens, "--tokenizer", root / "tokenizer", "--settings", told]
    return command_line.main("eval", EVAL_COMMANDS, [str(word) for word in (*words, "--output", root / output)])


@pytest.fixture
def augment(data_prep: Callable, folder: Path, tmp_path: Path) -> Callable:
    def run(ranks: str = "ranks", tokens: str = "tokens", **settings: object):
        words = ["augment", "--input", folder / tokens, "--ranks", folder / ranks, "--tokenizer", folder / "tokenizer"]
        return data_prep(*words, "--settings", json.dumps(settings), "--output", tmp_path / "pairs")

    return run


def manifest(path: Path) -> dict:
    return json.loads((path / "manifest.json").read_text())


def test_ranks_tile_every_passage_and_the_best_chunk_is_mostly_gold(folder):
    reader = TokensReader(folder / "tokens")
    told, rankings = open_ranks(folder / "ranks", manifest(folder / "tokens")["outputs"])
    found = 0
    for index, ranking in enumerate(rankings):
        stretches = reader.spans("context_spans", index)
        assert ranking.id == reader.id(index)
        covered = np.zeros(len(reader.tokens(index)), int)
        for begin, end in ranking.chunks:
            covered[begin:end] += 1
            assert ((stretches[:, 0] <= begin) & (end <= stretches[:, 1])).sum() == 1
        assert covered.sum() == covered.max() * covered.astype(bool).sum() == np.diff(stretches).sum()
        (gold,) = reader.spans("evidence_spans", index)
        best = ranking.chunks[ranking.best(1)[0]]
        found += gold[0] <= best[0] < gold[1]
    assert told["counts"]["samples"] == index + 1 == QUESTIONS
    assert found > QUESTIONS / 2


@pytest.mark.parametrize("replace", ["mask", "drop"])
def test_pairs_are_verified_packed_and_never_parted(data_prep, augment, folder, tmp_path, replace):
    made = augment(replace=replace, share=0.3)
    assert made.code == 0
    assert "gold chunks: " in made.out
    assert data_prep("verify", tmp_path / "pairs").code == 0
    counts, before = manifest(tmp_path / "pairs")["counts"], TokensReader(folder / "tokens")
    reader = TokensReader(tmp_path / "pairs")
    tokenizer = load_tokenizer(folder / "tokenizer")
    mask_id = tokenizer.vocab_size
    masked = sum(int((reader.tokens(index) == mask_id).sum()) for index in range(len(reader)))
    assert counts["tokens"]["masked"] == masked
    assert (masked > 0) == (replace == "mask")
    assert reader.metadata.vocab_size == mask_id + (replace == "mask")
    for index in range(len(before)):
        assert reader.tokens(2 * index).tolist() == before.tokens(index).tolist()
        assert reader.id(2 * index + 1) == before.id(index) + MASKED
    length = int(reader.lengths.max()) * 4
    words = ["--input", tmp_path / "pairs", "--length", length, "--mode", "best-fit", "--output", tmp_path / "packs"]
    assert data_prep("pack", *words).code == 0
    assert data_prep("verify", tmp_path / "packs").code == 0
    assert data_prep("inspect", tmp_path / "packs", "--tokenizer", folder / "tokenizer").code == 0
    rows = list(PackReader(tmp_path / "packs"))
    names = [row.segment_documents for row in rows]
    assert all(x + MASKED == masked for row in names for x, masked in zip(row[::2], row[1::2], strict=True))
    assert sorted(x for row in names for x in row[::2]) == sorted(map(before.id, range(len(before))))
    assert any(len(row) > 2 for row in names)
    assert PackReader(tmp_path / "packs").metadata.longest == reader.lengths.max()


def test_a_pair_that_no_row_holds_and_pairs_that_would_read_each_other_are_told(data_prep, augment, refused, tmp_path):
    assert augment().code == 0
    words = ["pack", "--input", tmp_path / "pairs", "--mode", "best-fit", "--output", tmp_path / "packs"]
    assert refused(data_prep(*words, "--length", 64), "groups of 2", "pack longer rows")
    joined = json.dumps({"length": 10_000, "mode": "best-fit", "block_diagonal": False})
    assert refused(data_prep(*words, "--settings", joined), "must not read each other")


def test_the_same_input_gives_the_same_bytes(augment, tmp_path):
    files = []
    for _ in range(2):
        assert augment().code == 0
        files.append(manifest(tmp_path / "pairs"))
    assert files[0] == files[1]


def test_settings_that_do_not_fit_are_told_in_one_line(augment, refused, tmp_path):
    assert refused(augment(top_k=10_000), "top_k 10000 are to stay", "lower top_k")
    assert refused(augment(top_k=2, share=0.5), "both top_k and share")
    assert refused(augment(mask_token="<mask>"), "no special token of the tokenizer (it has ")
    assert refused(augment(mask_token=200), "no special token")
    # BOS is in every sample.
    assert refused(augment(mask_token="<s>"), "is the mask token 1", "choose a mask_token that no sample has")
    assert not (tmp_path / "pairs").exists()


def test_ranks_of_another_folder_or_changed_ones_are_told(augment, refused, folder, capsys):
    tokenize(folder, "others", nq={"distractors": 3})
    assert refused(augment(tokens="others"), "ranks of another tokens folder")
    assert rank(folder, output="changed") == 0
    lines = folder / "changed" / "ranks.jsonl"
    lines.write_text(lines.read_text().replace("0.0", "9.9", 1))
    assert refused(augment(ranks="changed"), "ranks.jsonl: absent or changed since it was made")
    assert refused(augment(ranks="tokens"), "no ranks; make them with `eval rank`")


def test_rank_refuses_tokens_without_places_and_another_tokenizer(folder, tokens_folder, tokenizer_folder, capsys):
    (folder / "books").mkdir(exist_ok=True)
    for path in tokens_folder.iterdir():
        (folder / "books" / path.name).write_bytes(path.read_bytes())
    assert rank(folder, "books", "none") == 2
    assert "does not know its samples' questions" in capsys.readouterr().err
    assert not (folder / "none").exists()
