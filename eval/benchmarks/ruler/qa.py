"""qa_1 and qa_2: a question of SQuAD or HotpotQA, its paragraphs, and as many others as fit, in random order.

in : SQuAD (v1.1 or v2.0 JSON), HotpotQA (distractor JSON); questions that SQuAD marks as impossible are left out
Sample i asks the file's question i. Its own paragraphs come first into the choice, then the others of its article
(SQuAD), then any; where the file has no more, they repeat.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.benchmarks.ruler.wording import prompt_of, ruler_sample, wording
from eval.building.context import BuildContext, Built
from eval.building.filling import cumulative, fill, piece_tokens


@dataclass(frozen=True)
class Question:
    """A question, its answers, and its paragraphs as indices into Questions.documents."""

    text: str
    answers: list[str]
    gold: list[int]
    related: list[int]


@dataclass(frozen=True)
class Questions:
    """A file's different paragraphs, and its questions."""

    documents: list[str]
    questions: list[Question]


def read_squad(path: Path) -> Questions:
    """SQuAD's dev file; InputError where the file is something else."""
    try:
        articles = [
            [(paragraph["context"], paragraph["qas"]) for paragraph in article["paragraphs"]]
            for article in json_value(path)["data"]
        ]
        documents, places = in_places({context for article in articles for context, _ in article})
        questions = [
            Question(
                entry["question"],
                [answer["text"] for answer in entry["answers"]],
                [places[context]],
                [places[other] for other, _ in article if other != context],
            )
            for article in articles
            for context, asked_here in article
            for entry in asked_here
            if not entry.get("is_impossible", False)
        ]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not in SQuAD's format ({error}); give dev-v2.0.json or dev-v1.1.json") from None
    return checked(path, documents, questions)


def read_hotpotqa(path: Path) -> Questions:
    """HotpotQA's distractor dev file; InputError where the file is something else."""
    try:
        records = [
            (record["question"], record["answer"], [f"{title}\n{''.join(text)}" for title, text in record["context"]])
            for record in json_value(path)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not in HotpotQA's format ({error}); give hotpot_dev_distractor_v1.json") from None
    documents, places = in_places({text for _, _, texts in records for text in texts})
    questions = [
        Question(question, [answer], [places[text] for text in texts], []) for question, answer, texts in records
    ]
    return checked(path, documents, questions)


def json_value(path: Path) -> object:
    """The JSON value in a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); fetch the file again") from None


def in_places(texts: set[str]) -> tuple[list[str], dict[str, int]]:
    """(the texts sorted, the place of each)."""
    ordered = sorted(texts)
    return ordered, {text: place for place, text in enumerate(ordered)}


def checked(path: Path, documents: list[str], questions: list[Question]) -> Questions:
    """InputError where there is no question."""
    if not questions:
        raise InputError(f"{path}: holds no question that has an answer; give the whole file")
    return Questions(documents, questions)


SOURCES = {"qa_1": ("squad", read_squad), "qa_2": ("hotpotqa", read_hotpotqa)}
# Paragraphs are counted in steps of so many as they are needed: HotpotQA has 66,000.
COUNTED_AT_A_TIME = 64


class CountedDocuments:
    """How many tokens each paragraph takes, its heading left out; each is counted once."""

    def __init__(self, tokenizer: Tokenizer, documents: list[str]) -> None:
        self.tokenizer, self.documents = tokenizer, documents
        self.costs: dict[int, int] = {}

    def sums(self, order: list[int], count: int) -> list[int]:
        """Tokens of the first 0, 1, ... `count` documents of an order, headings (` Document 12:`) included."""
        new = [place for place in dict.fromkeys(order[:count]) if place not in self.costs]
        bodies = piece_tokens(self.tokenizer, [f"{self.documents[place]}\n\n" for place in new], before="\n")
        self.costs.update(zip(new, bodies, strict=True))
        headings = piece_tokens(self.tokenizer, [heading(number) for number in range(1, count + 1)], before="\n")
        return cumulative([self.costs[place] + cost for place, cost in zip(order[:count], headings, strict=True)])


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    key, read = SOURCES[context.task]
    source = read(context.data(key))
    counted = CountedDocuments(context.tokenizer, source.documents)
    count = min(context.options.samples, len(source.questions))
    rows = [question_sample(context, source, counted, index) for index in range(count)]
    return Built(rows, {}, {key: context.describe(key)})


def question_sample(context: BuildContext, source: Questions, counted: CountedDocuments, index: int) -> dict:
    """One prompt: the question among the most paragraphs that fit."""
    question = source.questions[index]
    order = document_order(context, source, question, index)
    sums = [0]
    prompt, answer_prefix = prompt_of("qa")

    def predicted(units: int) -> int:
        if len(sums) <= units:
            sums[:] = counted.sums(order, min(units + COUNTED_AT_A_TIME, len(order)))
        return sums[units]

    def sample_of(units: int) -> dict:
        chosen = order[:units]
        context.generator(index, "order", units).shuffle(chosen)
        text = "\n\n".join(document(number, source.documents[place]) for number, place in enumerate(chosen, start=1))
        return ruler_sample(
            context,
            prompt.format(context=text, query=question.text),
            answer_prefix,
            text=text,
            question=question.text,
            answers=question.answers,
            more={},
        )

    units, sample = fill(
        context.length, predicted, sample_of, len(question.gold), len(order), what=f"task {context.task}"
    )
    return {**sample, "units": units}


def document_order(context: BuildContext, source: Questions, question: Question, index: int) -> list[int]:
    """The paragraphs by how early they are chosen; repeated until no length can hold them all."""
    generator = context.generator(index, "documents")
    related = generator.sample(question.related, len(question.related))
    own = {*question.gold, *related}
    others = [place for place in range(len(source.documents)) if place not in own]
    generator.shuffle(others)
    order = [*question.gold, *related, *others]
    # Every document takes more than one token.
    return order * (1 + context.length // len(order))


def document(number: int, text: str) -> str:
    """One paragraph under its heading."""
    return wording()["qa"]["document"].format(i=number, document=text)


def heading(number: int) -> str:
    """What comes before a paragraph's text."""
    return document(number, "")
