"""bAbI's questions with the facts that come before them, from the published files.

in : a folder with qa1_single-supporting-fact_test.txt and so on (bAbI 1.2, en or en-10k): lines `number text`, a
     question as `number question<TAB>answer<TAB>numbers of its supporting facts`; numbers start again with every story
out: one Question for every question line, in the file's order; earlier questions of its story are no facts
"""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError


@dataclass(frozen=True)
class Question:
    """A question with the facts before it; `supporting` are indices into `facts`."""

    facts: list[str]
    text: str
    answer: str
    supporting: list[int]


def read_task(folder: Path, task: str) -> list[Question]:
    """The test questions of a task (`qa3`); InputError where the folder lacks its file, or a line is broken."""
    files = sorted(folder.glob(f"{task}_*_test.txt"))
    if len(files) != 1:
        raise InputError(f"{folder}: {len(files)} files {task}_*_test.txt; name a folder of bAbI 1.2, such as en-10k")
    questions: list[Question] = []
    story: dict[int, str] = {}
    for line_number, line in enumerate(files[0].read_text(encoding="utf-8").splitlines(), start=1):
        number, text = numbered_line(line, f"{files[0]} line {line_number}")
        if number == 1:
            story = {}
        if "\t" in text:
            questions.append(question_of(text, story, f"{files[0]} line {line_number}"))
        else:
            story[number] = text
    if not questions:
        raise InputError(f"{files[0]}: holds no question; fetch it again")
    return questions


def numbered_line(line: str, where: str) -> tuple[int, str]:
    """(number, the rest) of a line."""
    number, _, text = line.partition(" ")
    if not number.isdigit() or not text:
        raise InputError(f"{where}: does not begin with a number; fetch the file again")
    return int(number), text


def question_of(text: str, story: dict[int, str], where: str) -> Question:
    """The question of a line, with the facts so far."""
    parts = text.split("\t")
    places = {number: place for place, number in enumerate(story)}
    try:
        supporting = [places[int(number)] for number in parts[2].split()]
    except (IndexError, KeyError, ValueError):
        raise InputError(f"{where}: no answer with the numbers of earlier facts; fetch the file again") from None
    return Question(list(story.values()), parts[0], parts[1], supporting)
