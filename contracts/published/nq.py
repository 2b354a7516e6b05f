"""Natural Questions among passages: the one that answers, and those that do not.

in : a record of nq-open-*.jsonl: {"question", "answers", "ctxs": [{"title", "text", "isgold"}]}
     or of DPR's JSON: {"question", "answers", "positive_ctxs", "hard_negative_ctxs", "negative_ctxs"}
invariants: no passage that spells an answer is a distractor. Distractors are the question's own ones first, the most
misleading before the others, then other questions' passages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from contracts.answer_words import normalized
from contracts.published import Worded, Wording

# Passages of ~100 words: no prompt of 1 M tokens holds more; drawing them all for every question would be slow.
MOST_DISTRACTORS = 10_000
WORDING = Wording("nq", context="{search_results}", last_line_end=False)


@dataclass(frozen=True)
class Passage:
    """A passage of an encyclopaedia."""

    title: str
    text: str


@dataclass(frozen=True)
class Question:
    """One question; `distractors` are its own (retrieved) ones, best first."""

    text: str
    answers: tuple[str, ...]
    gold: Passage
    distractors: tuple[Passage, ...]


def contexts_field(record: dict) -> str:
    """The field of a record's passages, by which the two layouts are told apart."""
    return "ctxs" if "ctxs" in record else "positive_ctxs"


def question_of(record: dict) -> Question:
    """One record with its passages told apart."""
    gold, others = gold_and_others(record)
    answers = tuple(str(answer) for answer in record["answers"])
    passages = (passage_of(other) for other in others)
    distractors = dict.fromkeys(passage for passage in passages if not spells_any(passage, answers))
    return Question(record["question"], answers, passage_of(gold[0]), tuple(distractors))


def gold_and_others(record: dict) -> tuple[list[dict], list[dict]]:
    """(passages with the answer, passages without), in the file's order; DPR's hard negatives come first."""
    if "ctxs" in record:
        gold = [context for context in record["ctxs"] if context.get("isgold")]
        return gold, [context for context in record["ctxs"] if not context.get("isgold")]
    return record["positive_ctxs"], [*record.get("hard_negative_ctxs", []), *record.get("negative_ctxs", [])]


def passage_of(context: dict) -> Passage:
    """A passage in one of the published formats."""
    return Passage(str(context.get("title", "")), str(context["text"]))


def spells_any(passage: Passage, answers: tuple[str, ...]) -> bool:
    """Whether one of the answers stands in the passage, as whole normalised words."""
    words = f" {normalized(f'{passage.title} {passage.text}')} "
    return any(f" {normalized(answer)} " in words for answer in answers if normalized(answer))


def distractors_of(question: Question, pool: Sequence[Passage], generator: Random) -> Iterator[Passage]:
    """The question's own distractors, then other questions' passages in an order of its own, as they are asked for."""
    others = generator.sample(pool, min(len(pool), MOST_DISTRACTORS))
    own = {question.gold, *question.distractors}
    yield from question.distractors
    yield from (passage for passage in others if passage not in own and not spells_any(passage, question.answers))


def documents_of(question: Question, distractors: Sequence[Passage], depth: float) -> tuple[list[str], int]:
    """The numbered passages, the answer's at `depth` (0 first, 1 last) of the others; and its index."""
    place = round(depth * len(distractors))
    passages = [*distractors[:place], question.gold, *distractors[place:]]
    documents = [
        f"Document [{number}](Title: {passage.title}) {passage.text}"
        for number, passage in enumerate(passages, start=1)
    ]
    return documents, place


def prompt_of(question: Question, documents: Sequence[str]) -> Worded:
    """The question after its passages, in Lost in the Middle's wording."""
    return WORDING.with_texts("\n".join(documents), question.text)
