"""The order of rows: each exactly once in an epoch, the same wherever one looks, shared out without a gap."""

import dataclasses
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.packs import PackMetadata
from megatron_cdt.architecture import Architecture
from megatron_cdt.training.data_order import check_pack_fits, epoch_order, rows_of_step, turn_of_rank
from megatron_cdt.training.settings import LayoutSettings
from tests.megatron_cdt.training.job import ARCHITECTURE

seeds = st.integers(0, 2**63 - 1)
METADATA = PackMetadata(
    length=32,
    alignment=4,
    padding_id=0,
    vocab_size=64,
    rows_per_batch=4,
    block_diagonal=True,
    tokenizer_digest="t",
    fingerprint="f",
)


@given(num_rows=st.integers(1, 40), batch_rows=st.integers(1, 30), seed=seeds)
def test_steps_walk_through_epochs_that_use_each_row_once(num_rows, batch_rows, seed):
    order = {"num_rows": num_rows, "batch_rows": batch_rows, "seed": seed}
    steps = -(-3 * num_rows // batch_rows)
    walked = [row for step in range(1, steps + 1) for row in rows_of_step(step, **order)]
    for epoch in range(3):
        assert sorted(walked[epoch * num_rows : (epoch + 1) * num_rows]) == list(range(num_rows))


@given(batch_rows=st.integers(1, 8), dp_size=st.integers(1, 4), step=st.integers(1, 9), seed=seeds)
def test_ranks_take_turns_at_the_rows_of_a_step(batch_rows, dp_size, step, seed):
    rows = rows_of_step(step, num_rows=7, batch_rows=batch_rows * dp_size, seed=seed)
    turns = [turn_of_rank(rows, rank, dp_size) for rank in range(dp_size)]
    assert [row for round_ in zip(*turns, strict=True) for row in round_] == rows


def test_epochs_and_seeds_have_orders_of_their_own_that_no_library_update_changes():
    orders = [tuple(epoch_order(seed, epoch, 50)) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len(set(orders)) == 9
    assert epoch_order(1234, 0, 8).tolist() == [4, 7, 6, 2, 0, 3, 5, 1]
    assert epoch_order(1234, 1, 8).tolist() == [0, 7, 1, 4, 2, 5, 3, 6]


class Pack(SimpleNamespace):
    """A pack as far as the check looks at it."""

    def __len__(self) -> int:
        return self.rows


def test_rows_longer_than_a_models_window_are_refused_and_shorter_ones_are_not():
    pack = Pack(folder="packs", metadata=METADATA, rows=3)
    for window in (METADATA.length, METADATA.length + 1):
        model = Architecture(**ARCHITECTURE | {"family": "mistral", "sliding_window": window})
        check_pack_fits(pack, model, LayoutSettings(processes=2, context=2), "t")
    model = Architecture(**ARCHITECTURE | {"family": "mistral", "sliding_window": METADATA.length - 1})
    with pytest.raises(InputError, match=rf"pack rows of at most {METADATA.length - 1}"):
        check_pack_fits(pack, model, LayoutSettings(processes=2, context=2), "t")


def test_of_rows_of_groups_only_a_segment_has_to_be_in_the_models_reach():
    told = dataclasses.replace(METADATA, length=128, together=2, longest=64)
    check = (Architecture(**ARCHITECTURE), LayoutSettings(processes=2, context=2), "t")
    check_pack_fits(Pack(folder="packs", metadata=told, rows=3), *check)
    longer = Pack(folder="packs", metadata=dataclasses.replace(told, longest=65), rows=3)
    with pytest.raises(InputError, match="segments of 65 tokens, but the model is meant for 64"):
        check_pack_fits(longer, *check)


@pytest.mark.parametrize(
    ("change", "rows", "cure"),
    [
        ({"alignment": 2}, 3, "pack again with --align 4"),
        ({"length": 128}, 3, "pack shorter rows"),
        ({"vocab_size": 65}, 3, "pack with the model's tokenizer"),
        ({"vocab_size": 65, "together": 2}, 3, "or mask with a special token that it has"),
        ({"tokenizer_digest": "u"}, 3, "name the one that made the packs"),
        ({}, 0, "pack more text"),
    ],
)
def test_a_pack_that_does_not_fit_is_refused_with_the_cure(change, rows, cure):
    layout = LayoutSettings(processes=2, context=2)
    fits = Pack(folder="packs", metadata=METADATA, rows=3)
    check_pack_fits(fits, Architecture(**ARCHITECTURE), layout, "t")
    pack = Pack(folder="packs", metadata=dataclasses.replace(METADATA, **change), rows=rows)
    with pytest.raises(InputError, match=cure):
        check_pack_fits(pack, Architecture(**ARCHITECTURE), layout, "t")
