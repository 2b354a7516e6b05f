import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputError
from eval.benchmarks.ruler import niah_single_1, vt
from eval.benchmarks.ruler.haystack import NOISE
from eval.benchmarks.ruler.words import ADJECTIVES, NOUNS
from eval.build_context import BuildContext
from eval.fitting import largest_fitting
from eval.settings import EvalSettings

EXAMPLES = settings(max_examples=12)


def context(tokenizer, task, length, seed=42, **options) -> BuildContext:
    settings = {"seed": seed, "lengths": [length], "benchmarks": {"ruler": options}}
    return BuildContext("ruler", task, length, tokenizer, EvalSettings.model_validate(settings))


@given(best=st.integers(1, 5000), smallest=st.integers(1, 50))
def test_the_search_finds_the_largest_count_that_fits(best, smallest):
    assert largest_fitting(lambda count: count <= best, smallest) == (best if best >= smallest else None)


@EXAMPLES
@given(length=st.integers(450, 2000), seed=st.integers(0, 1000), budget=st.integers(8, 128))
def test_a_needle_prompt_and_its_answer_fit_the_length_and_one_more_line_would_not(tokenizer, length, seed, budget):
    options = {"samples": 1, "niah_single_1": {"tokens_to_generate": budget}}
    row = niah_single_1.build(context(tokenizer, "niah_single_1", length, seed, **options)).rows[0]
    assert row["length"] == len(row["input_ids"]) + budget <= length
    assert row["length"] + len(tokenizer.encode(f"\n{NOISE}")) > length


@EXAMPLES
@given(length=st.integers(1300, 2500), seed=st.integers(0, 1000))
def test_a_chain_prompt_and_its_answer_fit_the_length_and_one_more_line_would_not(tokenizer, length, seed):
    row = vt.build(context(tokenizer, "vt", length, seed, samples=1, vt={"example_tokens": 700})).rows[0]
    assert row["length"] == len(row["input_ids"]) + 30 <= length
    # Other places for the assignments may join tokens otherwise: leave a few tokens of room.
    assert row["length"] + len(tokenizer.encode(f"\n{NOISE}")) + 8 > length


def test_the_needle_is_in_the_prompt_once_and_the_answer_prefix_is_read_last(tokenizer):
    for row in niah_single_1.build(context(tokenizer, "niah_single_1", 600)).rows:
        (value,) = row["answers"]
        assert re.fullmatch(r"[1-9]\d{6}", value)
        assert row["input"].count(value) == 1
        key = re.search(r"One of the special magic numbers for (\w+-\w+) is: \d{7}\.", row["input"]).group(1)
        assert row["answer_prefix"] == f" The special magic number for {key} mentioned in the provided text is"
        assert tokenizer.decode(row["input_ids"]) == row["input"] + row["answer_prefix"]


def test_a_chain_links_every_expected_variable_after_one_worked_example(tokenizer):
    for row in vt.build(context(tokenizer, "vt", 1600, samples=4, vt={"example_tokens": 700})).rows:
        example, _, task = row["input"].partition("\n\nMemorize")
        first, *others = row["answers"]
        value = re.search(rf"VAR {first} = (\d{{5}})\n", task).group(1)
        links = dict(re.findall(r"VAR ([A-Z]{5}) = VAR ([A-Z]{5}) \n", task))
        assert [links[name] for name in others] == row["answers"][:-1]
        assert task.index(f"VAR {first} =") < min(task.index(f"VAR {name} =") for name in others)
        assert row["answer_prefix"].endswith(f"5 variables are assigned the value {value}, they are: ")
        names = re.findall(r"VAR ([A-Z]{3}) = ", example)
        assert example.endswith(f"they are:  {' '.join(names)}")
        assert len(tokenizer.encode(example)) <= 700


@pytest.mark.parametrize("module", [niah_single_1, vt])
def test_fewer_samples_are_the_first_of_more_and_another_length_changes_them(tokenizer, module):
    task = module.__name__.rpartition(".")[2]

    def rows(samples, length=1600):
        return module.build(context(tokenizer, task, length, samples=samples, vt={"example_tokens": 700})).rows

    assert rows(2) == rows(4)[:2]
    assert rows(1)[0]["answers"] != rows(1, 1601)[0]["answers"]


@pytest.mark.parametrize("module", [niah_single_1, vt])
def test_a_length_that_holds_no_prompt_is_refused(tokenizer, module):
    task = module.__name__.rpartition(".")[2]
    with pytest.raises(InputError, match="choose"):
        module.build(context(tokenizer, task, 150))


def test_keys_are_many_and_the_word_lists_have_no_doubles():
    adjectives, nouns = ADJECTIVES.split(), NOUNS.split()
    assert len(set(adjectives)) == len(adjectives)
    assert len(set(nouns)) == len(nouns)
    assert len(adjectives) * len(nouns) > 10_000


def test_the_context_span_is_the_text_between_the_instruction_and_the_question(tokenizer):
    rows = niah_single_1.build(context(tokenizer, "niah_single_1", 600)).rows
    rows += vt.build(context(tokenizer, "vt", 1600, samples=2, vt={"example_tokens": 700})).rows
    for row in rows:
        start, end = row["context"]
        lines = row["input"][start:end].split("\n")
        assert {line for line in lines if line == NOISE} == {NOISE}
        assert all(line == NOISE or line.startswith(("One of the special", "VAR ")) for line in lines)
        assert row["question"] == row["input"][end:].strip()
        assert row["question"].endswith(("provided text?", "in the text above."))
