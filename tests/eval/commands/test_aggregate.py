import json

import pytest

from contracts import command_line
from eval.__main__ import COMMANDS
from eval.scoring.scored import aggregate


def run(*words) -> int:
    return command_line.main("eval", COMMANDS, [str(word) for word in words])


def cell(task: str, length: int, score: float | None, **more) -> dict:
    owner = {"model": "m", "inference": "dense", "benchmark": "ruler"}
    return {**owner, "task": task, "length": length, "score": score, **more}


@pytest.fixture
def write(tmp_path):
    def make(*cells: dict) -> list:
        paths = [tmp_path / f"{number}.json" for number in range(len(cells))]
        for path, values in zip(paths, cells, strict=True):
            path.write_text(json.dumps(values))
        return paths

    return make


def test_tasks_are_averaged_per_length_and_lengths_count_alike():
    found = aggregate([cell("a", 8, 10.0), cell("b", 8, 30.0), cell("a", 16, 0.0), cell("c", 16, None)])
    assert found["lengths"]["8"] == {"tasks": {"a": 10.0, "b": 30.0}, "mean": 20.0}
    assert found["lengths"]["16"]["mean"] == 0.0
    assert found["score"] == 10.0


def test_an_average_names_its_owner_and_the_bytes_it_rests_on(write, tmp_path):
    paths = write(cell("vt", 8, 50.0), cell("vt", 16, 100.0))
    assert run("aggregate", "--scores", *paths, "--output", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["model"], found["inference"], found["benchmark"]) == ("m", "dense", "ruler")
    assert found["aggregate"]["score"] == 75.0
    assert set(found["scores"]) == set(map(str, paths))


@pytest.mark.parametrize("other", [{"model": "n"}, {"inference": "rag"}, {"benchmark": "hops"}])
def test_scores_of_different_owners_are_never_averaged(other, write, tmp_path, capsys):
    paths = write(cell("vt", 8, 50.0), cell("vt", 16, 100.0, **other))
    assert run("aggregate", "--scores", *paths, "--output", tmp_path / "a.json") == 2
    assert next(iter(other)) in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()
