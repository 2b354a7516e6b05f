"""Samples: the chat template as transformers renders it, labels on the answer only, evidence where it is."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from contracts.chat_template import ANSWER, QUESTION, chat_frame, render, template_text
from contracts.errors import InputError
from contracts.token_files import TokensReader
from contracts.tokenizer import Tokenizer, load_tokenizer
from data_prep.settings import CorpusSettings, SampleSettings, TokenizeSettings
from data_prep.sources.longalpaca import sample_of as longalpaca_sample
from data_prep.sources.longmit import sample_of as longmit_sample
from data_prep.sources.record_files import Record
from data_prep.sources.source import Sample
from data_prep.tokens.encode import SampleEncoder, sample_encoder
from tests.data_prep.conftest import TEMPLATE
from tests.data_prep.records import REAL, longalpaca_record, longmit_record, real_longmit_records, write_jsonl
from tests.real_records import REAL_RECORDS

LLAMA3 = REAL_RECORDS / "tokenizers/llama3"
CORPUS = CorpusSettings(source="longmit", path="-")
messages = st.lists(
    st.sampled_from(
        ["it was", " ", "\n", "</s>", "<s>", "caf\u00e9", "\U0001f600", "Passage 2:", "1775", "[user]", "{{ x }}"]
    )
).map("".join)


def encoder(tokenizer: Tokenizer, template: str = TEMPLATE, **samples: object) -> SampleEncoder:
    settings = TokenizeSettings(samples=SampleSettings(min_tokens=1, min_evidence=0, **samples))
    return sample_encoder(tokenizer, settings, CORPUS, template)


def pieces(tokenizer: Tokenizer, ids: np.ndarray) -> str:
    return tokenizer.decode(ids.tolist())


def longmit(record: dict, **corpus: object) -> Sample:
    return longmit_sample(Record("here", "name", record), CORPUS.model_copy(update=corpus))


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return load_tokenizer(tokenizer_folder)


@given(asked=messages, told=messages)
def test_only_the_answer_and_the_end_of_its_turn_are_learned(tokenizer_folder: Path, asked: str, told: str) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    question, answer = f"Q{asked}.", f"A{told}."
    encoded = encoder(tokenizer).encode(Sample("a", question, answer, None))
    ((begin, end),) = encoded.label_spans
    special = sorted(tokenizer.special_tokens.values())
    assert pieces(tokenizer, encoded.ids[begin:end]) == answer
    assert encoded.ids[end - 1] == tokenizer.eos_id
    # Special tokens come from the template alone, however the messages are spelled: BOS and one EOS a message.
    assert np.isin(encoded.ids, special).sum() == encoded.added == 3
    assert pieces(tokenizer, encoded.ids[:begin]) == f"[user]\n{question}\n[assistant]\n"


@given(passages=st.lists(messages.map(lambda text: f"P{text}."), min_size=1, max_size=5, unique=True), data=st.data())
def test_evidence_spans_hold_the_supporting_passages(
    tokenizer_folder: Path, passages: list[str], data: st.DataObject
) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    clues = data.draw(st.lists(st.sampled_from(passages), unique=True))
    record = longmit_record(1, 0) | {
        "all_docs": [{"content": passage} for passage in passages],
        "clue_docs": [{"content": clue} for clue in clues],
    }
    sample = longmit(record)
    assert [sample.prompt[begin:end] for begin, end in sample.evidence] == [p for p in passages if p in clues]
    encoded = encoder(tokenizer).encode(sample)
    assert len(encoded.evidence_spans) == len(clues)
    for (begin, end), passage in zip(encoded.evidence_spans, (p for p in passages if p in clues), strict=True):
        found = pieces(tokenizer, encoded.ids[begin:end])
        assert passage in found
        # A token may reach over the edge by the newline beside it, and no further.
        assert found.strip("\n").strip() == passage.strip("\n").strip()


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("inter_doc", "provide a complete reasoning process."),
        ("intra_doc", "provide a complete reasoning process."),
        ("code", "Only give me the answer and do not output any other words."),
    ],
)
def test_the_prompt_asks_for_the_reasoning_or_for_the_answer_alone(kind: str, task: str) -> None:
    record = longmit_record(3, 2, kind=kind)
    prompt = longmit(record).prompt
    assert task in prompt
    assert ("Only give me" in prompt) == (kind == "code")
    assert prompt.endswith(f"\nQuestion:{record['question']}\nAnswer:")
    first, second = (passage["content"] for passage in record["all_docs"][:2])
    assert f"passages.\nPassage 1:\n{first}\nPassage 2:\n{second}\nPassage 3:" in prompt


def test_a_supporting_passage_that_all_docs_lacks_is_put_in_and_spanned() -> None:
    record = longmit_record(4, 2)
    record["clue_docs"].append({"content": "A passage of its own."})
    sample = longmit(record)
    assert sample == longmit(record)
    assert sample.prompt.count("A passage of its own.") == 1
    assert "Passage 9:" in sample.prompt
    assert len(sample.evidence) == 3


def test_every_character_of_a_record_is_counted() -> None:
    record = longmit_record(5, 2) | {"answer": "  so it is\r\n", "question": "what\r\nis it?"}
    sample = longmit(record)
    published = (
        sum(len(passage["content"]) for passage in record["all_docs"]) + len("  so it is\r\n") + len("what\r\nis it?")
    )
    assert sample.characters == published
    assert sample.dropped_characters == {"CR of CRLF line ends": 2, "whitespace around an answer": 3}


def test_longalpaca_asks_the_instruction_as_it_is() -> None:
    record = longalpaca_record(1)
    sample = longalpaca_sample(Record("here", "name", record), CORPUS)
    assert (sample.id, sample.prompt, sample.answer) == ("name", record["instruction"], record["output"])
    assert sample.evidence is None
    short = longalpaca_sample(Record("here", "n", {"instruction": "Add.", "input": "1 and 2", "output": "3"}), CORPUS)
    assert short.prompt == "Add.\n\n1 and 2"


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ({"min_tokens": 100_000}, "shorter than min_tokens"),
        ({"max_tokens": 20}, "longer than max_tokens"),
        ({"languages": ("zh",)}, "another language"),
        ({"min_evidence": 5}, "fewer supporting passages than min_evidence"),
        ({"max_evidence": 2}, "more supporting passages than max_evidence"),
        ({"languages": ()}, None),
        ({}, None),
    ],
)
def test_samples_that_are_not_wanted_say_why(tokenizer: Tokenizer, samples: dict, reason: str | None) -> None:
    settings = TokenizeSettings(samples=SampleSettings(**({"min_tokens": 1, "min_evidence": 0} | samples)))
    encoded = sample_encoder(tokenizer, settings, CORPUS, TEMPLATE).encode(longmit(longmit_record(6, 3)))
    assert encoded.left_out == reason


@pytest.mark.skipif(not LLAMA3.is_dir(), reason="Llama 3's tokenizer is not on this machine")
def test_llama_3_conversations_have_the_ids_that_transformers_gives(data_prep: Callable, tmp_path: Path) -> None:
    template = (LLAMA3 / "llama-3.1-8b-instruct_chat_template.jinja").read_text(encoding="utf-8")
    assert data_prep("tokenizer", "--tokenizer", LLAMA3, "--output", tmp_path / "t").code == 0
    tokenizer = load_tokenizer(tmp_path / "t")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "t", chat_template=template)
    ours = encoder(tokenizer, template)
    for number in range(5):
        sample = longmit(longmit_record(number, 2))
        encoded = ours.encode(sample)
        conversation = [{"role": "user", "content": sample.prompt}, {"role": "assistant", "content": sample.answer}]
        assert encoded.ids.tolist() == theirs.apply_chat_template(conversation, return_dict=False)
        asked = theirs.apply_chat_template(conversation[:1], add_generation_prompt=True, return_dict=False)
        ((begin, end),) = encoded.label_spans
        assert encoded.ids[:begin].tolist() == asked
        assert tokenizer.piece(int(encoded.ids[end - 1])) == "<|eot_id|>"
        for (start, stop), (first, last) in zip(encoded.evidence_spans, sample.evidence, strict=True):
            assert tokenizer.decode(encoded.ids[start:stop].tolist()).strip() == sample.prompt[first:last].strip()


@pytest.mark.skipif(
    not (REAL.is_file() and LLAMA3.is_dir()), reason="LongMIT's sample or Llama 3's tokenizer is not here"
)
def test_real_longmit_passages_become_samples_of_their_real_length(data_prep: Callable, tmp_path: Path) -> None:
    records = real_longmit_records()
    path = write_jsonl(tmp_path / "train.jsonl", records)
    settings = {
        "samples": {"min_tokens": 16_384, "chat_template": str(LLAMA3 / "llama-3.1-8b-instruct_chat_template.jinja")}
    }
    words = ("--source", "longmit", "--input", path, "--tokenizer", LLAMA3, "--settings", json.dumps(settings))
    assert data_prep("tokenize", *words, "--output", tmp_path / "t").code == 0
    reader, tokenizer = TokensReader(tmp_path / "t"), load_tokenizer(LLAMA3)
    counts = json.loads((tmp_path / "t" / "manifest.json").read_text())["counts"]
    assert counts["documents"]["in"] == len(records) == len(reader) + sum(counts["documents"]["dropped"].values())
    assert len(reader) > 10
    assert reader.lengths.min() >= 16_384
    for index in range(len(reader)):
        record = records[int(reader.id(index).split(":")[1]) - 1]
        ids = reader.tokens(index)
        ((begin, end),) = reader.spans("label_spans", index)
        assert tokenizer.decode(ids[begin:end].tolist()) == record["answer"].strip()
        clues = {clue["content"].replace("\r\n", "\n").strip() for clue in record["clue_docs"]}
        found = {
            tokenizer.decode(ids[start:stop].tolist()).strip() for start, stop in reader.spans("evidence_spans", index)
        }
        assert found == clues
    assert data_prep("verify", tmp_path / "t").code == 0


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ messages[0].content }}", "each once"),
        ("{{ messages[1].content }}{{ messages[0].content }}{{ eos_token }}", "each once"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% for %}", "choose another"),
        ("{{ ''.__class__.__mro__ }}", "choose another"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_in_one_line(tokenizer: Tokenizer, template: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        chat_frame(template, tokenizer.special_tokens, 1, 2, "2024-07-26")


def test_a_template_is_rendered_on_the_day_of_the_settings() -> None:
    rendered = render(
        "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}{{ messages[1].content }}", {}, "2024-07-06"
    )
    assert rendered == f"06 Jul 2024{QUESTION}{ANSWER}"


def test_the_template_is_found_beside_the_tokenizer_or_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no chat template"):
        template_text(None, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": [{"name": "default", "template": "named"}]})
    )
    assert template_text(None, tmp_path) == "named"
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "config"}')
    assert template_text(None, tmp_path) == "config"
    (tmp_path / "chat_template.jinja").write_text("file")
    assert template_text(None, tmp_path) == "file"
    assert template_text(str(tmp_path / "tokenizer_config.json"), tmp_path) == '{"chat_template": "config"}'
    with pytest.raises(InputError, match="no such chat template"):
        template_text("absent.jinja", tmp_path)


def test_an_answer_that_no_special_token_ends_gets_eos_or_is_refused(tokenizer: Tokenizer) -> None:
    template = "{{ messages[0].content }}\n{{ messages[1].content }}"
    encoded = encoder(tokenizer, template).encode(Sample("a", "it was", "wisdom", None))
    assert encoded.ids[-1] == tokenizer.eos_id
    assert encoded.label_spans[-1][1] == len(encoded.ids)
    with pytest.raises(InputError, match="no special token ends an answer"):
        sample_encoder(tokenizer, TokenizeSettings(eos=False), CORPUS, template)


@pytest.mark.parametrize("field", ["all_docs", "clue_docs", "question", "answer", "type", "language"])
def test_a_longmit_record_without_a_field_is_told(
    data_prep: Callable, refused: Callable, chat_folder: Path, tmp_path: Path, field: str
) -> None:
    record = longmit_record(1, 2)
    del record[field]
    path = write_jsonl(tmp_path / "a.jsonl", [longmit_record(0, 2), record])
    words = ("tokenize", "--source", "longmit", "--input", path, "--tokenizer", chat_folder, "--output", tmp_path / "t")
    assert refused(data_prep(*words), "a.jsonl line 2", f"no field '{field}'")


def test_samples_are_the_same_bytes_for_any_workers_and_formats_keep_the_order(
    data_prep: Callable, chat_folder: Path, tmp_path: Path
) -> None:
    records = [longmit_record(number, 2 + number % 5) for number in range(60)]
    for name in ("x", "y"):
        for part in ((0, 1), (1, 0))[name == "y"]:
            write_jsonl(tmp_path / name / f"part-{part}.jsonl", records[part * 30 : part * 30 + 30])
    outputs = []
    for name, workers in (("x", 1), ("y", 2)):
        settings = '{"shard_megabytes": 1, "samples": {"min_tokens": 1}}'
        words = ("--source", "longmit", "--input", tmp_path / name, "--tokenizer", chat_folder, "--settings", settings)
        assert data_prep("tokenize", *words, "--workers", workers, "--output", tmp_path / f"{name}-t").code == 0
        outputs.append({path.name: path.read_bytes() for path in (tmp_path / f"{name}-t").iterdir()})
    assert outputs[0] == outputs[1]
    reader = TokensReader(tmp_path / "x-t")
    assert [reader.id(index) for index in range(60)] == [str(number) for number in range(60)]
    assert reader.evidence_counts.tolist() == [2 + number % 5 for number in range(60)]
