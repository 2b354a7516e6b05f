"""LongBench prompts: the published wording, the published truncation, and never more than fits."""

import json

import pytest
from transformers import PreTrainedTokenizerBase

from contracts.errors import InputError
from eval.benchmarks.longbench.build import build, chosen_records
from eval.benchmarks.longbench.tasks import TASKS, task_called
from eval.building.prompts import keep_ends, prompt_writer, without_spaces_before_marks
from eval.registry import known_task

CHAT = "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</>{% endfor %}"
WITHOUT_TEMPLATE = {"trec", "triviaqa", "samsum", "lcc", "repobench-p"}


def published_prompt(context, text: str, most: int) -> str:
    """The published script's truncation, spelt out: tokens of the whole prompt, two halves, decoded and joined."""
    tokens = context.beginning + context.tokenizer.encode(text)
    if len(tokens) > most:
        half = int(most / 2)
        return context.tokenizer.decode(tokens[:half]) + context.tokenizer.decode(tokens[-half:])
    return text


def whole_prompt(task: str, record: dict) -> str:
    return task_called(task).prompt.format(**record)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("bos", [False, True])
def test_a_prompt_bounded_alone_is_the_published_scripts_to_the_character(small, task, bos):
    context = small(task, 301, {"limit": "prompt"}, begin_with_bos=bos)
    records = chosen_records(context, task_called(task))
    built = build(context)
    assert [row["input"] for row in built.rows] == [
        published_prompt(context, whole_prompt(task, record), 301) for record in records
    ]
    assert (
        0
        < built.facts["cut_in_the_middle"]
        == sum(row["input"] != whole_prompt(task, record) for row, record in zip(built.rows, records, strict=True))
    )


@pytest.mark.parametrize("limit", ["prompt", "cell"])
def test_spaces_are_cleaned_up_as_transformers_does_where_the_settings_ask_for_it(context_of, tmp_path, limit):
    text = "He said : ' no ' , then left . Why ? They 're gone ! x != y , do n't . I 'm , it 's , we 've ."
    record = {"input": "Who ?", "context": f"{text} {text}" * 30, "answers": ["x"], "length": 9}
    (tmp_path / "musique.jsonl").write_text(json.dumps(record) + "\n")

    def cell(**options):
        return context_of("longbench", "musique", 500, {"limit": limit, **options}, data={"longbench": tmp_path})

    assert without_spaces_before_marks(text) == PreTrainedTokenizerBase.clean_up_tokenization(None, text) != text
    plain, cleaned = (build(cell(clean_up_spaces=clean)).rows[0]["input"] for clean in (False, True))
    # Where the halves meet, a space may stand before a comma again.
    assert plain.count(" ,") > 2
    assert cleaned.count(" ,") < 2
    if limit == "prompt":
        tokenizer = cell().tokenizer
        tokens = tokenizer.encode(whole_prompt("musique", record))
        halves = [tokenizer.decode(part) for part in (tokens[:250], tokens[-250:])]
        assert cleaned == "".join(PreTrainedTokenizerBase.clean_up_tokenization(None, half) for half in halves)


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_bounded_by_its_cell_fits_with_template_and_answer_and_wastes_little(small, tmp_path, task):
    template = tmp_path / "chat.jinja"
    template.write_text(CHAT)
    context = small(task, 900, chat_template=str(template))
    budget = task_called(task).tokens_to_generate
    for row, record in zip(build(context).rows, chosen_records(context, task_called(task)), strict=True):
        assert row["length"] == len(row["input_ids"]) + budget <= 900
        assert row["tokens_to_generate"] == budget
        if row["input"] != whole_prompt(task, record):
            # Two halves of one token each may be lost to rounding, a few more where the joined ends merge.
            assert row["length"] >= 900 - 8
        assert row["chat"] == (task not in WITHOUT_TEMPLATE)
        spelt = prompt_writer(context).tokens("x", "", row["chat"])
        assert (len(spelt) > len(context.tokenizer.encode("x"))) == row["chat"]


@pytest.mark.parametrize("length", [160, 700, 100_000])
@pytest.mark.parametrize("task", TASKS)
def test_the_span_of_the_long_text_holds_it_and_nothing_else(small, task, length):
    context = small(task, length, {"limit": "prompt"})
    before, after = task_called(task).prompt.split("{context}")
    for row, record in zip(build(context).rows, chosen_records(context, task_called(task)), strict=True):
        start, end = row["context"]
        assert 0 <= start <= end <= len(row["input"])
        if row["input"] == whole_prompt(task, record):
            assert row["input"][start:end] == record["context"]
        elif row["input"].startswith(before) and row["input"].endswith(after.format(input=record["input"])):
            assert row["input"][:start] == before
            assert row["input"][end:] == after.format(input=record["input"])


def test_text_that_fits_is_not_touched(small):
    context = small("qasper", 64)
    text = "one two three"
    exactly = len(context.tokenizer.encode(text))
    assert keep_ends(context, text, exactly) == text
    assert keep_ends(context, text, exactly - 1) != text


def test_every_field_that_the_scorer_needs_is_in_the_sample(small):
    [row, *_] = build(small("trec", 600)).rows
    assert row["all_classes"][0] == "Number"
    assert row["words"] == json.loads(open_first_line(small, "trec"))["length"]
    assert build(small("samsum", 600)).rows[0]["stop"] == ["\n"]
    assert build(small("samsum", 600)).rows[0]["min_new_tokens"] == 1
    assert "stop" not in build(small("qasper", 600)).rows[0]


def open_first_line(small, task: str) -> str:
    folder = small(task, 600).data("longbench")
    return (folder / f"{task_called(task).record_file}.jsonl").read_text().split("\n")[0]


def test_some_records_are_the_same_at_every_length_and_fewer_are_the_first_of_more(small):
    few, more, longer = (
        [row["record"] for row in build(small("qasper", length, {"samples": count})).rows]
        for count, length in ((2, 400), (3, 400), (3, 2000))
    )
    assert few == more[:2]
    assert more == longer
    assert len(build(small("qasper", 400)).rows) == 4


def test_a_set_is_known_with_its_published_ending(small):
    assert known_task("longbench", "qasper_e") is known_task("longbench", "qasper")
    with pytest.raises(InputError, match="choose one of qasper"):
        known_task("longbench", "qasper_f")


def test_broken_and_absent_files_are_told_in_one_line(context_of, tmp_path):
    def built(task: str):
        return build(context_of("longbench", task, 400, data={"longbench": tmp_path}))

    with pytest.raises(InputError, match=r"none of qasper_e\.jsonl is here"):
        built("qasper")
    (tmp_path / "qasper_e.jsonl").write_text('{"input": "a", "context": "b", "answers": ["c"], "length": 3}\n{"inp')
    with pytest.raises(InputError, match="line 2: not valid JSON"):
        built("qasper")
    (tmp_path / "musique.jsonl").write_text('{"input": "a", "context": "b", "answers": "c", "length": 3}\n')
    with pytest.raises(InputError, match="record 1: no usable 'answers'"):
        built("musique")
    (tmp_path / "lcc_e.jsonl").write_text("")
    with pytest.raises(InputError, match="holds no records"):
        built("lcc")


def test_a_length_without_room_for_a_prompt_is_told(small):
    with pytest.raises(InputError, match="choose a longer length"):
        build(small("gov_report", 512))
