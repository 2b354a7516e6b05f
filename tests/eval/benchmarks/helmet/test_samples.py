"""Samples of every HELMET task, from files in the published formats."""

import json
from random import Random

import pytest

from contracts.errors import InputError
from eval.benchmarks.helmet import icl, recall
from eval.benchmarks.helmet.prompting import Asked, helmet_sample, templates
from eval.benchmarks.helmet.settings import HelmetSettings
from eval.benchmarks.helmet.tasks import CATEGORIES, TASKS, tasks_of
from eval.registry import BENCHMARKS, function_at

# Files of these are no more than a copy of another task's, so the fixture has them once.
WITHOUT_FILES = ("triviaqa", "hotpotqa", "niah_mk_2", "niah_mk_3")
BUILT = [task for task in TASKS if task not in WITHOUT_FILES]
# What the worked examples leave of the small length differs.
LENGTHS = {"asqa": 12000, "qampari": 12000, "infbench_sum": 2600, "multi_lexsum": 2600}
SMALL = {"samples": 3, "label_samples": 7, "label_shots": 12, "book_tokens": 300, "document_tokens": 300}


def build(context_of, helmet_folder, task, length=None, **options):
    """The samples of one task from the small files."""
    context = context_of(
        "helmet",
        task,
        length or LENGTHS.get(task, 2000),
        SMALL | {"tasks": [task]} | options,
        data={"helmet": helmet_folder},
    )
    return function_at(BENCHMARKS["helmet"].tasks[task].build)(context)


@pytest.mark.parametrize("task", BUILT)
def test_every_task_is_built_in_its_published_wording_and_fits(context_of, helmet_folder, task):
    built = build(context_of, helmet_folder, task)
    assert built.rows
    for row in built.rows:
        assert row["length"] <= LENGTHS.get(task, 2000)
        assert row["tokens_to_generate"] == TASKS[task].tokens_to_generate
        start, end = row["context"]
        long_text = row["input"][start:end]
        template = templates()["tasks"][task]
        instruction = template["user"].partition("{")[0]
        assert row["input"].startswith(instruction)
        assert len(long_text) > 100
        assert row["question"] in row["input"] or "{question}" not in template["user"]
        assert row["input"].endswith(template["separator"])
        assert row.get("stop", []) == (["\n"] if TASKS[task].stop_at_newline else [])
        assert row["answers"]


@pytest.mark.parametrize("task", ["nq", "trec_fine", "json_kv", "infbench_choice"])
def test_the_same_settings_give_the_same_samples(context_of, helmet_folder, task):
    assert build(context_of, helmet_folder, task).rows == build(context_of, helmet_folder, task).rows


def test_a_long_text_loses_its_end_and_nothing_else_of_the_prompt(context_of, book_text):
    asked = Asked(book_text[:3000], "Who?", ["nobody"], {"demos": ""})
    whole, cut = (helmet_sample(context_of("helmet", "nq", length), asked) for length in (4000, 700))
    assert whole["cut_characters"] == 0
    end = cut["context"][1]
    assert whole["input"] == cut["input"][:end] + book_text[3000 - cut["cut_characters"] : 3000] + cut["input"][end:]
    assert 690 < cut["length"] <= 700


def test_a_length_without_room_for_the_text_is_refused(context_of, helmet_folder):
    with pytest.raises(InputError, match="longer length"):
        build(context_of, helmet_folder, "nq", 120)


def test_an_absent_file_is_named(context_of, helmet_folder):
    with pytest.raises(InputError, match="triviaqa-dev-multikilt_1000_k50_dep6"):
        build(context_of, helmet_folder, "triviaqa", 8192)


def test_worked_examples_are_never_the_question_itself(context_of, helmet_folder):
    for row in build(context_of, helmet_folder, "popqa", popularity=5.0).rows:
        assert row["input"].count(row["question"]) == 1
        assert row["input"].count("Question: ") == 3


def test_popqa_keeps_the_little_known(context_of, helmet_folder):
    few = build(context_of, helmet_folder, "popqa", samples=100, popularity=2.0, shots=0).rows
    assert {row["question"][-2] for row in few} == {"1", "3", "5"}


def test_ranked_passages_are_in_the_prompt_with_their_ids(context_of, helmet_folder):
    for row in build(context_of, helmet_folder, "msmarco").rows:
        assert len(row["relevance"]) == 12
        assert all(f"[ID: {identity}] Document: " in row["input"] for identity in row["relevance"])
        best = row["answers"][0].split(" > ")
        grades = [row["relevance"][identity] for identity in best]
        assert grades == sorted(grades, reverse=True)


@pytest.mark.parametrize("task", tasks_of("ICL"))
def test_examples_show_every_label_equally_often_under_shuffled_numbers(context_of, helmet_folder, task):
    rows = build(context_of, helmet_folder, task, label_shots=15).rows
    mappings = set()
    for row in rows:
        start, end = row["context"]
        shown = [block.rsplit("\nlabel: ", 1) for block in row["input"][start:end].split("\n\n")]
        numbers = [label for _, label in shown]
        labels = sorted(set(numbers), key=int)
        assert len(shown) == 15
        assert {numbers.count(label) for label in labels} == {15 // len(labels)}
        assert row["answers"][0] in labels
        mappings.add(tuple(numbers[: len(labels)]))
    assert len(mappings) > 1


def test_balanced_draws_use_every_text_before_any_comes_again():
    pairs = [("a1", "a"), ("a2", "a"), ("b1", "b")]
    drawn = icl.balanced(pairs, 8, Random(1))
    assert [label for _, label in drawn].count("a") == 4
    assert sorted(text for text, label in drawn if label == "a") == ["a1", "a1", "a2", "a2"]


def test_generated_objects_hold_the_key_at_every_depth_and_one_more_pair_would_not_fit(context_of):
    context = context_of("helmet", "json_kv", 1500, {"samples": 6}, data={"helmet": None})
    rows = recall.json_kv(context).rows
    assert [round(row["depths"][0] * 5) for row in rows] == list(range(6))
    pair = len(
        context.tokenizer.encode(' "7c1eaaaa-0000-4000-8000-123456789012": "7c1eaaaa-0000-4000-8000-123456789012",\n')
    )
    for row in rows:
        start, end = row["context"]
        text = row["input"][start:end]
        found = json.loads(text.removeprefix(recall.HEADING))
        assert found[row["question"]] == row["answers"][0]
        assert 1500 - 2 * pair < row["length"] <= 1500


def test_a_choice_is_asked_by_letter_and_may_be_answered_by_its_text(context_of, helmet_folder):
    for row in build(context_of, helmet_folder, "infbench_choice").rows:
        letter, text = row["answers"]
        assert text.startswith(f"{letter}. ")
        assert f"\n{text}" in row["input"]


def test_short_stories_are_left_out_and_long_ones_cut_with_a_mark(context_of, helmet_folder):
    rows = build(context_of, helmet_folder, "infbench_qa", 500, samples=10, shots=0).rows
    assert len(rows) == 3
    assert all("[the rest of the text is omitted]" in row["input"] for row in rows)
    with pytest.raises(InputError, match="document_tokens"):
        build(context_of, helmet_folder, "infbench_qa", document_tokens=100000)


def test_only_the_passages_of_the_length_are_shown_and_kept(context_of, helmet_folder):
    for row in build(context_of, helmet_folder, "asqa", 12000).rows:
        start, end = row["context"]
        assert len(row["documents"]) == 30 or "Document [8]" in row["input"][start:end]
        assert row["input"][start:end].count("Document [") == len(row["documents"])


def test_the_tables_of_tasks_agree():
    assert set(BENCHMARKS["helmet"].tasks) == set(TASKS) == set(HelmetSettings().tasks) == set(templates()["tasks"])
    assert sorted(task for category in CATEGORIES for task in tasks_of(category)) == sorted(TASKS)
    assert len(TASKS) == 21
