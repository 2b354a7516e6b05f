"""What each of the 13 tasks asks is true of its text, and its wording is the published one."""

import collections
import json
import re
import uuid
from pathlib import Path

import pytest

from eval.benchmarks.ruler import cwe, fwe, niah, qa, vt
from eval.benchmarks.ruler.haystacks import DEPTHS
from eval.benchmarks.ruler.niah import NEEDLE_TASKS
from eval.benchmarks.ruler.wording import noise
from tests.real_records import REAL_RECORDS

REAL = REAL_RECORDS / "ruler"
NEEDLE = re.compile(r"One of the special magic (numbers|uuids) for (\S+) is: (\S+?)\.(?=\s|$)")


def long_text(row: dict) -> str:
    return row["input"][slice(*row["context"])]


@pytest.mark.parametrize("task", NEEDLE_TASKS)
def test_the_asked_keys_have_the_expected_values_and_no_others(ruler_context, task):
    form = NEEDLE_TASKS[task]
    for row in niah.build(ruler_context(task, 1500, samples=4)).rows:
        of_key = collections.defaultdict(list)
        for kind, key, value in NEEDLE.findall(long_text(row)):
            assert kind == form.values_are
            of_key[key].append(value)
        asked = re.split(r", and |, ", row["question"])
        assert len(asked) == form.queries
        assert sorted(row["answers"]) == sorted(value for key in asked for value in of_key[key])
        assert len(row["answers"]) == form.queries * form.values
        if form.haystack != "needle":
            assert len(of_key) == form.keys
            assert len(row["depths"]) == form.keys * form.values


@pytest.mark.parametrize("task", NEEDLE_TASKS)
def test_one_value_is_asked_for_in_the_singular_and_four_in_the_plural(ruler_context, task):
    (row,) = niah.build(ruler_context(task, 1500)).rows
    kind = NEEDLE_TASKS[task].values_are
    if len(row["answers"]) == 1:
        assert row["input"].startswith(f"A special magic {kind[:-1]} is hidden within the following text.")
        assert row["input"].endswith(
            f"What is the special magic {kind[:-1]} for {row['question']} mentioned in the provided text?"
        )
        ending = "is"
    else:
        assert row["input"].startswith(f"Some special magic {kind} are hidden within the following text.")
        assert f"What are all the special magic {kind} for {row['question']} mentioned" in row["input"]
        ending = "are"
    assert row["answer_prefix"].endswith(f" for {row['question']} mentioned in the provided text {ending}")


def test_keys_are_words_or_uuids_and_values_numbers_or_uuids(ruler_context):
    (words,) = niah.build(ruler_context("niah_single_1", 900)).rows
    assert re.fullmatch(r"\S+-.+", words["question"])
    assert re.fullmatch(r"[1-9]\d{6}", words["answers"][0])
    (uuids,) = niah.build(ruler_context("niah_multikey_3", 1500)).rows
    assert {uuid.UUID(text).version for text in (uuids["question"], *uuids["answers"])} == {4}


def test_each_haystack_is_what_the_task_names(ruler_context, ruler_files):
    def text(task, **more):
        return NEEDLE.sub("", long_text(niah.build(ruler_context(task, 1500, **more)).rows[0]))

    assert set(text("niah_single_1").split("\n")) <= {noise(), ""}
    assert not text("niah_multikey_2").strip()
    essay = " ".join(json.loads(Path(ruler_files["essays"]).read_text())["text"].split())
    assert " ".join(text("niah_single_2").split()) in essay
    assert " ".join(text("niah_single_2", essays="books").split()) not in essay[:50]


def test_needles_lie_between_sentences_of_the_essay_at_one_of_forty_depths(ruler_context):
    assert len(set(DEPTHS)) == 40
    assert DEPTHS[:3] == (0, 3, 5)
    assert DEPTHS[-1] == 100
    for row in niah.build(ruler_context("niah_multivalue", 2000, samples=6)).rows:
        assert {round(depth * 100) for depth in row["depths"]} <= set(DEPTHS)
        assert len(set(row["depths"])) == 4
        for found in NEEDLE.finditer(long_text(row)):
            before = long_text(row)[: found.start()].rstrip()
            assert not before or before[-1] in ".?!\"')]_:;\u2019\u201d"


def test_a_deeper_needle_lies_further_on(ruler_context):
    rows = niah.build(ruler_context("niah_single_2", 1500, samples=30)).rows
    places = sorted((row["depths"][0], long_text(row).index("One of the special")) for row in rows)
    assert [place for _, place in places] == sorted(place for _, place in places)
    rows = niah.build(ruler_context("niah_single_1", 1500, samples=30)).rows
    shares = [long_text(row).index("One of the special") / len(long_text(row)) for row in rows]
    assert all(abs(share - row["depths"][0]) < 0.15 for share, row in zip(shares, rows, strict=True))
    assert min(shares) < 0.2 and max(shares) > 0.75  # noqa: PT018


def test_an_essay_that_is_too_short_is_repeated(ruler_context, tmp_path):
    short = tmp_path / "short.json"
    short.write_text(json.dumps({"text": "This essay is short. It has three sentences. They come again."}))
    (row,) = niah.build(ruler_context("niah_single_2", 1500, files={"essays": str(short)})).rows
    assert long_text(row).count("It has three sentences.") > 10


def test_a_chain_links_every_expected_variable_after_one_worked_example(ruler_context):
    for row in vt.build(ruler_context("vt", 2400, samples=4, vt={"example_tokens": 900})).rows:
        example, _, task = row["input"].partition("\n\nMemorize")
        first, *others = row["answers"]
        value = re.search(rf"VAR {first} = (\d{{5}})\n", task).group(1)
        links = dict(re.findall(r"VAR ([A-Z]{5}) = VAR ([A-Z]{5}) \n", task))
        assert [links[name] for name in others] == row["answers"][:-1]
        assert task.index(f"VAR {first} =") < min(task.index(f"VAR {name} =") for name in others)
        assert row["answer_prefix"].endswith(f"5 variables are assigned the value {value}, they are: ")
        names = re.findall(r"VAR ([A-Z]{3}) = ", example)
        assert example.endswith(f"they are:  {' '.join(names)}")


@pytest.mark.parametrize(("length", "common", "others"), [(3000, 6, 1), (4095, 6, 1), (7000, 30, 3)])
def test_ten_words_occur_more_often_than_all_others(ruler_context, length, common, others):
    (row,) = cwe.build(ruler_context("cwe", length)).rows
    entries = re.findall(r"(\d+)\. (.+?)(?= \d+\. |$)", long_text(row))
    assert [int(number) for number, _ in entries] == list(range(1, len(entries) + 1))
    counts = collections.Counter(word for _, word in entries)
    assert {counts[word] for word in row["answers"]} == {common}
    assert {count for word, count in counts.items() if word not in row["answers"]} == {others}
    assert len(row["answers"]) == 10
    assert row["units"] == len(counts)
    assert row["input"].count("What are the 10 most common words in the above list?") == 2


def test_more_words_than_the_package_has_come_from_the_given_list(ruler_context, monkeypatch):
    monkeypatch.setattr(cwe, "all_words", lambda: tuple(f"few{number}" for number in range(60)))
    (row,) = cwe.build(ruler_context("cwe", 3000)).rows
    assert all(word.startswith("word") for word in row["answers"])
    with pytest.raises(Exception, match=r"eval\.data\.english_words"):
        cwe.build(ruler_context("cwe", 3000, files={}))


def test_the_answers_are_the_three_most_frequent_coded_words_after_the_noise(ruler_context):
    for row in fwe.build(ruler_context("fwe", 1500, samples=5)).rows:
        (noise_word, _), *ranks = collections.Counter(long_text(row).split(" ")).most_common()
        assert noise_word == "..."
        assert [word for word, _ in ranks[:3]] == row["answers"]
        assert ranks[2][1] > ranks[3][1]
        assert all(re.fullmatch("[a-z]{6}", word) for word, _ in ranks)


@pytest.mark.parametrize("task", ["qa_1", "qa_2"])
def test_the_documents_are_numbered_and_hold_the_answers(ruler_context, task):
    for row in qa.build(ruler_context(task, 2000, samples=5)).rows:
        numbers = re.findall(r"^Document (\d+):$", long_text(row), re.MULTILINE)
        assert [int(number) for number in numbers] == list(range(1, row["units"] + 1))
        assert row["units"] >= 3
        assert all(answer in long_text(row) for answer in row["answers"])
        assert row["input"].endswith(f"\n\nQuestion: {row['question']}")
        assert row["answer_prefix"] == " Answer:"


def test_impossible_questions_are_left_out_and_the_order_is_the_files(ruler_context):
    rows = qa.build(ruler_context("qa_1", 1200, samples=7)).rows
    assert [row["question"] for row in rows] == [f"What is said in {number}?" for number in range(7)]


def test_paragraphs_repeat_where_the_file_has_no_more(ruler_context, tmp_path, ruler_files):
    few = tmp_path / "few.json"
    whole = json.loads(Path(ruler_files["squad"]).read_text())
    few.write_text(json.dumps({**whole, "data": whole["data"][:1]}))
    (row,) = qa.build(ruler_context("qa_1", 2500, files={"squad": str(few)})).rows
    assert row["units"] > 6


@pytest.mark.parametrize(
    ("task", "key", "file"),
    [
        ("qa_1", "squad", "squad_v2.0_dev_part.json"),
        ("qa_1", "squad", "squad_v1.1_xquad_en.json"),
        ("qa_2", "hotpotqa", "hotpot_dev_distractor_v1_70.json"),
        ("niah_single_2", "essays", "PaulGrahamEssays.json"),
    ],
)
def test_published_files_are_read(ruler_context, task, key, file):
    if not (REAL / file).is_file():
        pytest.skip(f"{REAL / file} is not here")
    module = niah if key == "essays" else qa
    rows = module.build(ruler_context(task, 9000, samples=3, files={key: str(REAL / file)})).rows
    assert len(rows) == 3
    assert all(answer in long_text(row) for row in rows for answer in row["answers"][:1]) or task == "qa_2"


def test_a_prompt_that_the_official_generator_made_is_made_of_our_wording(ruler_context):
    file = REAL / "niah_multikey_3_4096.jsonl"
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    (ours,) = niah.build(ruler_context("niah_multikey_3", 1500)).rows

    def without_uuids(text: str) -> list[str]:
        lines = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text).split("\n")
        return list(dict.fromkeys(lines))

    official = json.loads(file.read_text().splitlines()[0])
    assert without_uuids(ours["input"] + ours["answer_prefix"]) == without_uuids(official["input"])
