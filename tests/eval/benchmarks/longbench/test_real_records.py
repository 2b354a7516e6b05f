"""Real LongBench records: the sets load, the prompts are those that another runner has made from the same wording."""

import json

import pytest

from eval.benchmarks.longbench.build import build, chosen_records, prompt_of
from eval.benchmarks.longbench.score import score
from eval.benchmarks.longbench.tasks import TASKS, task_called
from tests.eval.benchmarks.longbench.conftest import REAL


@pytest.mark.parametrize("task", TASKS)
def test_real_records_make_samples_of_their_length(context_of, real_folder, task):
    context = context_of("longbench", task, 2000, {"samples": 2}, data={"longbench": real_folder})
    rows = build(context).rows
    assert len(rows) == 2
    for row in rows:
        assert row["length"] <= 2000
        assert row["words"] > 100
        perfect = {**row, "prediction": row["answers"][0]}
        assert score(task, [perfect], {}).per_sample[0] == pytest.approx(1, abs=1e-6)


def test_a_records_length_is_its_words(context_of, real_folder):
    context = context_of("longbench", "multi_news", 2000, data={"longbench": real_folder})
    records = chosen_records(context, task_called("multi_news"))
    assert len(records) > 100
    for record in records[:30]:
        assert record["length"] == len(f"{record['context']} {record['input']} {record['answers'][0]}".split())


@pytest.mark.parametrize("task", ["multifieldqa_en", "gov_report", "trec", "passage_count", "lcc"])
def test_prompts_are_those_of_another_runner(context_of, real_folder, task):
    theirs = {
        entry["origin_prompt"]
        for entry in json.loads((REAL / f"mini_{task}.json").read_text(encoding="utf-8")).values()
    }
    context = context_of("longbench", task, 2000, data={"longbench": real_folder})
    ours = {prompt_of(task_called(task), record).text for record in chosen_records(context, task_called(task))}
    assert ours & theirs
