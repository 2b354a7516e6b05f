"""What a training needs: the plan agrees with what was measured, fits what it says, and says why the rest does not."""

import argparse
import json

import pytest

from contracts.errors import InputError
from contracts.settings import load_settings
from contracts.yaml_files import yaml_object
from megatron_cdt import plan_command
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.training.measured_speed import LLAMA_3_8B, MEASURED, TERA, tokens_per_second
from megatron_cdt.training.memory import rank_memory
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.throughput import peak_of
from workflow.configuration import Configuration

LLAMA = {
    **{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "vocab_size": 128256},
    **{"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8},
    **{"intermediate_size": 14336, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0},
}


@pytest.fixture
def plan(tmp_path, capsys):
    """plan(option=value, ...): what the command prints for Llama-3-8B."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(LLAMA))

    def ask(**options) -> str:
        parser = argparse.ArgumentParser()
        plan_command.add_arguments(parser)
        given = {"model": tmp_path / "model", "length": 65536, "gpus": 8, "gpu": "H100"} | options
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        plan_command.run(parser.parse_args(words))
        return capsys.readouterr().out

    return ask


# FP8 detection has no speed of its own in the plan.
MEASUREMENTS = [row for row in json.loads(MEASURED.read_text())["tables"][0]["rows"] if row["method"] in METHODS]


@pytest.mark.parametrize("row", MEASUREMENTS, ids=lambda row: f"{row['method']}-{row['tokens']}")
def test_the_speed_is_the_measured_one_where_it_was_measured(row):
    told = {"method": row["method"], "recompute": row["recompute"], "dtype": "bfloat16"}
    settings = TrainSettings(steps=2, global_batch_rows=1, learning_rate=1e-5, **told)
    speed = tokens_per_second(LLAMA_3_8B, settings, row["tokens"], peak_of("H200", "bfloat16") * TERA)
    assert speed == pytest.approx(row["tokens/s"], rel=0.06)


def test_every_layout_that_is_shown_fits_by_the_dry_run_s_arithmetic_and_the_fastest_is_first(plan, tmp_path):
    lines = plan(top=50).splitlines()
    rows = [line.split() for line in lines[2:] if len(line.split()) == 8]
    assert len(rows) > 5
    speeds = [float(row[6].replace(",", "")) for row in rows]
    assert speeds == sorted(speeds, reverse=True)
    architecture = read_architecture(tmp_path / "model")
    for tensor, pipeline, context, data, recompute, shown, _, _ in rows:
        layout = {"tensor": tensor, "pipeline": pipeline, "context": context, "processes": 8}
        settings = TrainSettings(
            method="cdt",
            steps=2,
            global_batch_rows=64,
            learning_rate=1e-5,
            dtype="bfloat16",
            recompute=recompute,
            deterministic=False,
            layout={name: int(size) for name, size in layout.items()} | {"sequence_parallel": int(tensor) > 1},
        )
        assert settings.layout.data_parallel == int(data)
        memory = rank_memory(architecture, settings, 65536).total / 2**30
        assert memory == pytest.approx(float(shown), abs=0.06)
        assert memory <= plan_command.USABLE * 80


def test_what_does_not_fit_is_told_with_its_largest_parts(plan):
    said = plan()
    assert "recompute none: " in said
    assert "layouts do not fit; the nearest needs " in said
    assert "activations " in said


def test_a_pipeline_is_slower_than_none(plan):
    settings = {"method": "ce", "steps": 2, "global_batch_rows": 8, "learning_rate": 1e-5, "dtype": "bfloat16"}
    alone, staged = (
        tokens_per_second(
            LLAMA_3_8B, TrainSettings(**settings, layout={"pipeline": size, "processes": 8}), 8192, 989 * TERA
        )
        for size in (1, 8)
    )
    assert staged == pytest.approx(alone * 8 / 15)


def test_the_configuration_that_it_writes_is_a_valid_one(plan, tmp_path):
    path = tmp_path / "my.yaml"
    plan(write=path)
    settings = load_settings(Configuration, json.dumps(yaml_object(path)))
    assert settings.train.layout.processes == 8
    assert settings.train.methods == ("cdt",)
    assert settings.pack.length == 65536
    assert settings.train.steps == round(1e9 / (64 * 65536))


def test_with_lora_one_gpu_holds_what_full_training_needs_many_for(plan, tmp_path):
    path = tmp_path / "my.yaml"
    said = plan(gpus=1, lora=8, method="ce", length=8192, rows=8, write=path)
    assert "ce with LoRA of rank 8" in said
    settings = load_settings(Configuration, json.dumps(yaml_object(path)))
    assert settings.train.lora == LoraSettings(rank=8, alpha=16)
    assert settings.train.learning_rate == 1e-4
    with pytest.raises(InputError, match="nothing fits"):
        plan(gpus=1, method="ce", length=8192, rows=8)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"gpus": 1, "gpu": "A100"}, "nothing fits: the leanest layout needs "),
        ({"gpus": 7}, "no layout divides this model"),
        ({"gpu": "T4"}, "its peak is not listed"),
        ({"lora": 0}, "--lora 0: must be above 0"),
        ({"length": 0}, "--length 0: must be above 0"),
        ({"write": "my.json"}, "a configuration ends in .yaml"),
        ({"model": "no/such"}, "no/such"),
    ],
)
def test_what_makes_no_plan_ends_in_one_line(plan, options, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        plan(**options)
    assert "\n" not in str(error.value)
