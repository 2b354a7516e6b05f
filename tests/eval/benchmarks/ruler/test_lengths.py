"""Every prompt fits with its answer, and one more line, word or document would not: told by real tokenization."""

import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.tokenizer import load_tokenizer
from eval.benchmarks.ruler import ALL_TASKS
from eval.building.filling import fill
from eval.registry import BENCHMARKS
from tests.real_records import REAL_RECORDS

PUBLISHED = REAL_RECORDS / "tokenizers"
# The small tokenizer needs two or three times the tokens of a real one.
LENGTHS = {"vt": (1900, 2600), "cwe": (2000, 3000), "qa_1": (700, 2500), "qa_2": (900, 2500)}
SHORT_EXAMPLE = {"vt": {"example_tokens": 900}}
ANSWER_TOKENS = {**dict.fromkeys(ALL_TASKS, 128), "vt": 30, "cwe": 120, "fwe": 50, "qa_1": 32, "qa_2": 32}


def builder(task: str):
    return importlib.import_module(BENCHMARKS["ruler"].tasks[task].build.partition(":")[0])


def filled_to_the_brim(monkeypatch, module) -> list[int]:
    """Have every `fill` of a module prove that one more unit is too much; the units of each, as they come."""
    units_of_prompts = []

    def proved(length, predicted, sample_of, smallest, largest=1 << 40, **more):
        units, sample = fill(length, predicted, sample_of, smallest, largest, **more)
        assert sample["length"] <= length
        assert units == largest or sample_of(units + 1)["length"] > length
        units_of_prompts.append(units)
        return units, sample

    monkeypatch.setattr(module, "fill", proved)
    return units_of_prompts


@pytest.mark.parametrize("task", ALL_TASKS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_prompt_and_its_answer_fit_and_one_more_unit_would_not(ruler_context, task, data):
    length = data.draw(st.integers(*LENGTHS.get(task, (600, 2000))), label="length")
    seed = data.draw(st.integers(0, 10_000), label="seed")
    context = ruler_context(task, length, seed=seed, **({task: SHORT_EXAMPLE[task]} if task in SHORT_EXAMPLE else {}))
    with pytest.MonkeyPatch.context() as monkeypatch:
        proofs = filled_to_the_brim(monkeypatch, builder(task))
        (row,) = builder(task).build(context).rows
    assert proofs
    assert row["length"] == len(row["input_ids"]) + ANSWER_TOKENS[task] <= length
    assert context.tokenizer.encode(row["input"] + row["answer_prefix"]) == row["input_ids"]


@pytest.mark.parametrize("name", ["llama3", "llama2", "open_llama"])
@pytest.mark.parametrize("task", ALL_TASKS)
def test_the_same_holds_with_published_tokenizers(ruler_context, monkeypatch, task, name):
    if not PUBLISHED.is_dir():
        pytest.skip(f"no published tokenizers at {PUBLISHED}")
    proofs = filled_to_the_brim(monkeypatch, builder(task))
    context = ruler_context(task, 4096, load_tokenizer(PUBLISHED / name), samples=2)
    assert len(builder(task).build(context).rows) == 2
    assert proofs


@pytest.mark.parametrize("task", ALL_TASKS)
def test_fewer_samples_are_the_first_of_more_and_another_length_changes_them(ruler_context, task):
    length = sum(LENGTHS.get(task, (600, 2000))) // 2
    changes = {task: SHORT_EXAMPLE[task]} if task in SHORT_EXAMPLE else {}

    def rows(samples, length=length):
        return builder(task).build(ruler_context(task, length, samples=samples, **changes)).rows

    many = rows(3)
    assert len(many) == 3
    assert rows(2) == many[:2]
    assert len({row["input"] for row in many}) == 3
    if not task.startswith("qa"):
        assert rows(1)[0]["answers"] != rows(1, length + 1)[0]["answers"]


@pytest.mark.parametrize("task", ALL_TASKS)
def test_a_length_that_holds_no_prompt_is_refused(ruler_context, task):
    with pytest.raises(InputError, match="choose a longer length"):
        builder(task).build(ruler_context(task, 150))


@pytest.mark.parametrize("task", ALL_TASKS)
def test_the_context_span_is_the_long_text(ruler_context, task):
    length = LENGTHS.get(task, (600, 2000))[1]
    changes = {task: SHORT_EXAMPLE[task]} if task in SHORT_EXAMPLE else {}
    (row,) = builder(task).build(ruler_context(task, length, **changes)).rows
    start, end = row["context"]
    assert end - start > 0.3 * len(row["input"])
    shortened = row["input"][:start] + row["input"][end:]
    for answer in row["answers"]:
        assert answer in row["input"][start:end]
        assert answer not in shortened or task == "cwe"


def test_tokens_are_not_counted_again_and_again(ruler_context, tokenizer, monkeypatch):
    whole = []
    encode = type(tokenizer).encode

    def counting(self, text):
        whole.append(len(text) > 4000)
        return encode(self, text)

    monkeypatch.setattr(type(tokenizer), "encode", counting)
    builder("niah_single_1").build(ruler_context("niah_single_1", 8000, samples=5))
    # Once a sample, and once more where the first guess was in doubt: a search took more than twenty.
    assert 5 <= sum(whole) <= 10


def test_a_file_in_another_format_is_refused(ruler_context, tmp_path):
    broken = tmp_path / "other.json"
    broken.write_text(json.dumps({"paragraphs": []}))
    for task, key in (("niah_single_2", "essays"), ("qa_1", "squad"), ("qa_2", "hotpotqa")):
        with pytest.raises(InputError, match=r"other\.json: not in"):
            builder(task).build(ruler_context(task, 1500, files={key: str(broken)}))
        with pytest.raises(InputError, match=rf"eval\.data\.{key}"):
            builder(task).build(ruler_context(task, 1500, files={}))
