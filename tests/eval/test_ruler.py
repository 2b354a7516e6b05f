import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputError
from eval.build_context import BuildContext
from eval.haystack import NOISE, largest_fitting
from eval.settings import EvalSettings
from eval.tasks import niah_single_1, vt
from eval.words import ADJECTIVES, NOUNS

EXAMPLES = settings(max_examples=12)


def context(tokenizer, task, length, **changes) -> BuildContext:
    return BuildContext(task, length, tokenizer, EvalSettings.model_validate(changes))


@given(best=st.integers(1, 5000), smallest=st.integers(1, 50))
def test_the_search_finds_the_largest_count_that_fits(best, smallest):
    assert largest_fitting(lambda count: count <= best, smallest) == (best if best >= smallest else None)


@EXAMPLES
@given(length=st.integers(450, 2000), seed=st.integers(0, 1000), budget=st.integers(8, 128))
def test_a_needle_prompt_and_its_answer_fit_the_length_and_one_more_line_would_not(tokenizer, length, seed, budget):
    changes = {"seed": seed, "niah_single_1": {"samples": 1, "tokens_to_generate": budget}}
    row = niah_single_1.build(context(tokenizer, "niah_single_1", length, **changes)).rows[0]
    assert row["length"] == len(row["input_ids"]) + budget <= length
    assert row["length"] + len(tokenizer.encode(f"\n{NOISE}")) > length


@EXAMPLES
@given(length=st.integers(1300, 2500), seed=st.integers(0, 1000))
def test_a_chain_prompt_and_its_answer_fit_the_length_and_one_more_line_would_not(tokenizer, length, seed):
    changes = {"seed": seed, "vt": {"samples": 1, "example_tokens": 700}}
    row = vt.build(context(tokenizer, "vt", length, **changes)).rows[0]
    assert row["length"] == len(row["input_ids"]) + 30 <= length
    # Other places for the assignments may join tokens otherwise: leave a few tokens of room.
    assert row["length"] + len(tokenizer.encode(f"\n{NOISE}")) + 8 > length


def test_the_needle_is_in_the_prompt_once_and_the_answer_prefix_is_read_last(tokenizer):
    for row in niah_single_1.build(context(tokenizer, "niah_single_1", 600)).rows:
        (value,) = row["outputs"]
        assert re.fullmatch(r"[1-9]\d{6}", value)
        assert row["input"].count(value) == 1
        key = re.search(r"One of the special magic numbers for (\w+-\w+) is: \d{7}\.", row["input"]).group(1)
        assert row["answer_prefix"] == f" The special magic number for {key} mentioned in the provided text is"
        assert tokenizer.decode(row["input_ids"]) == row["input"] + row["answer_prefix"]


def test_a_chain_links_every_expected_variable_after_one_worked_example(tokenizer):
    for row in vt.build(context(tokenizer, "vt", 1600, vt={"samples": 4, "example_tokens": 700})).rows:
        example, _, task = row["input"].partition("\n\nMemorize")
        first, *others = row["outputs"]
        value = re.search(rf"VAR {first} = (\d{{5}})\n", task).group(1)
        links = dict(re.findall(r"VAR ([A-Z]{5}) = VAR ([A-Z]{5}) \n", task))
        assert [links[name] for name in others] == row["outputs"][:-1]
        assert task.index(f"VAR {first} =") < min(task.index(f"VAR {name} =") for name in others)
        assert row["answer_prefix"].endswith(f"5 variables are assigned the value {value}, they are: ")
        names = re.findall(r"VAR ([A-Z]{3}) = ", example)
        assert example.endswith(f"they are:  {' '.join(names)}")
        assert len(tokenizer.encode(example)) <= 700


@pytest.mark.parametrize("module", [niah_single_1, vt])
def test_fewer_samples_are_the_first_of_more_and_another_length_changes_them(tokenizer, module):
    task = module.__name__.rpartition(".")[2]

    def rows(samples, length=1600):
        changes = {task: {"samples": samples} | ({"example_tokens": 700} if task == "vt" else {})}
        return module.build(context(tokenizer, task, length, **changes)).rows

    assert rows(2) == rows(4)[:2]
    assert rows(1)[0]["outputs"] != rows(1, 1601)[0]["outputs"]


@pytest.mark.parametrize("module", [niah_single_1, vt])
def test_a_length_that_holds_no_prompt_is_refused(tokenizer, module):
    task = module.__name__.rpartition(".")[2]
    with pytest.raises(InputError, match="longer length"):
        module.build(context(tokenizer, task, 150))


def test_keys_are_many_and_the_word_lists_have_no_doubles():
    adjectives, nouns = ADJECTIVES.split(), NOUNS.split()
    assert len(set(adjectives)) == len(adjectives)
    assert len(set(nouns)) == len(nouns)
    assert len(adjectives) * len(nouns) > 10_000
