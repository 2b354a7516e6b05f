"""NQ prompts: the passage that answers the question among passages that do not, in Lost in the Middle's wording.

in : nq-open-*.jsonl(.gz): {"question", "answers", "ctxs": [{"title", "text", "isgold"}]}
     DPR's JSON: {"question", "answers", "positive_ctxs", "hard_negative_ctxs", "negative_ctxs"}
invariants: no passage that spells an answer is a distractor. Distractors are the question's own ones first, the most
misleading before the others, then other questions' passages; where the settings give no number of them, one more would
not fit the length.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.building.context import BuildContext, Built
from eval.building.filling import largest_fitting
from eval.building.prompts import Prompt, prompt_sample
from eval.building.records import check_fields, chosen, each_record, file_called
from eval.scoring.squad_metrics import normalized

FILES = ("nq-open-oracle.jsonl", "biencoder-nq-dev.json", "nq-dev.json")
FIELDS = {"question": str, "answers": list}


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


def question_file(path: Path) -> Path:
    """The file of questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question in the file at `path` that has a passage with its answer, in order."""
    file = question_file(path)
    records = list(each_record(file))
    check_fields(file, records, FIELDS)
    contexts = "ctxs" if "ctxs" in records[0] else "positive_ctxs"
    check_fields(file, records, {contexts: list})
    return [question_of(record) for record in records if gold_and_others(record)[0]]


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


# Passages of ~100 words: no prompt of 1 M tokens holds more; drawing them all for every question would be slow.
MOST_DISTRACTORS = 10_000


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    path = question_file(context.data("nq"))
    questions = read_questions(path)
    wanted = chosen(questions, context.options.samples, context.settings.seed, "nq")
    pool = list(dict.fromkeys(question.gold for question in questions))
    rows = [sample_of(context, question, pool, index) for index, question in enumerate(wanted)]
    return Built(rows, {"passages_of_other_questions": len(pool)}, describe_files([path]))


def sample_of(context: BuildContext, question: Question, pool: list[Passage], index: int) -> dict:
    """One prompt with the settings' number of distractors, or with the most that fit."""
    generator = context.generator(index)
    depth = generator.random() if context.options.gold_depth is None else context.options.gold_depth
    distractors = distractors_of(question, pool, generator)
    if context.options.distractors is not None:
        sample = prompt_sample(context, prompt_of(context, question, distractors[: context.options.distractors], depth))
        if sample["length"] > context.length:
            raise InputError(f"--length {context.length}: {sample['length']} tokens are needed; lower nq.distractors")
        return sample

    def fits(count: int) -> bool:
        if count > len(distractors):
            return False
        prompt = prompt_of(context, question, distractors[:count], depth)
        return prompt_sample(context, prompt)["length"] <= context.length

    most = largest_fitting(fits, smallest=1)
    if most is None:
        raise InputError(f"--length {context.length}: no distractor fits beside the answer; choose a longer length")
    return prompt_sample(context, prompt_of(context, question, distractors[:most], depth))


def distractors_of(question: Question, pool: list[Passage], generator) -> list[Passage]:
    """The question's own distractors, then other questions' passages in an order of its own."""
    others = generator.sample(pool, min(len(pool), MOST_DISTRACTORS))
    own = {question.gold, *question.distractors}
    more = [passage for passage in others if passage not in own and not spells_any(passage, question.answers)]
    return [*question.distractors, *more]


def prompt_of(context: BuildContext, question: Question, distractors: list[Passage], depth: float) -> Prompt:
    """The question after its passages, the answer's at `depth` of them."""
    place = round(depth * len(distractors))
    passages = [*distractors[:place], question.gold, *distractors[place:]]
    results = "\n".join(
        f"Document [{number}](Title: {passage.title}) {passage.text}"
        for number, passage in enumerate(passages, start=1)
    )
    wording = files(__package__).joinpath("qa.prompt").read_text(encoding="utf-8").rstrip("\n")
    before, after = wording.split("{search_results}")
    return Prompt(
        text=before + results + after.format(question=question.text),
        answers=list(question.answers),
        tokens_to_generate=context.options.tokens_to_generate,
        context=(len(before), len(before) + len(results)),
        question=question.text,
        more={"stop": ["\n"], "gold_place": place, "documents": len(passages)},
    )
