"""A study is several runs in one configuration: thousands of jobs are planned fast, and what they cost is told."""

import json

import pytest
import yaml

from contracts.errors import InputError
from megatron_cdt.training.measured_speed import measured_share
from tests.workflow.conftest import REPOSITORY, WHOLE_RUN, Project
from workflow.cost import Machine, configurations, cost_of, main
from workflow.study import merged, runs_of_study

LLAMA_8B = {
    **{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
    **{"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "rms_norm_eps": 1e-5},
    **{"rope_theta": 500000.0, "max_position_embeddings": 131072, "hidden_act": "silu"},
}
STUDY = REPOSITORY / "config/studies/paper.yaml"
# Twice what it takes (docs/cluster.md): what else runs on a processor makes CPU seconds longer, never shorter. The
# shortest of some looks counts.
LOOKS, PLANNING_SECONDS = 3, 30


def small_study(folder) -> dict:
    """Two settings with two models, as files."""
    for name, steps in (("short", 10), ("long", 20)):
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump(merged(WHOLE_RUN, {"run": name, "train": {"steps": steps}}))
        )
    return {
        "study": "demo",
        "settings": {name: str(folder / f"{name}.yaml") for name in ("short", "long")},
        "models": {"small": {}, "smaller": {"model": {"architecture": {"hidden_size": 96}}}},
        "changes": {"train": {"methods": ["ce"], "warmup_steps": 2}},
    }


def test_a_study_has_a_run_for_each_setting_and_model(tmp_path):
    runs = runs_of_study(small_study(tmp_path))
    assert list(runs) == ["demo-short-small", "demo-short-smaller", "demo-long-small", "demo-long-smaller"]
    assert [run["train"]["steps"] for run in runs.values()] == [10, 10, 20, 20]
    assert [run["model"]["architecture"]["hidden_size"] for run in runs.values()] == [192, 96, 192, 96]
    assert all(run["run"] == name and run["train"]["methods"] == ["ce"] for name, run in runs.items())


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"setings": {}}, "setings: no key of a study"),
        ({"models": {}}, "models: a study needs at least one"),
        ({"settings": {"a": "absent.yaml"}}, "settings.a: no file absent.yaml"),
    ],
)
def test_a_study_that_is_wrong_is_told_by_its_key(tmp_path, wrong, complaint):
    with pytest.raises(InputError, match=complaint):
        runs_of_study({**small_study(tmp_path), **wrong})


@pytest.fixture
def paper_study(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The paper's study where its data and weights lie, as far as planning looks at them."""
    for path in REPOSITORY.glob("config/**/*.yaml"):
        target = fresh.folder / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    monkeypatch.chdir(fresh.folder)
    for settings in runs_of_study(yaml.safe_load(STUDY.read_text())).values():
        model = fresh.folder / settings["model"]["hugging_face"]
        model.mkdir(parents=True, exist_ok=True)
        (model / "config.json").write_text(json.dumps(LLAMA_8B))
        sets = [part.get("path") for part in settings.get("mix", {}).values() if isinstance(part, dict)]
        for name in filter(None, [*settings["eval"]["data"].values(), *sets]):
            (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh.folder / name).touch()
    for split in ("train", "validation", "test"):
        (fresh.folder / "data/pg19" / split).mkdir(parents=True)
        (fresh.folder / "data/pg19" / split / "1.txt").write_text("words")
    return fresh


def test_each_run_of_the_paper_s_study_is_a_valid_configuration_of_six_models(paper_study):
    runs = configurations("config/studies/paper.yaml")
    assert len(runs) == 12
    assert {len(run.train.methods) + len(run.eval.models) for run in runs.values()} == {6}


def test_twelve_thousand_jobs_are_planned_in_half_a_minute_at_most_and_half_a_gigabyte(paper_study):
    for _ in range(LOOKS):
        seconds, memory = paper_study.measure(
            "-n", "--profile", "slurm", "--configfile", "config/studies/paper.yaml", "--quiet"
        )
        print(f"{seconds:.1f} s CPU, {memory:.2f} GiB")
        assert memory < 0.6
        if seconds < PLANNING_SECONDS:
            return
    pytest.fail(f"{seconds:.1f} s CPU")


def test_the_cost_of_a_study_is_the_sum_of_its_runs_and_grows_with_their_steps(paper_study, capsys):
    assert main(["--configfile", "config/studies/paper.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    hours = [float(line.split()[-2]) for line in lines[1:14]]
    assert hours[-1] == pytest.approx(sum(hours[:-1]), rel=0.001)
    clocks = [float(line.split()[-1]) for line in lines[1:14]]
    assert clocks[-1] == max(clocks[:-1])
    assert "nothing was measured on H100" in lines[-1]
    machine = Machine("H100", 0.4, 0.4)
    run = configurations("config/paper/lm.yaml")["paper-lm"]
    twice = run.model_copy(update={"train": run.train.model_copy(update={"steps": 2 * run.train.steps})})
    once_hours, twice_hours = cost_of(run, machine).training, cost_of(twice, machine).training
    assert twice_hours["ce"] == pytest.approx(2 * once_hours["ce"])
    assert once_hours["cdt"] > once_hours["ce"]


def test_the_cost_of_an_evaluation_is_that_of_its_numbers_and_its_gpu(paper_study):
    run = configurations("config/paper/lm.yaml")["paper-lm"]
    generation = run.eval.generation.model_copy(update={"dtype": "bfloat16"})
    halved = run.model_copy(update={"eval": run.eval.model_copy(update={"generation": generation})})
    wide, narrow = (sum(cost_of(one, Machine("H100")).evaluation.values()) for one in (run, halved))
    assert narrow < wide
    faster_memory = sum(cost_of(run, Machine("H200")).evaluation.values())
    assert faster_memory < wide


def test_training_reaches_what_was_measured_at_its_length():
    assert measured_share(8192) == pytest.approx(0.530, abs=0.001)
    assert measured_share(131072) == pytest.approx(0.364, abs=0.001)
    assert measured_share(131072) < measured_share(100_000) < measured_share(65536)
    assert measured_share(512) == measured_share(8192)


def test_fewer_gpus_take_longer_and_never_less_than_their_share(paper_study, capsys):
    clocks, totals = [], []
    for gpus in ("1", "64", "100000"):
        assert main(["--configfile", "config/studies/paper.yaml", "--gpus", gpus]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("all "))
        totals.append(float(line.split()[-2]))
        clocks.append(float(line.split()[-1]))
    assert clocks[0] == totals[0]
    assert clocks[1] == pytest.approx(totals[1] / 64, abs=0.1)
    assert clocks[2] < clocks[1]


def test_a_gpu_that_is_not_listed_is_refused_in_one_line(paper_study, capsys):
    assert main(["--configfile", "config/paper/lm.yaml", "--gpu", "K80"]) == 2
    assert capsys.readouterr().err.startswith("error: --gpu K80: its ")
