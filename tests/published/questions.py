"""QuALITY, Qasper, NQ with passages and GovReport in small, in their published formats."""

import json
from pathlib import Path
from random import Random

from tests.published.invented import PLACES, Writer, json_lines

RECORDS = 4


def quality_record(book: str, number: int) -> dict:
    """One line of QuALITY: a story and two questions."""
    writer = Writer(book, f"quality {number}")
    text, question, answer = writer.story(250)
    questions = []
    for index in range(2):
        options = [answer, *writer.random.sample([place for place in PLACES if place != answer], 3)]
        writer.random.shuffle(options)
        questions.append(
            {
                "question": question,
                "question_unique_id": f"small_{number}_{index}",
                "options": options,
                "gold_label": options.index(answer) + 1,
                "writer_label": options.index(answer) + 1,
                "difficult": index,
            }
        )
    return {"article_id": str(number), "set_unique_id": f"small_{number}", "article": text, "questions": questions}


def qasper_paper(book: str, number: int) -> dict:
    """One paper of Qasper: two sections, and a question for each kind of answer."""
    writer = Writer(book, f"qasper {number}")
    text, question, answer = writer.story(200)
    paragraphs = text.split("\n")
    sections = [
        {"section_name": "Introduction", "paragraphs": paragraphs[:2]},
        {"section_name": "Results ::: Places", "paragraphs": paragraphs[2:]},
    ]
    kinds = (
        (question, [{"extractive_spans": [answer]}, {"free_form_answer": f"It was left in {answer}"}]),
        (f"Is {answer} named?", [{"yes_no": True}]),
        ("Is there a table of results?", [{"yes_no": False}, {"unanswerable": True}]),
        ("Which optimizer was used?", [{"unanswerable": True}]),
    )
    empty = {"unanswerable": False, "extractive_spans": [], "yes_no": None, "free_form_answer": "", "evidence": []}
    questions = [
        {
            "question": text,
            "question_id": f"small-{number}-{index}",
            "answers": [
                {"answer": empty | answer, "annotation_id": f"{index}-{n}"} for n, answer in enumerate(answers)
            ],
        }
        for index, (text, answers) in enumerate(kinds)
    ]
    return {"title": f"Notes on {answer}", "abstract": paragraphs[0], "full_text": sections, "qas": questions}


def nq_record(book: str, number: int) -> dict:
    """One line in the format of Lost in the Middle: one passage with the answer, three without."""
    writer = Writer(book, f"nq {number}")
    sentence, question, answer = writer.fact()
    texts = [" ".join(writer.paragraphs_of(30)) for _ in range(4)]
    contexts = [
        {"title": f"Chapter {n}", "text": text, "hasanswer": False, "isgold": False} for n, text in enumerate(texts)
    ]
    contexts[0] |= {"text": f"{sentence} {texts[0]}", "hasanswer": True, "isgold": True}
    return {"question": question.rstrip("?").lower(), "answers": [answer], "ctxs": contexts}


def write_quality(path: Path, text: str) -> None:
    """Four stories of two questions each, the second of them hard."""
    json_lines(path, [quality_record(text, number) for number in range(RECORDS)])


def write_qasper(path: Path, text: str) -> None:
    """Four papers; among their questions is each kind of answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    papers = {f"small.{number:05}": qasper_paper(text, number) for number in range(RECORDS)}
    path.write_text(json.dumps(papers, indent=1) + "\n", encoding="utf-8")


def write_nq(path: Path, text: str) -> None:
    """Twelve questions, each with the passage that answers it and three that do not."""
    json_lines(path, [nq_record(text, number) for number in range(3 * RECORDS)])


def write_govreport(path: Path, text: str) -> None:
    """Three reports."""
    draw = Random(24)
    words = text.split()

    def take(count: int) -> str:
        start = draw.randrange(len(words) - count)
        return " ".join(words[start : start + count])

    json_lines(path, [{"input": take(6000), "outputs": [take(50)]} for _ in range(3)])
