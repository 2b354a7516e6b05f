"""Reports as rows, and their key tokens found by an evaluator with a tokenizer of its own."""

import json
import math
import shutil
from pathlib import Path

import pyarrow
import pytest
import sentencepiece
from pyarrow import parquet

from contracts.errors import InputError
from contracts.tokenizer import load_tokenizer
from eval.benchmarks.longppl import build as longppl
from eval.benchmarks.longppl.score import score
from eval.benchmarks.perplexity import build as perplexity
from tests.real_records import REAL_RECORDS

REPORTS = REAL_RECORDS / "govreport/leval_gov_report_summ.jsonl"
OPTIONS = {"tasks": ["govreport"], "govreport": {"samples": 2, "least_tokens": 400}}
KEYS = {"window": 64, "stride": 32, "alpha": 0.05, "beta": -20.0}


@pytest.fixture(scope="module")
def reports(book_text) -> list[str]:
    """A short text and three long ones."""
    return [book_text[:500], *(book_text[start : start + 4000] for start in (1000, 6000, 11000))]


@pytest.fixture(scope="module")
def reports_file(tmp_path_factory, reports) -> Path:
    """The texts as the hub's GovReport has them."""
    path = tmp_path_factory.mktemp("govreport") / "test.jsonl"
    path.write_text("".join(json.dumps({"report": text, "summary": "s"}) + "\n" for text in reports), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def other_tokenizer(tmp_path_factory, book_text) -> Path:
    """A tokenizer with larger pieces than that of the models."""
    folder = tmp_path_factory.mktemp("other")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in book_text[20_000:].split("\n") if line),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=400,
        model_type="unigram",
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    return folder


@pytest.fixture(scope="module")
def foreign_evaluator(tmp_path_factory, model_folder, other_tokenizer) -> Path:
    """The tiny model, reading by the other tokenizer."""
    folder = tmp_path_factory.mktemp("evaluator") / "model"
    shutil.copytree(model_folder, folder)
    shutil.copy(other_tokenizer / "tokenizer.model", folder)
    return folder


def test_the_first_long_reports_are_cut_one_token_short_of_the_length(context_of, reports_file, reports, tokenizer):
    built = perplexity.govreport(context_of("perplexity", "govreport", 300, OPTIONS, data={"govreport": reports_file}))
    assert [row["report"] for row in built.rows] == [1, 2]
    for row in built.rows:
        assert row["input_ids"] == tokenizer.encode(reports[row["report"]])[:299]
    with_bos = context_of(
        "perplexity", "govreport", 300, OPTIONS, {"begin_with_bos": True}, data={"govreport": reports_file}
    )
    assert [len(row["input_ids"]) for row in perplexity.govreport(with_bos).rows] == [300, 300]


def test_every_published_form_gives_the_same_rows(context_of, reports_file, reports, tokenizer, tmp_path):
    expected = perplexity.govreport(
        context_of("perplexity", "govreport", 300, OPTIONS, data={"govreport": reports_file})
    )
    forms = {
        "longbench.jsonl": [{"context": text, "answers": ["s"]} for text in reports],
        "leval.jsonl": [{"input": text, "instructions": ["Summarise"]} for text in reports],
        "tokenized.jsonl": [{"input_ids": tokenizer.encode(text), "tokenized_len": 1} for text in reports],
    }
    for name, records in forms.items():
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        found = perplexity.govreport(context_of("perplexity", "govreport", 300, OPTIONS, data={"govreport": path}))
        assert found.rows == expected.rows
    folder = tmp_path / "hub"
    folder.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist([{"report": text} for text in reports]), folder / "test.parquet")
    found = perplexity.govreport(context_of("perplexity", "govreport", 300, OPTIONS, data={"govreport": folder}))
    assert found.rows == expected.rows


def test_a_reference_tokenizer_decides_which_text_is_read(context_of, reports_file, reports, other_tokenizer):
    data = {"govreport": reports_file, "reference_tokenizer": other_tokenizer}
    built = perplexity.govreport(context_of("perplexity", "govreport", 300, OPTIONS, data=data))
    reference = load_tokenizer(other_tokenizer)
    text = reports[1][: reference.encode_with_offsets(reports[1])[1][298][1]]
    assert built.rows[0]["input_ids"] == context_of("perplexity", "govreport", 300).tokenizer.encode(text)
    assert built.facts["counted_by"].startswith("reference_tokenizer")


def test_reports_that_are_all_too_short_are_refused(context_of, reports_file):
    options = {"tasks": ["govreport"], "govreport": {"least_tokens": 100_000}}
    with pytest.raises(InputError, match="least_tokens"):
        perplexity.govreport(context_of("perplexity", "govreport", 300, options, data={"govreport": reports_file}))


def test_key_tokens_go_by_characters_from_the_evaluators_tokenizer_to_the_models(
    context_of, reports_file, foreign_evaluator, tokenizer
):
    data = {"govreport": reports_file, "evaluator": foreign_evaluator}
    rows = longppl.govreport(context_of("longppl", "govreport", 300, OPTIONS | KEYS, data=data)).rows
    evaluators = load_tokenizer(foreign_evaluator)
    assert sum(len(row["key_positions"]) for row in rows) > 0
    for row in rows:
        intervals = [tuple(interval) for interval in row["key_intervals"]]
        borders = {place for span in evaluators.encode_with_offsets(row["text"])[1] for place in span}
        assert all(start in borders and end in borders for start, end in intervals)
        spans = tokenizer.encode_with_offsets(row["text"])[1]
        inside = [
            index
            for index, (start, end) in enumerate(spans)
            if start < end and any(begin <= start and end <= stop for begin, stop in intervals)
        ]
        assert row["key_positions"] == [index for index in inside if index > 0]


def test_longppl_pools_key_losses_in_log_space_and_rows_without_keys_take_no_part():
    rows = [
        {"id": "a", "input_ids": [1, 2, 3, 4], "key_positions": [1, 3], "losses": [1.0, 9.0, 2.0]},
        {"id": "b", "input_ids": [1, 2, 3], "key_positions": [2], "losses": [5.0, 6.0]},
        {"id": "c", "input_ids": [1, 2], "key_positions": [], "losses": [7.0]},
    ]
    metrics = score("govreport", rows, {}).metrics
    assert metrics["longppl"] == pytest.approx(math.exp((1 + 2 + 6) / 3))
    assert metrics["perplexity"] == pytest.approx(math.exp((1 + 9 + 2 + 5 + 6 + 7) / 6))
    assert score("govreport", rows[2:], {}).metrics["longppl"] is None


@pytest.mark.skipif(not REPORTS.is_file(), reason=f"real reports are not at {REPORTS}")
def test_real_reports_are_read(context_of):
    options = {"tasks": ["govreport"], "govreport": {"samples": 2, "least_tokens": 20_000}}
    rows = perplexity.govreport(context_of("perplexity", "govreport", 2048, options, data={"govreport": REPORTS})).rows
    assert [len(row["input_ids"]) for row in rows] == [2047] * len(rows)
    assert len(rows) == 2
