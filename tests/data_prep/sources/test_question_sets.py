"""QuALITY, Qasper and NQ as training sources: what is trained is what evaluation asks, and every place is right."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.token_files import TokensReader
from contracts.tokenizer import load_tokenizer
from data_prep.settings import CorpusSettings
from data_prep.sources.source import BadRecord, Sample, open_source
from eval.benchmarks.longbench.tasks import task_called
from eval.benchmarks.nq.build import read_questions as nq_questions
from eval.benchmarks.qasper.build import prompt_of as qasper_prompt
from eval.benchmarks.qasper.build import read_questions as qasper_questions
from eval.benchmarks.quality.build import prompt_of as quality_prompt
from eval.benchmarks.quality.build import read_questions as quality_questions

BENCHMARKS = Path(__file__).resolve().parents[3] / "resources" / "benchmarks"
FILES = {"quality": "quality.jsonl", "qasper": "qasper.json", "nq": "nq.jsonl"}


def samples(name: str, path: Path | None = None, split: str = "train", **corpus: object) -> list[Sample | BadRecord]:
    path = path or BENCHMARKS / FILES[name]
    source = open_source(CorpusSettings(source=name, path=str(path), **corpus), split)
    return [record for shard in source.shards(10_000) for record in source.records(shard)]


def parts(sample: Sample) -> tuple[str, list[str]]:
    """The question and the stretches of the long text that the places of a sample name."""
    return sample.prompt[slice(*sample.question)], [sample.prompt[begin:end] for begin, end in sample.context]


def test_a_sample_of_quality_is_the_prompt_that_evaluation_asks_and_the_gold_letter():
    questions = quality_questions(BENCHMARKS / "quality.jsonl")
    for sample, question in zip(samples("quality"), questions, strict=True):
        assert sample.prompt == quality_prompt(question, 1).text.strip()
        assert (sample.id, sample.answer, sample.evidence) == (question.name, question.answer, None)
        assert parts(sample) == (question.text, [question.story])


def test_a_sample_of_qasper_is_the_prompt_that_evaluation_asks_and_its_first_answer():
    questions = qasper_questions(BENCHMARKS / "qasper.json")
    for sample, question in zip(samples("qasper"), questions, strict=True):
        assert sample.prompt == qasper_prompt(question, 1, False).text
        assert sample.prompt == task_called("qasper").prompt.format(context=question.paper, input=question.text)
        assert (sample.id, sample.answer) == (question.name, question.references[0].text)
        assert parts(sample) == (question.text, [question.paper])


def paper(evidence: list[str], **answer: object) -> dict:
    told = {"unanswerable": False, "extractive_spans": ["x"], "yes_no": None, "free_form_answer": ""} | answer
    annotation = {"answer": told | {"evidence": evidence}, "annotation_id": "a"}
    sections = [{"section_name": "One", "paragraphs": ["First things.", "Second things.", ""]}]
    asked = {"question": "Which?", "question_id": "q", "answers": [annotation]}
    return {"p": {"title": "T", "abstract": "A", "full_text": sections, "qas": [asked]}}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (paper(["Second things.", "First things."]), ["First things.", "Second things."]),
        (paper(["FLOAT SELECTED: Table 1", "Second things."]), ["Second things."]),
        (paper(["FLOAT SELECTED: Table 1"]), None),
        (paper([]), None),
        (paper([], unanswerable=True), []),
    ],
)
def test_evidence_of_qasper_are_the_annotators_paragraphs_where_the_paper_has_them(tmp_path, told, expected):
    (tmp_path / "qasper-train-v0.3.json").write_text(json.dumps(told))
    (sample,) = samples("qasper", tmp_path)
    found = None if sample.evidence is None else [sample.prompt[begin:end] for begin, end in sample.evidence]
    assert found == expected


@pytest.mark.parametrize("depth", [None, 0.0, 1.0])
def test_a_sample_of_nq_has_its_gold_passage_among_passages_that_spell_no_answer(depth):
    questions = nq_questions(BENCHMARKS / "nq.jsonl")
    made = samples("nq", nq={"distractors": 6, "gold_depth": depth})
    places = set()
    for sample, question in zip(made, questions, strict=True):
        asked, documents = parts(sample)
        assert (asked, sample.answer) == (question.text, question.answers[0])
        (gold,) = [number for number, text in enumerate(documents) if question.gold.text in text]
        places.add(gold)
        assert sample.evidence == (sample.context[gold],)
        assert [text.split("]")[0] for text in documents] == [f"Document [{n}" for n in range(1, 8)]
        assert [number for number, text in enumerate(documents) if question.answers[0] in text] == [gold]
    assert places == {0: {0}, 1: {6}}.get(depth, places)
    assert depth is not None or len(places) > 2


def test_other_questions_passages_are_taken_where_a_question_has_too_few_of_its_own():
    own = {question.text: len(question.distractors) for question in nq_questions(BENCHMARKS / "nq.jsonl")}
    made = samples("nq", nq={"distractors": max(own.values()) + 5})
    assert all(len(sample.context) == max(own.values()) + 6 for sample in made)
    assert made == samples("nq", nq={"distractors": max(own.values()) + 5})


def changed(tmp_path: Path, name: str, change: Callable[[dict], None]) -> Path:
    record = json.loads((BENCHMARKS / FILES[name]).read_text(encoding="utf-8").splitlines()[0])
    change(record)
    (tmp_path / "records.jsonl").write_text(json.dumps(record))
    return tmp_path / "records.jsonl"


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("nq", lambda record: record.update(answers=["Atlantis"]), "no passage spells an answer to"),
        ("nq", lambda record: record.update(ctxs=[]), "no passage with the answer"),
        ("nq", lambda record: record.pop("ctxs"), "not of the published format"),
        ("quality", lambda record: record["questions"][0].update(gold_label=None), "without a gold label"),
        ("quality", lambda record: record.pop("article"), "not of the published format"),
    ],
)
def test_a_record_that_cannot_be_learned_is_told_in_its_place(tmp_path, name, change, complaint):
    (bad,) = samples(name, changed(tmp_path, name, change))
    assert isinstance(bad, BadRecord)
    assert complaint in str(bad.error())
    assert "records.jsonl line 1: " in str(bad.error())


def test_published_names_are_found_by_split_and_a_broken_file_of_papers_is_told(tmp_path):
    for name, split in (("train", "train"), ("dev", "validation")):
        (tmp_path / f"qasper-{name}-v0.3.json").write_text(json.dumps(paper([])).replace("Which", split))
        (sample,) = samples("qasper", tmp_path, split) if split == "train" else [None]
        assert sample is None or "train?" in sample.prompt
    (sample,) = samples("qasper", tmp_path, "validation")
    assert "validation?" in sample.prompt
    (tmp_path / "qasper-train-v0.3.json").write_text("[1")
    (bad,) = samples("qasper", tmp_path)
    assert "not valid JSON" in str(bad.error())


@pytest.mark.parametrize("name", FILES)
def test_tokens_know_where_question_and_long_text_are(data_prep, chat_folder, tmp_path, name):
    words = ["--source", name, "--input", BENCHMARKS / FILES[name], "--tokenizer", chat_folder, "--workers", 1]
    settings = '{"samples": {"min_tokens": 1}}'
    assert data_prep("tokenize", *words, "--settings", settings, "--output", tmp_path / "tokens").code == 0
    reader, tokenizer = TokensReader(tmp_path / "tokens"), load_tokenizer(chat_folder)
    for index, sample in enumerate(samples(name)):
        ids = reader.tokens(index)
        question, stretches = parts(sample)
        spans = {kind: reader.spans(f"{kind}_spans", index) for kind in ("question", "context", "label")}
        texts = {kind: [tokenizer.decode(ids[b:e].tolist()) for b, e in of.tolist()] for kind, of in spans.items()}
        assert question in texts["question"][0]
        assert texts["label"] == [sample.answer]
        # A token that holds characters of the words around a stretch is none of it.
        assert all(found in wanted for found, wanted in zip(texts["context"], stretches, strict=True))
        assert sum(map(len, texts["context"])) > 0.95 * sum(map(len, stretches))
        outside = np.ones(len(ids), bool)
        for begin, end in [*spans["context"], *spans["question"], *spans["label"]]:
            assert outside[begin:end].all()
            outside[begin:end] = False
