"""The command measures every row once, goes on where it was stopped, and writes tables that its manifest names."""

import argparse
import csv
import json

import pytest

from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from eval.analysis import measuring
from eval.analysis.instruments import INSTRUMENTS
from eval.commands import analyse
from tests.eval.commands.test_generate import build

QUICK = ("embedding_gradient", "information_flow", "fact_retrieval")
HOPS = {"hops": {"stories": "own", "samples": 4, "emojis": 2}}


@pytest.fixture(scope="module")
def samples(tmp_path_factory, tokenizer_folder, books_folder):
    return build(tmp_path_factory.mktemp("samples"), "hops/2hop", 400, tokenizer_folder, books_folder, HOPS)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory, samples, model_folder):
    return run(model_folder, samples, tmp_path_factory.mktemp("analysis") / "output", *QUICK)


def run(model, samples, output, *instruments, **settings):
    parser = argparse.ArgumentParser()
    analyse.add_arguments(parser)
    words = f"--model {model} --samples {samples} --output {output} --device cpu".split()
    words += ["--instruments", *instruments, "--settings", json.dumps({"top_heads": 3, **settings})]
    analyse.run(parser.parse_args(words))
    return output


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_row_has_a_score_for_every_token(analysed, samples):
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    for name in QUICK:
        header, *lines = (json.loads(line) for line in (analysed / f"scores/{name}.jsonl").read_text().splitlines())
        assert header["instrument"] == name
        assert [line["id"] for line in lines] == [row["id"] for row in rows]
        assert [len(line["scores"]) for line in lines] == [len(row["input_ids"]) for row in rows]


def test_table_as_csv_and_json_are_the_same_records(analysed):
    whole = json.loads((analysed / "table.json").read_text())
    with open(analysed / "table.csv", newline="") as handle:
        records = list(csv.DictReader(handle))
    assert len(records) == len(whole["table"]) > 100
    assert [float(record["value"]) for record in records] == [record["value"] for record in whole["table"]]
    assert {record["instrument"] for record in records} == {*QUICK}
    assert {record["labels"] for record in records} == {"true", "shuffled"}
    assert whole["rows"] == whole["right"] + whole["wrong"] == 4
    assert {(record["first"], record["second"]) for record in whole["agreement"]} == {
        ("embedding_gradient", "information_flow"),
        ("embedding_gradient", "fact_retrieval"),
        ("information_flow", "fact_retrieval"),
    }
    assert {record["heads"] for record in whole["heads"]} == {"top 3", "all 8"}
    assert whole["figure_5"]


def test_the_manifest_names_every_file_that_was_written(analysed):
    manifest = json.loads((analysed / "manifest.json").read_text())
    for name, facts in manifest["outputs"].items():
        assert sha256_file(analysed / name) == facts["sha256"]
    others = {name for name in files_of(analysed) if not name.endswith(".kept")} - {*manifest["outputs"]}
    assert others == {"manifest.json"}


def test_a_second_run_measures_nothing_and_changes_nothing(analysed, samples, model_folder, monkeypatch):
    before = files_of(analysed)
    monkeypatch.setattr(measuring, "load_model", lambda *_: pytest.fail("the model was loaded again"))
    run(model_folder, samples, analysed, *QUICK)
    assert files_of(analysed) == before


def test_a_stopped_run_goes_on_with_the_row_that_is_missing(tmp_path, analysed, samples, model_folder, monkeypatch):
    counted = []
    line_of = measuring.line_of

    def stops_after_three(row, read):
        if len(counted) == 3:
            raise KeyboardInterrupt
        counted.append(row["id"])
        return line_of(row, read)

    monkeypatch.setattr(measuring, "line_of", stops_after_three)
    with pytest.raises(KeyboardInterrupt):
        run(model_folder, samples, tmp_path / "output", *QUICK)
    monkeypatch.setattr(measuring, "line_of", lambda row, read: counted.append(row["id"]) or line_of(row, read))
    run(model_folder, samples, tmp_path / "output", *QUICK)
    # Four rows, with true and with shuffled labels, none of them twice.
    assert len(counted) == 2 * 4 * len(QUICK)
    assert files_of(tmp_path / "output") == files_of(analysed)


def test_another_instruments_scores_are_kept_where_one_is_added(tmp_path, samples, model_folder, monkeypatch):
    run(model_folder, samples, tmp_path, "attention", control="none")
    before = (tmp_path / "scores/attention.jsonl").stat().st_ino
    run(model_folder, samples, tmp_path, "attention", "attention_mass", control="none")
    assert (tmp_path / "scores/attention.jsonl.kept").stat().st_ino == before
    assert not list(tmp_path.rglob("*shuffled*"))


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_runs_by_its_name(name, tmp_path, samples, model_folder):
    options = {
        "occlusion": {"chunk": 64, "stride": 64},
        "integrated_gradients": {"steps": 2, "steps_max": 2},
        "longppl": {"window": 128, "stride": 128},
    }
    given = {name: options[name]} if name in options else {}
    run(model_folder, samples, tmp_path, name, control="none", **given)
    table = json.loads((tmp_path / "table.json").read_text())["table"]
    assert {record["instrument"] for record in table} == {name}


def test_samples_without_kinds_of_tokens_are_refused(tmp_path, tokenizer_folder, books_folder, model_folder):
    other = build(tmp_path, "perplexity/books", 200, tokenizer_folder, books_folder, {"perplexity": {"samples": 2}})
    with pytest.raises(InputError, match="its tokens have no kinds"):
        run(model_folder, other, tmp_path / "output", *QUICK)


def test_a_file_given_twice_is_refused(tmp_path, samples, model_folder):
    with pytest.raises(InputError, match="a row comes twice"):
        run(model_folder, f"{samples} {samples}", tmp_path, *QUICK)
