"""Following the supporting facts gives the answer, whatever the stories come from."""

import json
import re

import pytest

from contracts.errors import InputError
from contracts.held_out import is_held_out
from data_prep.sources.drills.sample import Admission
from data_prep.sources.drills.stories import Chain as DrillChain
from eval.benchmarks.hops import HopsSettings
from eval.benchmarks.hops.build import build
from eval.benchmarks.hops.stories import PLACES
from tests.real_records import REAL_RECORDS

STORY = """1 Daniel went to the office.
2 Mary took the apple.
3 John got the milk there.
4 Mary journeyed to the garden.
5 Sandra moved to the hallway.
6 Where is Mary? \tgarden\t4
7 Mary went back to the kitchen.
8 Daniel picked up the football.
9 Where was the apple before the kitchen? \tgarden\t7 4 2
10 Where was the milk before the kitchen? \tgarden\t3 4 5
"""
NEEDLES = [
    {
        "question": f"Long instruction.\n\nQuestion: Where was the apple, line {number}? ",
        "needle": [
            " John left.",
            " Mary took the apple.",
            " Mary went to the office.",
            " Mary went away.",
            " Sandra sat.",
        ],
        "real_needle": [" Mary took the apple.", " Mary went to the office.", " Mary went away."],
        "golden_answer": "office",
        "tag": "3-hop",
    }
    for number in range(2)
]


@pytest.fixture
def babi(tmp_path):
    (tmp_path / "qa3_three-supporting-facts_test.txt").write_text(STORY)
    return tmp_path


@pytest.fixture
def needles(tmp_path):
    path = tmp_path / "reasoning_needle.jsonl"
    path.write_text("\n".join(map(json.dumps, NEEDLES)))
    return path


def facts_of(tokenizer, row, kind) -> list[str]:
    return [
        tokenizer.decode(row["input_ids"][span["start"] : span["end"]]).strip()
        for span in row["spans"]
        if span["kind"] == kind
    ]


def last_word(fact: str) -> str:
    return re.search(r"the (\w+)(?: there)?\.$", fact).group(1)


def check(tokenizer, row, hops) -> None:
    """The supporting facts are one person's, in the form of so many hops, and lead to the answer."""
    facts = facts_of(tokenizer, row, "supporting")
    assert len(facts) == hops
    (person,) = {fact.split()[0] for fact in facts}
    words = [last_word(fact) for fact in facts]
    if hops == 4:
        place, thing, last_place, dropped = words
        assert thing == dropped
        assert place != last_place
        assert f"Where was the {thing} before the place where it was dropped?" in row["question"]
    else:
        thing, place, *last = words
        asked = f"Where was the {thing} before the {last[0]}?" if last else f"Where is the {thing}?"
        assert asked in row["question"]
    assert place == row["answer"]
    for fact in facts_of(tokenizer, row, "interference"):
        assert person not in fact
        assert not fact.endswith(f"the {thing}.")


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_own_stories_lead_to_their_answers(context_of, tokenizer, hops):
    rows = build(context_of("hops", f"{hops}hop", 900, {"samples": 15})).rows
    for row in rows:
        check(tokenizer, row, hops)
    assert len({row["answer"] for row in rows}) > 2


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_own_stories_are_in_no_generated_training_sample(context_of, tokenizer, hops):
    for row in build(context_of("hops", f"{hops}hop", 900, {"samples": 15})).rows:
        question = row["question"].split("Question: ")[1].removesuffix("\nAnswer:")
        story = "\n".join([*facts_of(tokenizer, row, "supporting"), question])
        assert is_held_out(story)
        assert not Admission("train").admits(story)


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_an_answer_that_names_the_chain_says_the_facts_as_the_drills_do(context_of, tokenizer, hops):
    for row in build(context_of("hops", f"{hops}hop", 1000, {"samples": 8, "stories": "own", "answer": "chain"})).rows:
        assert "Answer with the sentences that lead to the place." in row["question"]
        facts = facts_of(tokenizer, row, "supporting")
        thing = last_word(next(fact for fact in facts if re.search(r"(picked up|took|got) the", fact)))
        steps = tuple(facts[number] for number in {2: (0, 1), 3: (0, 2, 1), 4: (3, 2, 0)}[hops])
        drill = DrillChain(thing, last_word(steps[-1]), tuple(facts), steps, "")
        assert f" {row['answer']}" == drill.answer(direct=False)
        assert last_word(row["answer"]) in PLACES


def test_published_rows_have_no_answer_that_names_the_chain():
    for stories in ("published", None):
        with pytest.raises(ValueError, match="answer with the place"):
            HopsSettings(answer="chain", stories=stories)


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_stories_of_babi_keep_its_facts_and_lead_to_their_answers(context_of, tokenizer, babi, hops):
    built = build(context_of("hops", f"{hops}hop", 900, {"samples": 6}, data={"babi": babi}))
    assert "babi" in built.inputs
    for row in built.rows:
        check(tokenizer, row, hops)
        supporting = facts_of(tokenizer, row, "supporting")
        assert {"Mary took the apple.", "Mary journeyed to the garden."} <= set(supporting)
        assert row["answer"] == "garden"
        if hops == 4:
            assert supporting[-1] in {
                f"Mary {verb} the apple." for verb in ("dropped", "left", "discarded", "put down")
            }
        others = facts_of(tokenizer, row, "interference")
        assert set(others) <= {
            "Daniel went to the office.",
            "John got the milk there.",
            "Sandra moved to the hallway.",
            "Daniel picked up the football.",
        }


def test_published_stories_are_asked_as_published_and_repeat(context_of, tokenizer, needles, babi):
    data = {"needles": needles, "babi": babi}
    rows = build(context_of("hops", "3hop", 900, {"samples": 3}, data=data)).rows
    assert [row["question"].count("line 0?") for row in rows] == [1, 0, 1]
    for row in rows:
        assert row["question"].startswith("Long instruction.")
        assert row["question"].endswith("?\nAnswer:")
        assert facts_of(tokenizer, row, "supporting") == [fact.strip() for fact in NEEDLES[0]["real_needle"]]
        assert facts_of(tokenizer, row, "interference") == ["John left.", "Sandra sat."]


def test_the_source_is_the_first_that_is_given_or_the_one_that_is_named(context_of, needles, babi):
    def inputs(task, data, **options):
        return set(build(context_of("hops", task, 900, {"samples": 1, **options}, data=data)).inputs) - {"books"}

    assert inputs("3hop", {"needles": needles, "babi": babi}) == {"needles"}
    assert inputs("2hop", {"needles": needles, "babi": babi}) == {"babi"}
    assert inputs("2hop", {"needles": needles}) == set()
    assert inputs("3hop", {"needles": needles, "babi": babi}, stories="babi") == {"babi"}
    assert inputs("3hop", {"needles": needles, "babi": babi}, stories="own") == set()


def test_files_in_another_format_are_refused(context_of, tmp_path, needles):
    needles.write_text(json.dumps({**NEEDLES[0], "real_needle": ["Not there."]}))
    with pytest.raises(InputError, match=r"Not there\."):
        build(context_of("hops", "3hop", 900, {"samples": 1}, data={"needles": needles}))
    with pytest.raises(InputError, match="4-hop"):
        build(context_of("hops", "4hop", 900, {"samples": 1}, data={"needles": needles}))
    (tmp_path / "qa3_x_test.txt").write_text("1 Mary left.\n2 Where?\tgarden\t1\n")
    with pytest.raises(InputError, match="two moves"):
        build(context_of("hops", "3hop", 900, {"samples": 1}, data={"babi": tmp_path}))


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_published_files_are_read(context_of, tokenizer, hops):
    if not (REAL_RECORDS / "hops").is_dir():
        pytest.skip(f"{REAL_RECORDS / 'hops'} is not here")
    babi = {"babi": REAL_RECORDS / "babi" / "tasks_1-20_v1-2" / "en"}
    for row in build(context_of("hops", f"{hops}hop", 900, {"samples": 20}, data=babi)).rows:
        check(tokenizer, row, hops)
    if hops > 2:
        needles = {"needles": REAL_RECORDS / "hops" / "reasoning_needle.jsonl"}
        rows = build(context_of("hops", f"{hops}hop", 1500, {"samples": 100}, data=needles)).rows
        assert {len(facts_of(tokenizer, row, "supporting")) for row in rows} == {hops}
        assert len({row["question"] for row in rows}) >= 3
