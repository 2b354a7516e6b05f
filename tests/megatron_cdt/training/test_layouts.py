"""However the processes of the command share a run, its records and its model are those of one process.

Every objective under every layout: test_layout_matrix.py.
"""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.megatron_cdt.training.job import Job, model_folder, train_settings

# Few small steps and a large epsilon: Adam divides by the gradient's size, which blows up the rounding of tiny ones.
SHORT = {
    "steps": 3,
    "checkpoint_interval": 3,
    "validation_interval": None,
    "learning_rate": 1e-3,
    "min_learning_rate": 1e-4,
    "adam_eps": 1e-3,
    "cdt": {"reduction": "sum", "beta": 20},
}
LAYOUTS = {
    "cp2": {"processes": 2, "context": 2},
    "dp2": {"processes": 2},
    "pp2": {"processes": 2, "pipeline": 2},
    "tp2-sequence": {"processes": 2, "tensor": 2, "sequence_parallel": True},
}


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(job: Job, tmp_path_factory) -> Path:
    """The run folder of one process."""
    run_folder = tmp_path_factory.mktemp("alone") / "run"
    job.train(train_settings(**SHORT), run_folder)
    return run_folder


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_metrics_validation_and_weights_are_those_of_one_process(job, alone, layout, tmp_path):
    """The job's rows have several segments and padding; every third leaves context rank 1 without a label."""
    run_folder = tmp_path / "run"
    job.train(train_settings(layout=layout, **SHORT), run_folder)
    for name in ("metrics.jsonl", "validation.jsonl"):
        wanted, found = read_lines(alone / name), read_lines(run_folder / name)
        assert [line.keys() for line in found] == [line.keys() for line in wanted]
        assert len(wanted) == (3 if name == "metrics.jsonl" else 1)
        for line, alone_line in zip(found, wanted, strict=True):
            assert line == pytest.approx(alone_line, rel=1e-5)
    wanted, found = (load_file(model_folder(folder) / "model.safetensors") for folder in (alone, run_folder))
    for name, weight in wanted.items():
        assert (found[name] - weight).abs().max() <= 1e-5 * weight.abs().max(), name
