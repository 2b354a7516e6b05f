"""LongBench-E in small: every set in its own shape, one of them with records in all three buckets of length."""

from pathlib import Path

from tests.published.invented import Writer, json_lines

CLASSES = ("Number", "Number of things", "Person", "Place", "Thing", "Thing that is carried")
RECORDS = 4
SET_WORDS = (120, 260, 4200, 8300)
QUESTION_SETS = ("qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique")
E_ENDING = {"musique": ""}


def longbench_record(text: str, name: str, number: int) -> dict:
    """One record of a set, in LongBench's fields."""
    writer = Writer(text, f"{name} {number}")
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


def write_longbench(folder: Path, text: str) -> None:
    """Every set, one file each."""
    for name in (*QUESTION_SETS, *MAKERS):
        records = [longbench_record(text, name, number) for number in range(RECORDS)]
        json_lines(folder / f"{name}{E_ENDING.get(name, '_e')}.jsonl", records)
