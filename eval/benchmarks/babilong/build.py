"""BABILong samples: the facts of a question in their order, at random places among the sentences of books.

in : a folder with qa1_single-supporting-fact_test.txt and so on (bAbI 1.2, en or en-10k): lines `number text`, a
     question as `number question<TAB>answer<TAB>numbers of its supporting facts`; numbers start again with every story;
     earlier questions of a story are no facts
As in the official composition: books start at a random sentence, facts lie anywhere (several may lie together), the
last sentence is cut where the length is reached. The length is that of the whole prompt and its answer in the model's
own tokens (the published sets count the context alone, in GPT-2's tokens, 300 below the nominal length).
At length 0 the context is the facts alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from eval.benchmarks.babilong.prompts import question_prompt
from eval.building.book_sentences import draw_sentences
from eval.building.context import BuildContext, Built
from eval.building.filling import fill
from eval.building.prompts import Prompt, prompt_sample


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


# The official composition leaves out stories with more facts than an eighth of the context, which it takes to be 300
# tokens shorter than the length.
PROMPT_TOKENS = 300
TOKENS_PER_FACT = 8


def build(context: BuildContext) -> Built:
    """The questions of this cell; InputError where not one fits."""
    questions = read_task(context.data("babi"), context.task)
    chosen = fitting_questions(context, questions)
    if not chosen:
        raise InputError(f"no question of {context.task} fits into {context.length} tokens; choose a longer length")
    inputs = {key: context.describe(key) for key in ("babi", "babilong_subset") if context.has(key)}
    if context.length:
        inputs["books"] = context.describe_books()
    return Built([question_sample(context, questions[index], index) for index in chosen], {}, inputs)


def fitting_questions(context: BuildContext, questions: Sequence[Question]) -> list[int]:
    """The first questions, in the order of `question_order`, whose facts fit and are not too many for the length."""
    most = (context.length - PROMPT_TOKENS) // TOKENS_PER_FACT
    chosen: list[int] = []
    for index in question_order(context, len(questions)):
        facts = questions[index].facts
        if not context.length or (
            len(facts) < most
            and composed_sample(context, questions[index], index, [], [0.0] * len(facts))["length"] <= context.length
        ):
            chosen.append(index)
        if len(chosen) == context.options.samples:
            break
    return chosen


def question_order(context: BuildContext, count: int) -> list[int]:
    """Numbers of questions: the official subset where it is given and has the task, else all in random order."""
    subset = official_subset(context.data("babilong_subset"), context.task) if context.has("babilong_subset") else None
    if subset is None:
        return context.generator("questions").sample(range(count), count)
    if subset[-1] >= count:
        raise InputError(
            f"babi has {count} questions of {context.task}, the subset names number {subset[-1]}; match them"
        )
    return subset


def official_subset(path: Path, task: str) -> list[int] | None:
    """The numbers that test_100_idxs.json has for a task, in order; None for tasks that it leaves out."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8")).get(task)
        return None if numbers is None else sorted(int(number) for number in numbers)
    except (json.JSONDecodeError, AttributeError, TypeError, ValueError):
        raise InputError(f"{path}: not {{task: [numbers]}}; give test_100_idxs.json") from None


def question_sample(context: BuildContext, question: Question, index: int) -> dict:
    """One sample: the question's facts in as much of the books as fits."""
    generator = context.generator(index, "places")
    shares = sorted(generator.random() for _ in question.facts)
    if not context.length:
        return composed_sample(context, question, index, [], shares)
    background = draw_sentences(
        context.tokenizer,
        context.books,
        context.generator(index, "books"),
        tokens=context.length,
        shortest=context.options.sentence_tokens_min,
    )

    def sample_of(tokens: int) -> dict:
        return composed_sample(context, question, index, background.first_tokens(tokens), shares)

    return fill(
        context.length,
        lambda tokens: tokens,
        sample_of,
        0,
        background.sums[-1],
        what=f"question {index} of {context.task}",
    )[1]


def composed_sample(
    context: BuildContext, question: Question, index: int, sentences: Sequence[str], shares: Sequence[float]
) -> dict:
    """The sample with each fact before the sentence at its share of them."""
    text = " ".join(among(question.facts, sentences, shares))
    prompt, span = question_prompt(context.task, text, question.text)
    return prompt_sample(
        context,
        Prompt(
            text=prompt,
            answers=[question.answer],
            tokens_to_generate=context.options.tokens_to_generate,
            context=span,
            question=question.text,
            more={"number": index, "facts": len(question.facts)},
        ),
    )


def among(facts: Sequence[str], sentences: Sequence[str], shares: Sequence[float]) -> list[str]:
    """Facts and sentences in order, each fact before the sentence at its share of them."""
    pieces: list[str] = []
    taken = 0
    for fact, share in zip(facts, shares, strict=True):
        place = int(share * (len(sentences) + 1))
        pieces += [*sentences[taken:place], fact]
        taken = place
    return [*pieces, *sentences[taken:]]
