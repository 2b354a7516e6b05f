"""Settings of a run that cannot be are refused with the cure; what changes numbers is what identifies a run."""

import pytest

from contracts.errors import InputError
from contracts.settings import validated
from megatron_cdt.training.settings import LayoutSettings, TrainSettings
from tests.megatron_cdt.training.job import train_settings


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"method": "cde"}, "method"),
        ({"layout": {"processes": 3, "pipeline": 2}}, "3 processes do not fit tensor 1 x pipeline 2 x context 1"),
        ({"layout": {"processes": 3, "context": 2}}, "set processes to a multiple of 2"),
        ({"layout": {"processes": 3}}, "global_batch_rows 4 is not a multiple of data parallel 3"),
        ({"warmup_steps": 6}, "warmup_steps 6 must be smaller than steps 6"),
        ({"min_learning_rate": 0.1}, "min_learning_rate 0.1 is above learning_rate 0.01"),
        ({"adam_betas": [0.9, 1.0]}, "adam_betas"),
        ({"steps": 0}, "steps"),
        ({"steps": 10**30}, "steps"),
        ({"learnig_rate": 0.1}, "known keys: .*learning_rate"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(changes, complaint):
    with pytest.raises(InputError, match=complaint) as refusal:
        validated(TrainSettings, train_settings(**changes), "train.yaml")
    assert "\n" not in str(refusal.value)


def test_every_field_says_what_it_is():
    for kind in (TrainSettings, LayoutSettings):
        assert all(field.description for field in kind.model_fields.values())


def test_saving_more_often_leaves_the_run_the_same_and_anything_else_does_not():
    def identity(**changes):
        return validated(TrainSettings, train_settings(**changes), "train.yaml").identity

    assert identity() == identity(checkpoint_interval=1, keep_checkpoints=9, checkpoint_async=True)
    assert identity() != identity(seed=1)
    assert identity() != identity(cdt={"reduction": "mean"})
    assert identity(method="ce") == identity(method="ce", cdt={"reduction": "mean"})


@pytest.mark.parametrize(
    ("layout", "alignment"),
    [
        ({}, 1),
        ({"processes": 2, "context": 2}, 4),
        ({"processes": 2, "tensor": 2}, 1),
        ({"processes": 6, "context": 2, "tensor": 3, "sequence_parallel": True}, 12),
    ],
)
def test_segments_are_cut_evenly_by_context_and_sequence_parallelism(layout, alignment):
    assert LayoutSettings(**layout).row_alignment == alignment


SECTIONS = {"cdt": {"beta": 2.0}, "longce": {"context": 64}, "logo": {"beta": 2.0}}


@pytest.mark.parametrize("method", ["ce", "sft", "longce", "cdt", "logo"])
def test_a_methods_own_section_is_part_of_the_run_and_those_of_the_others_are_not(method):
    def identity(**changes):
        return validated(TrainSettings, train_settings(method=method, cdt={}) | changes, "train.yaml").identity

    plain = identity()
    assert set(plain) & set(SECTIONS) == {method} & set(SECTIONS)
    for section, change in SECTIONS.items():
        assert (identity(**{section: change}) != plain) == (section == method)
