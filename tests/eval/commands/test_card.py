"""A model card is one that the hub's own library reads, and says what the run's files say."""

import argparse
import json

import pytest
from huggingface_hub import ModelCard

from contracts.errors import InputError
from eval.commands import card

MANIFEST = {
    "settings": {"method": "cdt", "steps": 10, "cdt": {"beta": 5.0}},
    "counts": {"steps": 10, "rows": 20, "tokens": 40960},
    "versions": {"torch": "2.13.0"},
    "outputs": {"model.safetensors": {"sha256": "ab" * 32, "bytes": 1}},
}
SCORE = {
    **{
        "benchmark": "ruler",
        "task": "niah_single_1",
        "length": 2048,
        "model": "cdt",
        "n": 20,
        "rows": [],
        "hashes": {},
    },
    **{"metrics": {"string_match_all": 87.5}, "answered_by": {"backend": "transformers", "dtype": "float32"}},
}


@pytest.fixture
def written(tmp_path):
    """written(option=value, ...): the text of the card."""
    (tmp_path / "cdt").mkdir()
    (tmp_path / "cdt/manifest.json").write_text(json.dumps(MANIFEST))
    numbers = {
        **{"run": "mine", "scores": [SCORE], "notes": ["Each method was trained once."]},
        "data_summaries": {"packs": {"rows": 300, "kind": "packs", "padding_share": 0.01, "block_diagonal": True}},
    }
    (tmp_path / "report.json").write_text(json.dumps(numbers))
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/SHA256SUMS").write_text("sums")

    def write(**options) -> str:
        given = {"model": tmp_path / "cdt", "report": tmp_path / "report.json", "base": "some/base", "audit": None}
        given |= {"license": "apache-2.0", "output": tmp_path / "README.md", **options}
        card.run(argparse.Namespace(**given))
        return (tmp_path / "README.md").read_text()

    return write


def test_the_hub_s_library_reads_base_model_licence_and_results(written):
    told = ModelCard(written()).data
    assert (told.base_model, told.license, told.library_name) == ("some/base", "apache-2.0", "transformers")
    (result,) = told.eval_results
    assert (result.dataset_type, result.metric_type, result.metric_value) == ("ruler", "string_match_all", 87.5)
    assert "2048 tokens" in result.dataset_name


def test_it_says_settings_counts_hashes_and_the_report_s_own_reservations(written, tmp_path):
    text = written(audit=str(tmp_path / "audit"))
    assert "10 steps, 20 rows, 40,960 tokens. It starts from some/base." in text
    assert "beta: 5.0" in text
    assert "* packs: rows 300, padding share 0.01" in text
    assert "ab" * 32 in text
    assert "its audit; SHA-256 of its `SHA256SUMS`" in text
    assert "* Each method was trained once." in text


def test_a_model_from_nothing_names_no_base(written):
    assert ModelCard(written(base="none")).data.base_model is None


def test_a_model_that_the_report_does_not_know_is_told(written, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/manifest.json").write_text(json.dumps(MANIFEST))
    with pytest.raises(InputError, match="has no score of other; its models: cdt"):
        written(model=tmp_path / "other")
