"""Small files in the published formats of LongBench, QuALITY, Qasper and NQ, for runs and tests on a CPU.

in : a public-domain book of resources/pg19; nothing else
out: longbench/*.jsonl, quality.jsonl, qasper.json, nq.jsonl in this folder
invariant: the same bytes every time; questions are invented, so no model has read their answers.
run: python -m resources.eval_small.make FOLDER
"""

import json
import sys
from pathlib import Path
from random import Random

BOOK = Path(__file__).parents[1] / "pg19" / "test" / "860.txt"
PEOPLE = ("Ada", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luis")
THINGS = (
    "lantern",
    "violin",
    "compass",
    "ledger",
    "teapot",
    "umbrella",
    "microscope",
    "bicycle",
    "telescope",
    "anchor",
)
PLACES = ("Lisbon", "Oslo", "Quito", "Nairobi", "Kyoto", "Perth", "Riga", "Tunis", "Utrecht", "Zagreb")
CLASSES = ("Number", "Number of things", "Person", "Place", "Thing", "Thing that is carried")
RECORDS = 4
SET_WORDS = (120, 260, 4200, 8300)
QUESTION_SETS = ("qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique")
E_ENDING = {"musique": ""}


class Writer:
    """Invented questions about paragraphs of a book, from one generator."""

    def __init__(self, name: str) -> None:
        self.random = Random(f"eval_small {name}")
        text = BOOK.read_bytes().decode("utf-8").replace("\r\n", "\n")
        paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
        self.paragraphs = [paragraph for paragraph in paragraphs if len(paragraph.split()) >= 12]

    def paragraphs_of(self, words: int) -> list[str]:
        """Neighbouring paragraphs that have at least so many words together."""
        start, found = self.random.randrange(len(self.paragraphs)), []
        while sum(len(paragraph.split()) for paragraph in found) < words:
            found.append(self.paragraphs[(start + len(found)) % len(self.paragraphs)])
        return found

    def fact(self) -> tuple[str, str, str]:
        """(sentence, question, answer)."""
        person, thing, place = map(self.random.choice, (PEOPLE, THINGS, PLACES))
        return f"{person} left the {thing} in {place}.", f"Where did {person} leave the {thing}?", place

    def story(self, words: int) -> tuple[str, str, str]:
        """(text with a fact somewhere in it, question, answer)."""
        sentence, question, answer = self.fact()
        paragraphs = self.paragraphs_of(words)
        paragraphs.insert(self.random.randrange(len(paragraphs) + 1), sentence)
        return "\n".join(paragraphs), question, answer

    def dialogue(self) -> tuple[str, str]:
        """(dialogue, its summary)."""
        one, other = self.random.sample(PEOPLE, 2)
        thing, place = self.random.choice(THINGS), self.random.choice(PLACES)
        lines = (f"{one}: Where is my {thing}?", f"{other}: In {place}, I think.", f"{one}: Then I will go there.")
        return "\r\n".join(lines), f"{one} will go to {place} for the {thing}."

    def function(self) -> list[str]:
        """Lines of a small program."""
        name, count = self.random.choice(THINGS), self.random.randint(2, 99)
        return [f"def count_{name}s(values):", f"    limit = {count}", f"    return min(limit, values['{name}'])", ""]


def longbench_record(name: str, number: int) -> dict:
    """One record of a set, in LongBench's fields."""
    writer = Writer(f"{name} {number}")
    words = SET_WORDS[number] if name == "qasper" else SET_WORDS[number % 2]
    context, question, answers, classes = MAKERS.get(name, question_parts)(writer, words)
    return {
        "input": question,
        "context": context,
        "answers": answers,
        "length": len(f"{context} {question} {answers[0]}".split()),
        "dataset": name + E_ENDING.get(name, "_e"),
        "language": "python" if name in ("lcc", "repobench-p") else "en",
        "all_classes": classes,
        "_id": f"small-{name}-{number}",
    }


def question_parts(writer: Writer, words: int) -> tuple:
    """A question about one fact in a long text."""
    context, question, answer = writer.story(words)
    return context, question, [answer, f"in {answer}"], None


def summary_parts(writer: Writer, words: int) -> tuple:
    """A text and the beginnings of its paragraphs."""
    paragraphs = writer.paragraphs_of(words)
    summary = " ".join(" ".join(paragraph.split()[:8]) + "." for paragraph in paragraphs[:6])
    return "\n".join(f"Passage {n}:\n{text}" for n, text in enumerate(paragraphs, start=1)), "", [summary], None


def class_parts(writer: Writer, words: int) -> tuple:
    """Questions with their types, and one without."""
    examples = [f"Question: {writer.fact()[1]}\nType: {writer.random.choice(CLASSES)}" for _ in range(words // 12)]
    return "\n".join(examples), f"Question: {writer.fact()[1]}\nType:", [writer.random.choice(CLASSES)], list(CLASSES)


def passage_parts(writer: Writer, words: int) -> tuple:
    """Passages with questions and answers, and one without its answer."""
    stories = [writer.story(words // 4) for _ in range(3)]
    told = [f"Passage:\n{text}\nQuestion:\n{question}\nAnswer:\n" for text, question, _ in stories]
    answers = [answer for _, _, answer in stories]
    return "\n\n".join(map("".join, zip(told[:2], answers[:2], strict=True))), told[2], [answers[2]], None


def dialogue_parts(writer: Writer, words: int) -> tuple:
    """Dialogues with summaries, and one without."""
    *examples, last = (writer.dialogue() for _ in range(max(2, words // 30)))
    context = "\n".join(f"Dialogue: {dialogue}\nSummary: {summary}" for dialogue, summary in examples)
    return context, f"Dialogue: {last[0]}\nSummary: ", [last[1]], None


def count_parts(writer: Writer, words: int) -> tuple:
    """Paragraphs, some of them twice, and how many differ."""
    paragraphs = list(dict.fromkeys(writer.paragraphs_of(words)))
    shown = [*paragraphs, *writer.random.choices(paragraphs, k=3)]
    writer.random.shuffle(shown)
    return numbered(shown), "", [str(len(paragraphs))], None


def retrieval_parts(writer: Writer, words: int) -> tuple:
    """Paragraphs, and the beginning of one of them."""
    paragraphs = writer.paragraphs_of(words)
    place = writer.random.randrange(len(paragraphs))
    return numbered(paragraphs), " ".join(paragraphs[place].split()[:10]), [f"Paragraph {place + 1}"], None


def code_parts(writer: Writer, words: int) -> tuple:
    """A program that ends before a line."""
    lines = [line for _ in range(words // 8) for line in writer.function()]
    return "\n".join(lines[:-2]) + "\n", "", [lines[-2]], None


def repository_parts(writer: Writer, words: int) -> tuple:
    """Files of a repository, and the beginning of another that ends before a line."""
    context, _, answers, _ = code_parts(writer, words)
    *before, answer, _ = writer.function()
    return f"tools/things.py\n{context}{answers[0]}\n", "\n".join(before) + "\n", [answer], None


def numbered(paragraphs: list[str]) -> str:
    """Paragraphs under their numbers."""
    return "\n\n".join(f"Paragraph {number}: {text}" for number, text in enumerate(paragraphs, start=1))


MAKERS = {
    "gov_report": summary_parts,
    "multi_news": summary_parts,
    "trec": class_parts,
    "triviaqa": passage_parts,
    "samsum": dialogue_parts,
    "passage_count": count_parts,
    "passage_retrieval_en": retrieval_parts,
    "lcc": code_parts,
    "repobench-p": repository_parts,
}


def quality_record(number: int) -> dict:
    """One line of QuALITY: a story and two questions."""
    writer = Writer(f"quality {number}")
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


def qasper_paper(number: int) -> dict:
    """One paper of Qasper: two sections, and a question for each kind of answer."""
    writer = Writer(f"qasper {number}")
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


def nq_record(number: int) -> dict:
    """One line in the format of Lost in the Middle: one passage with the answer, three without."""
    writer = Writer(f"nq {number}")
    sentence, question, answer = writer.fact()
    texts = [" ".join(writer.paragraphs_of(30)) for _ in range(4)]
    contexts = [
        {"title": f"Chapter {n}", "text": text, "hasanswer": False, "isgold": False} for n, text in enumerate(texts)
    ]
    contexts[0] |= {"text": f"{sentence} {texts[0]}", "hasanswer": True, "isgold": True}
    return {"question": question.rstrip("?").lower(), "answers": [answer], "ctxs": contexts}


def write_lines(path: Path, records: list[dict]) -> None:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_all(folder: Path) -> None:
    """Every file into `folder`."""
    for name in (*QUESTION_SETS, *MAKERS):
        records = [longbench_record(name, number) for number in range(RECORDS)]
        write_lines(folder / "longbench" / f"{name}{E_ENDING.get(name, '_e')}.jsonl", records)
    write_lines(folder / "quality.jsonl", [quality_record(number) for number in range(RECORDS)])
    papers = {f"small.{number:05}": qasper_paper(number) for number in range(RECORDS)}
    (folder / "qasper.json").write_text(json.dumps(papers, indent=1) + "\n", encoding="utf-8")
    write_lines(folder / "nq.jsonl", [nq_record(number) for number in range(3 * RECORDS)])


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
