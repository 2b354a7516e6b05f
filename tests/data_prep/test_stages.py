"""Stages are apart: an edit to one leaves the code fingerprint of the others alone, and none knows of torch."""

import subprocess
import sys

from contracts.code_reach import reached_code
from data_prep.__main__ import COMMANDS


def modules_behind(*names: str) -> set[str]:
    """Every module of which something is part of the code fingerprint of `names`."""
    return set(reached_code(*names))


def settings_behind(*names: str) -> set[str]:
    """Every class of settings that is part of the code fingerprint of `names`."""
    return set(reached_code(*names).get("data_prep.settings", {}))


def test_an_edit_to_packing_leaves_tokenizing_alone_and_the_other_way_round() -> None:
    sources = ("data_prep.sources.pg19", "data_prep.tokens.encode:document_encoder")
    tokenize = modules_behind("data_prep.commands.tokenize", *sources)
    pack = modules_behind("data_prep.commands.pack")
    assert {"data_prep.tokens.shard", "data_prep.sources.pg19", "contracts.tokenizer"} <= tokenize
    assert {"data_prep.packs.plan", "data_prep.packs.best_fit", "data_prep.packs.writer"} <= pack
    assert not {name for name in tokenize if name.startswith("data_prep.packs") or name.endswith("commands.pack")}
    assert "PackSettings" not in settings_behind("data_prep.commands.tokenize", *sources)
    assert not {name for name in pack if "tokenize" in name or "sources" in name or "sentencepiece" in name}
    assert settings_behind("data_prep.commands.pack") >= {"PackSettings"}
    assert not settings_behind("data_prep.commands.pack") & {"TokenizeSettings", "CorpusSettings", "MixSettings"}


def test_an_edit_to_samples_leaves_books_alone_and_mixing_leaves_packing() -> None:
    roots = ("data_prep.commands.tokenize", "data_prep.sources.pg19", "data_prep.tokens.encode:document_encoder")
    assert not {name for name in modules_behind(*roots) if name.endswith(("longmit", "longalpaca"))}
    encoding = set(reached_code(*roots)["data_prep.tokens.encode"])
    assert "DocumentEncoder" in encoding
    assert not encoding & {"SampleEncoder", "DrillEncoder", "Conversation"}
    assert "MixSettings" not in settings_behind(*roots)
    assert not {name for name in modules_behind("data_prep.commands.pack") if "mix" in name}


def test_training_a_tokenizer_does_not_depend_on_tokenizing_or_packing() -> None:
    train = modules_behind("data_prep.commands.tokenizer", "data_prep.sources.pg19")
    assert not {name for name in train if "tokens" in name or "tokenize" in name.split(".") or "packs" in name}


def test_no_command_imports_torch_or_transformers() -> None:
    modules = ", ".join(module for module, _ in COMMANDS.values())
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'transformers'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
