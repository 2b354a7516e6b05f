"""Stages are apart: an edit to one leaves the code fingerprint of the others alone, and none knows of torch."""

import subprocess
import sys

from contracts.code_reach import reached_code
from data_prep.__main__ import COMMANDS


def modules_behind(*names: str) -> set[str]:
    """Every module of which something is part of the code fingerprint of `names`."""
    return {key.partition(":")[0] for key in reached_code(*names)}


def test_an_edit_to_packing_leaves_tokenizing_alone_and_the_other_way_round() -> None:
    sources = ("data_prep.sources.pg19", "data_prep.encode_document")
    tokenize = modules_behind("data_prep.tokenize_command", *sources)
    pack = modules_behind("data_prep.pack_command")
    assert {"data_prep.tokenize_shard", "data_prep.sources.pg19", "contracts.tokenizer"} <= tokenize
    assert {"data_prep.packing_plan", "data_prep.best_fit", "data_prep.pack_writer"} <= pack
    assert not {name for name in tokenize if "pack_" in name or "packing" in name or "best_fit" in name}
    assert not {name for name in pack if "tokenize" in name or "sources" in name or "sentencepiece" in name}


def test_an_edit_to_samples_leaves_books_alone_and_mixing_leaves_packing() -> None:
    books = modules_behind("data_prep.tokenize_command", "data_prep.sources.pg19", "data_prep.encode_document")
    assert not {name for name in books if name.endswith(("longmit", "longalpaca", "encode_sample", "mix_settings"))}
    assert not {name for name in modules_behind("data_prep.pack_command") if "mix" in name}


def test_training_a_tokenizer_does_not_depend_on_tokenizing_or_packing() -> None:
    train = modules_behind("data_prep.tokenizer_command", "data_prep.sources.pg19")
    assert not {name for name in train if "tokenize_" in name or "pack" in name}


def test_no_command_imports_torch_or_transformers() -> None:
    modules = ", ".join(module for module, _ in COMMANDS.values())
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'transformers'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
