from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from contracts.errors import InputError
from contracts.settings import Settings, load_settings
from eval.cells import all_ways, cell_settings, cells_of, suits, ways_of
from eval.registry import BENCHMARKS, WORKFLOW_DATA, function_at, known_benchmark, known_task
from eval.settings import BenchmarksSection, DataSettings, EvalSettings

SECTIONS = {
    name: next(kind for kind in field.annotation.__args__ if kind is not type(None))
    for name, field in BenchmarksSection.model_fields.items()
}
REPOSITORY = Path(__file__).parents[2]
EVERY_TASK = [(benchmark, task) for benchmark, known in BENCHMARKS.items() for task in known.tasks]


def descriptions(kind) -> dict[str, str | None]:
    found = {}
    for name, field in kind.model_fields.items():
        found[f"{kind.__name__}.{name}"] = field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            found |= descriptions(field.annotation)
    return found


@pytest.mark.parametrize("kind", [EvalSettings, *SECTIONS.values()], ids=lambda kind: kind.__name__)
def test_every_field_is_described(kind):
    assert [name for name, text in descriptions(kind).items() if not text] == []


def everything(**benchmarks) -> dict:
    return EvalSettings.model_validate({"lengths": [9000], "benchmarks": benchmarks}).model_dump(mode="json")


def test_the_settings_of_a_cell_give_back_its_part_and_leave_out_the_others():
    settings = everything(ruler={"samples": 3, "vt": {"links": 2}}, hops={"samples": 9})
    part = cell_settings(settings, "ruler", "vt", 512)
    again = EvalSettings.model_validate(part)
    assert again.benchmarks.hops is None
    assert again.benchmarks.ruler.samples == 3
    assert again.benchmarks.ruler.vt.links == 2
    assert cells_of(again.model_dump() | {"lengths": [1]}) == [("ruler", "vt", 512)]


def test_another_tasks_key_does_not_change_a_cells_settings():
    one, other = (everything(ruler={"niah_single_1": {"tokens_to_generate": count}}) for count in (5, 6))
    assert cell_settings(one, "ruler", "vt", 64) == cell_settings(other, "ruler", "vt", 64)
    assert cell_settings(one, "ruler", "niah_single_1", 64) != cell_settings(other, "ruler", "niah_single_1", 64)


def test_a_benchmark_s_own_lengths_come_before_the_shared_ones():
    settings = everything(ruler={"tasks": ["vt"], "lengths": [64, 128]}, hops={"tasks": ["3hop"]})
    assert cells_of(settings) == [("ruler", "vt", 64), ("ruler", "vt", 128), ("hops", "3hop", 9000)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"benchmarks": {"rular": {}}},
        {"benchmarks": {"ruler": {"tasks": ["no such task"]}}},
        {"lengths": [0]},
        {"lengths": [1024], "benchmarks": {"longppl": {"window": 1024}}},
        {"benchmarks": {"hops": {"interference_min": 5, "interference_max": 4}}},
        {"benchmarks": {"hops": {"sentence_tokens_min": 50, "sentence_tokens_max": 20}}},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        EvalSettings.model_validate(wrong)


def test_a_wrong_key_is_told_in_one_line():
    with pytest.raises(InputError, match="smaples") as error:
        load_settings(EvalSettings, '{"benchmarks": {"ruler": {"smaples": 3}}}')
    assert "\n" not in str(error.value)


def test_every_benchmark_has_settings_whose_default_is_all_of_its_tasks():
    assert set(SECTIONS) == set(BENCHMARKS)
    for name, kind in SECTIONS.items():
        assert set(kind().tasks) == set(BENCHMARKS[name].tasks)


@pytest.mark.parametrize(("benchmark", "task"), EVERY_TASK)
def test_every_task_has_a_builder_a_scorer_and_data_that_can_be_given(benchmark, task):
    known = known_task(benchmark, task)
    assert callable(function_at(known.build))
    assert callable(function_at(known.score))
    assert callable(function_at(known_benchmark(benchmark).aggregate))
    assert {*known.needs, *known.takes} <= {*WORKFLOW_DATA, *DataSettings.model_fields}


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(InputError, match="perplexity"):
        known_benchmark("no such benchmark")
    with pytest.raises(InputError, match="niah_single_1"):
        known_task("ruler", "no such task")


def test_gradients_are_dense_and_losses_are_not_retrieved():
    settings = everything(hops={"tasks": ["3hop"]}, ruler={})
    settings["inference"]["methods"], settings["detection"]["methods"] = ["rag", "dense"], ["longppl", "gradient"]
    assert ways_of(settings, "hops", "3hop") == ["longppl", "gradient"]
    assert ways_of(settings, "ruler", "vt") == ["rag", "dense"]
    assert all_ways(settings) == ["rag", "dense", "longppl", "gradient"]
    assert not suits("hops", "3hop", "flexprefill")
    assert suits("perplexity", "books", "flexprefill")
    assert not suits("perplexity", "books", "rag")
    assert suits("ruler", "vt", "rag")


def test_the_small_evaluation_asks_every_task_of_the_paper_and_has_all_of_its_data():
    section = yaml.safe_load((REPOSITORY / "config/eval_small.yaml").read_text(encoding="utf-8"))["eval"]
    settings = EvalSettings.model_validate(section).model_dump(mode="json")
    asked = {(benchmark, task) for benchmark, task, _ in cells_of(settings)}
    beyond_the_paper = {("babilong", f"qa{number}") for number in (4, 5, 6, 9, 10)}
    beyond_the_paper |= {("stories", task) for task in BENCHMARKS["stories"].tasks}
    assert asked == set(EVERY_TASK) - beyond_the_paper
    given = {key: path for key, path in settings["data"].items() if path is not None}
    assert all((REPOSITORY / path).exists() for path in given.values())
    assert {key for cell in asked for key in known_task(*cell).needs} <= {*given, *WORKFLOW_DATA}
