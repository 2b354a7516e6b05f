"""A checkpoint is read without running code that its pickles ask for."""

import io
import os
import pickle
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import planner

from contracts.errors import InputError
from megatron_cdt.engine.checkpoint import load_model_checkpoint, save_model_checkpoint, stored_dtype
from megatron_cdt.engine.safe_pickle import known_classes_only, load


class RunsCode:
    """A pickle that makes a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def checkpoint(tiny_model, tiny_architecture, groups, tmp_path) -> Path:
    save_model_checkpoint(tiny_model, tiny_architecture, tmp_path / "checkpoint", groups)
    return tmp_path / "checkpoint"


@pytest.mark.parametrize("reading", [load_model_checkpoint, stored_dtype], ids=["weights", "metadata"])
def test_metadata_that_would_run_code_is_refused_in_one_line(checkpoint, tiny_model, groups, tmp_path, reading):
    (checkpoint / ".metadata").write_bytes(pickle.dumps(RunsCode(tmp_path / "ran")))
    with pytest.raises(InputError, match=r"its \.metadata asks for posix\.mkdir") as refusal:
        reading(*(tiny_model, checkpoint, groups) if reading is load_model_checkpoint else (checkpoint,))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()


def test_common_objects_that_would_run_code_are_refused(checkpoint, tiny_model, groups, tmp_path):
    torch.save({"anything": RunsCode(tmp_path / "ran")}, checkpoint / "common.pt")
    with pytest.raises(InputError, match="damaged or foreign checkpoint"):
        load_model_checkpoint(tiny_model, checkpoint, groups)
    assert not (tmp_path / "ran").exists()


def test_objects_among_the_tensors_are_read_with_weights_only(tmp_path):
    """torch's planner asks for them with weights_only=False."""
    torch.save(RunsCode(tmp_path / "ran"), tmp_path / "object.pt")
    with known_classes_only(), pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(tmp_path / "object.pt", weights_only=False)
    assert not (tmp_path / "ran").exists()


class Attribute:
    """A pickle that asks for getattr(kind, name), as Python 3.11.2 writes the member of an Enum."""

    def __init__(self, kind: type, name: str) -> None:
        self.asked_for = kind, name

    def __reduce__(self):
        return getattr, self.asked_for


def test_a_member_of_an_enum_is_read_however_python_pickles_it():
    member = planner.WriteItemType.TENSOR
    for written in (member, Attribute(planner.WriteItemType, "TENSOR")):
        assert load(io.BytesIO(pickle.dumps(written))) is member


@pytest.mark.parametrize(("kind", "name"), [(torch.Size, "numel"), (planner.WriteItemType, "__class__")])
def test_no_other_attribute_is_looked_up(kind, name):
    with pytest.raises(pickle.UnpicklingError, match="asks for an attribute"):
        load(io.BytesIO(pickle.dumps(Attribute(kind, name))))


def test_outside_nothing_is_changed():
    with known_classes_only():
        assert dcp.filesystem.pickle is not pickle
    assert dcp.filesystem.pickle is pickle
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_whole_checkpoint_is_read(checkpoint, tiny_model, groups):
    before = [weight.clone() for weight in tiny_model.parameters()]
    with torch.no_grad():
        for weight in tiny_model.parameters():
            weight.zero_()
    load_model_checkpoint(tiny_model, checkpoint, groups)
    for weight, saved in zip(tiny_model.parameters(), before, strict=True):
        assert torch.equal(weight, saved)
