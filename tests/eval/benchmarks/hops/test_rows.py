"""Rows of the multi-hop probe: every token in one span, whole facts, emojis and books between them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputError
from eval.benchmarks.hops.build import EMOJIS, build
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.building.prompts import prompt_writer

KINDS = {"supporting", "interference", "irrelevant", "emoji", "question", "answer"}


@pytest.fixture(scope="module", params=[("3hop", False), ("2hop", True), ("4hop", False)], ids=str)
def rows(request, context_of):
    task, bos = request.param
    return build(context_of("hops", task, 900, {"samples": 12}, {"begin_with_bos": bos})).rows


def text_of(tokenizer, row, span) -> str:
    return tokenizer.decode(row["input_ids"][span["start"] : span["end"]])


def texts_of(tokenizer, row, kind) -> list[str]:
    return [text_of(tokenizer, row, span) for span in row["spans"] if span["kind"] == kind]


@settings(max_examples=10)
@given(length=st.integers(700, 2500), seed=st.integers(0, 10_000), task=st.sampled_from(["2hop", "3hop", "4hop"]))
def test_rows_fit_the_length_and_no_further_sentence_would(context_of, length, seed, task):
    for row in build(context_of("hops", task, length, {"samples": 2}, {"seed": seed})).rows:
        assert length - 80 - 4 < len(row["input_ids"]) == row["length"] <= length


def test_spans_cover_every_token_exactly_once_and_in_order(rows):
    for row in rows:
        covered = [token for span in row["spans"] for token in range(span["start"], span["end"])]
        assert covered == list(range(len(row["input_ids"])))
        assert {span["kind"] for span in row["spans"]} - {"start"} == KINDS


def test_only_the_answer_is_labelled_and_it_ends_the_row(rows, tokenizer):
    for row in rows:
        answer = row["spans"][-1]
        assert answer["kind"] == "answer"
        assert text_of(tokenizer, row, answer) == f" {row['answer']}"
        labelled = [index for index, label in enumerate(row["labels"]) if label != IGNORED]
        assert labelled == list(range(answer["start"], answer["end"]))
        assert [row["labels"][index] for index in labelled] == [row["input_ids"][index] for index in labelled]


def test_a_row_decodes_to_its_text_with_question_and_answer_at_the_end(rows, tokenizer):
    for row in rows:
        assert tokenizer.decode(row["input_ids"]).endswith(f"\n{row['question']} {row['answer']}")


def test_an_interference_fact_follows_the_last_supporting_one(rows):
    for row in rows:
        kinds = [span["kind"] for span in row["spans"] if span["kind"] in ("supporting", "interference")]
        assert kinds.count("supporting") == row["hops"]
        assert kinds[-1] == "interference"
        assert row["hops"] <= kinds.count("interference") <= 2 * row["hops"]


def test_ten_emojis_lie_in_the_text(rows, tokenizer):
    for row in rows:
        emojis = [text.strip() for text in texts_of(tokenizer, row, "emoji")]
        assert len(set(emojis)) == 10
        assert set(emojis) <= set(EMOJIS)


def test_irrelevant_text_comes_from_the_books_and_is_the_same_in_all_rows(rows, tokenizer, books_folder):
    books = " ".join((books_folder / "test" / f"{name}.txt").read_text() for name in ("9", "10"))
    squeezed = " ".join(books.split())
    whole = [" ".join(" ".join(texts_of(tokenizer, row, "irrelevant")).split()) for row in rows]
    for row in rows[:4]:
        for sentence in texts_of(tokenizer, row, "irrelevant"):
            assert any(part in squeezed for part in (sentence.strip(), sentence.strip()[:20]))
    shortest = min(map(len, whole))
    assert len({text[: shortest - 1] for text in whole}) == 1


def test_the_rows_are_the_same_for_every_detector(context_of):
    once, attention, longppl = (
        build(context_of("hops", f"3hop{detector}", 800, {"samples": 3})).rows
        for detector in ("", "_attention", "_longppl")
    )
    assert once == attention == longppl


def test_fewer_samples_are_the_first_of_more(context_of):
    few, many = (build(context_of("hops", "3hop", 800, {"samples": count})).rows for count in (2, 5))
    assert few == many[:2]


def test_without_emojis_there_is_none(context_of):
    (row,) = build(context_of("hops", "2hop", 800, {"samples": 1, "emojis": 0})).rows
    assert "emoji" not in {span["kind"] for span in row["spans"]}


# As Llama 3 (special tokens and line breaks around the turns) and as Llama 2 (spaces) write their turns.
TEMPLATES = {
    "line breaks": "{{ bos_token }}{% for m in messages %}<{{ m.role }}>\n\n"
    "{{ m.content }}{{ eos_token }}\n{% endfor %}",
    "spaces": "{{ bos_token }}{% for m in messages %}{% if loop.first %}[INST] {{ m.content }} [/INST]{% else %} "
    "{{ m.content }} {{ eos_token }}{% endif %}{% endfor %}",
}


@pytest.fixture(params=TEMPLATES.values(), ids=TEMPLATES)
def chat_context(request, context_of, tmp_path):
    """A cell of 3 hops whose models talk in a template; BOS comes from it and from nowhere else."""
    template = tmp_path / "chat.jinja"
    template.write_text(request.param)
    return context_of("hops", "3hop", 900, {"samples": 3}, {"chat_template": str(template), "begin_with_bos": True})


def test_in_a_chat_template_the_row_is_the_prompt_of_other_benchmarks_with_the_answer_behind_it(
    chat_context, tokenizer
):
    for row in build(chat_context).rows:
        text = "".join(
            text_of(tokenizer, row, span) for span in row["spans"] if span["kind"] not in ("template", "answer")
        )
        assert text.endswith(f"\n{row['question']}")
        assert row["input_ids"] == prompt_writer(chat_context).tokens(text, row["answer"])
        facts = [span for span in row["spans"] if span["kind"] in ("supporting", "interference")]
        assert all(text_of(tokenizer, row, span).strip().endswith(".") for span in facts)
        assert 900 - 80 - 4 < len(row["input_ids"]) == row["length"] <= 900


def test_the_templates_tokens_have_spans_of_their_own_and_only_the_answer_is_labelled(chat_context, tokenizer):
    for row in build(chat_context).rows:
        covered = [token for span in row["spans"] for token in range(span["start"], span["end"])]
        assert covered == list(range(len(row["input_ids"])))
        kinds = [span["kind"] for span in row["spans"]]
        assert (kinds[0], kinds[-3:]) == ("template", ["question", "template", "answer"])
        assert kinds.count("template") == 2
        assert row["input_ids"].count(tokenizer.bos_id) == 1
        answer = row["spans"][-1]
        assert text_of(tokenizer, row, answer).strip() == row["answer"]
        assert [label != IGNORED for label in row["labels"]] == [
            n >= answer["start"] for n in range(len(row["labels"]))
        ]


def test_a_length_that_holds_no_story_and_missing_books_are_refused(context_of):
    with pytest.raises(InputError, match="longer length"):
        build(context_of("hops", "3hop", 100))
    with pytest.raises(InputError, match="needs books"):
        build(context_of("hops", "3hop", 600, data={"books": None}))
