"""NQ prompts: the passage that answers the question among passages that do not, in Lost in the Middle's wording.

in : nq-open-*.jsonl(.gz), or DPR's JSON (contracts.published.nq)
invariant: where the settings give no number of distractors, one more would not fit the length.
"""

from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from contracts.published import nq
from contracts.published.nq import Passage, Question
from eval.building.context import BuildContext, Built
from eval.building.filling import largest_fitting
from eval.building.prompts import Prompt, prompt_sample
from eval.building.records import check_fields, chosen, each_record, file_called

FILES = ("nq-open-oracle.jsonl", "biencoder-nq-dev.json", "nq-dev.json")
FIELDS = {"question": str, "answers": list}


def question_file(path: Path) -> Path:
    """The file of questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question in the file at `path` that has a passage with its answer, in order."""
    file = question_file(path)
    records = list(each_record(file))
    check_fields(file, records, FIELDS)
    check_fields(file, records, {nq.contexts_field(records[0]): list})
    return [nq.question_of(record) for record in records if nq.gold_and_others(record)[0]]


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
    distractors = list(nq.distractors_of(question, pool, generator))
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


def prompt_of(context: BuildContext, question: Question, distractors: list[Passage], depth: float) -> Prompt:
    """The question after its passages, the answer's at `depth` of them."""
    documents, place = nq.documents_of(question, distractors, depth)
    prompt = nq.prompt_of(question, documents)
    return Prompt(
        text=prompt.text,
        answers=list(question.answers),
        tokens_to_generate=context.options.tokens_to_generate,
        context=prompt.context,
        question=question.text,
        more={"stop": ["\n"], "gold_place": place, "documents": len(documents)},
    )
