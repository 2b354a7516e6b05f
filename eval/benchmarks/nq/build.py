"""NQ prompts: the passage that answers the question among passages that do not, in Lost in the Middle's wording.

invariant: distractors are the question's own ones first, then other questions' passages; where the settings give no
number of them, one more would not fit the length.
"""

from importlib.resources import files

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.benchmarks.nq.records import Passage, Question, question_file, read_questions, spells_any
from eval.building.build_context import BuildContext, Built
from eval.building.fitting import largest_fitting
from eval.building.prompts import Prompt, prompt_sample
from eval.building.published_files import chosen

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
