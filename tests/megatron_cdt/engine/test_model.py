"""The Megatron model against transformers' own, alone and under every way of sharing the work."""

import itertools
import json

import pytest
import torch

from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout
from megatron_cdt.engine.zigzag import local_token_indices, row_order
from tests.megatron_cdt.distributed import run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import (
    CLASSES,
    LLAMA3,
    YARN,
    our_logits,
    random_llama,
    random_model,
    random_row,
    transformers_logits,
)

TOLERANCE = {"rtol": 0, "atol": 1e-4}
SEGMENTS = [24, 4, 96, 20]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 6},
        {"num_key_value_heads": 1},
        {"tie_word_embeddings": True},
        {"head_dim": 16},
        {"head_dim": 6},
        {"rms_norm_eps": 0.1},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
        {"rope_parameters": LLAMA3 | {"rope_theta": 500000.0}},
        {"rope_parameters": YARN | {"rope_theta": 500000.0}},
        {"rope_parameters": YARN | {"rope_theta": 500000.0, "truncate": False}},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
        {"rope_parameters": YARN | {"rope_theta": 500000.0, "attention_factor": 0.7, "beta_fast": 9, "beta_slow": 2}},
    ],
    ids=lambda changes: "-".join(changes) + str(changes.get("rope_parameters", {}).get("rope_type", "")) or "gqa",
)
def test_logits_are_those_of_transformers(tmp_path, groups, changes):
    theirs = random_llama(tmp_path, **changes)
    ids = random_row(144)
    logits = our_logits(tmp_path, groups, ids, [144])
    torch.testing.assert_close(logits, transformers_logits(theirs, ids, [144]), **TOLERANCE)


def test_a_row_that_a_window_holds_scores_as_in_transformers_and_a_longer_one_would_not(tmp_path, groups):
    theirs = random_model(tmp_path, "mistral", sliding_window=24)
    held, longer = random_row(24), random_row(25)
    logits = our_logits(tmp_path, groups, held, [24])
    torch.testing.assert_close(logits, transformers_logits(theirs, held, [24]), **TOLERANCE)
    last = our_logits(tmp_path, groups, longer, [25])[-1]
    assert not torch.allclose(last, transformers_logits(theirs, longer, [25])[-1], **TOLERANCE)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *((family, {}) for family in CLASSES),
        ("mistral", {"head_dim": 10}),
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen2", {"rope_parameters": YARN | {"rope_theta": 1e6}}),
        ("qwen3", {"attention_bias": True}),
        ("qwen3", {"hidden_size": 40, "tie_word_embeddings": True, "rms_norm_eps": 0.1}),
        ("qwen3", {"rope_parameters": YARN | {"rope_theta": 1e6}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "plain",
)
def test_logits_of_every_family_are_those_of_transformers(tmp_path, groups, family, changes):
    theirs = random_model(tmp_path, family, **changes)
    ids = random_row(sum(SEGMENTS))
    logits = our_logits(tmp_path, groups, ids, SEGMENTS)
    torch.testing.assert_close(logits, transformers_logits(theirs, ids, SEGMENTS), **TOLERANCE)


def test_a_longer_rope_period_and_a_stretch_really_change_the_logits(tmp_path, groups):
    ids, seen = random_row(144), []
    without_attention_factor = YARN | {"attention_factor": 1.0}
    stretches = [{"rope_type": "linear", "factor": 4.0}, LLAMA3, YARN, without_attention_factor]
    variants = [{"rope_type": "default"}, *stretches]
    for number, rope in enumerate([{"rope_theta": 10000.0, **v} for v in variants] + [{"rope_theta": 5e5}]):
        random_llama(tmp_path / str(number), rope_parameters=rope)
        seen.append(our_logits(tmp_path / str(number), groups, ids, [144]))
    for number, logits in enumerate(seen):
        for other in seen[:number]:
            assert (logits - other).abs().max() > 0.01


@pytest.mark.parametrize("kind_key", ["rope_type", "type"])
def test_the_older_spelling_of_llama3_rope_gives_the_same_logits(tmp_path, groups, kind_key):
    theirs = random_llama(tmp_path, rope_parameters=LLAMA3 | {"rope_theta": 5e5})
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["rope_parameters"]
    scaling = {key: value for key, value in LLAMA3.items() if key != "rope_type"}
    path.write_text(json.dumps(config | {"rope_theta": 5e5, "rope_scaling": scaling | {kind_key: "llama3"}}))
    ids = random_row(144)
    logits = our_logits(tmp_path, groups, ids, [144])
    torch.testing.assert_close(logits, transformers_logits(theirs, ids, [144]), **TOLERANCE)


def test_segments_of_a_packed_row_score_as_they_do_alone(tmp_path, groups):
    theirs = random_llama(tmp_path, rope_parameters=LLAMA3 | {"rope_theta": 5e5})
    ids = random_row(sum(SEGMENTS))
    logits = our_logits(tmp_path, groups, ids, SEGMENTS)
    torch.testing.assert_close(logits, transformers_logits(theirs, ids, SEGMENTS), **TOLERANCE)
    unsegmented = transformers_logits(theirs, ids, [sum(SEGMENTS)])
    assert (logits - unsegmented)[SEGMENTS[0] :].abs().max() > 0.01


def test_bf16_weights_stay_bf16(tmp_path, groups, tiny_architecture):
    model = build_model(tiny_architecture, groups, ModelOptions(dtype=torch.bfloat16))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    # Rotary angles in bf16 would be wrong beyond position 256.
    assert model.rotary_pos_emb.inv_freq.dtype is torch.float32


def whole_logits(folders, layouts):
    """In each process: each folder's logits [n, V] of the row under each layout, put together from all ranks."""
    found = []
    for folder, layout in itertools.product(folders, layouts):
        groups = start_layout(layout)
        held = local_token_indices(SEGMENTS, groups.cp.size(), groups.cp.rank())
        part = our_logits(folder, groups, random_row(sum(SEGMENTS))[held], SEGMENTS)
        tokens = torch.cat(gathered(part, groups.tp), dim=1)
        found.append(torch.cat(gathered(tokens, groups.cp))[row_order(SEGMENTS, groups.cp.size())])
    return found


def gathered(part, group):
    """Every process's `part`, by rank."""
    parts = [torch.empty_like(part) for _ in range(group.size())]
    torch.distributed.all_gather(parts, part, group=group)
    return parts


SHARED = {
    "llama": ("llama", {"rope_parameters": LLAMA3 | {"rope_theta": 5e5}}),
    "llama-biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("mistral", {}),
    "qwen2": ("qwen2", {"rope_parameters": YARN | {"rope_theta": 1e6}}),
    "qwen2-tied": ("qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"rope_parameters": YARN | {"rope_theta": 1e6}}),
}


def test_two_processes_sharing_heads_or_tokens_give_the_logits_of_one(tmp_path):
    layouts, row = [Layout(tensor=2), Layout(context=2)], random_row(sum(SEGMENTS))
    models = {name: random_model(tmp_path / name, family, **more) for name, (family, more) in SHARED.items()}
    expected = [transformers_logits(model, row, SEGMENTS) for model in models.values() for _ in layouts]
    for found in run_distributed(whole_logits, 2, [tmp_path / name for name in models], layouts):
        for logits, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(logits, theirs, **TOLERANCE)
