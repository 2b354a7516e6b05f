"""cwe, common words: ten words occur more often than all others in a numbered list; name them.

A worked example comes first. From 4,096 tokens on common words occur 30 times and others 3 times; below, 6 times and
once, with a smaller example: the official switch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.benchmarks.ruler.wording import all_words, english_words, prompt_of, ruler_sample
from eval.building.context import BuildContext, Built
from eval.building.filling import cumulative, fill, piece_tokens

COMMON = 10
LONG_FROM = 4096


@dataclass(frozen=True)
class Repeats:
    """How often common words and others occur."""

    common: int
    others: int

    def entries(self, words: int) -> int:
        """Entries of a list of so many different words."""
        return COMMON * self.common + (words - COMMON) * self.others


@dataclass(frozen=True)
class Form:
    """The list's repeats, and the example's repeats and different words."""

    task: Repeats
    example: Repeats
    example_words: int


LONG = Form(Repeats(30, 3), Repeats(10, 3), 40)
SHORT = Form(Repeats(6, 1), Repeats(3, 1), 20)


class CountedWords:
    """How many tokens numbers and words of a list take; each is counted once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.of_word: dict[str, int] = {}
        self.numbers = [0]

    def words(self, words: Sequence[str]) -> list[int]:
        """Tokens of each word, the space before it included."""
        new = [word for word in dict.fromkeys(words) if word not in self.of_word]
        costs = piece_tokens(self.tokenizer, [f" {word}" for word in new], before="1.")
        self.of_word.update(zip(new, costs, strict=True))
        return [self.of_word[word] for word in words]

    def first_numbers(self, count: int) -> int:
        """Tokens of ` 1.` to ` count.` together."""
        if len(self.numbers) <= count:
            new = range(len(self.numbers), 2 * count + 1)
            costs = piece_tokens(self.tokenizer, [f" {number}." for number in new], before="a")
            self.numbers += [self.numbers[-1] + cost for cost in cumulative(costs)[1:]]
        return self.numbers[count]


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    form = LONG if context.length >= LONG_FROM else SHORT
    counted = CountedWords(context.tokenizer)
    pool, inputs = word_pool(context, form.task, counted)
    return Built(
        [words_sample(context, form, counted, pool, index) for index in range(context.options.samples)], {}, inputs
    )


def word_pool(context: BuildContext, repeats: Repeats, counted: CountedWords) -> tuple[Sequence[str], dict]:
    """(words to draw from, what they were read from): English words where the package's do not fill the length."""
    words = all_words()
    others = sum(counted.words(words)) * repeats.others
    if others + counted.first_numbers(repeats.entries(len(words))) >= context.length:
        return words, {}
    if not context.has("english_words"):
        raise InputError(
            f"cwe at {context.length} tokens needs more than {len(words)} words; add --data english_words=FILE with "
            "one a line (eval.data.english_words)"
        )
    return english_words(context.data("english_words")), {"english_words": context.describe("english_words")}


def words_sample(context: BuildContext, form: Form, counted: CountedWords, pool: Sequence[str], index: int) -> dict:
    """One prompt: the example, then the list of the most words that fit."""
    generator = context.generator(index)
    example = worked_example(generator, form, pool)
    # No list has more words than tokens.
    words = generator.sample(pool, min(len(pool), context.length))
    costs = cumulative(counted.words(words))
    prompt, answer_prefix = prompt_of("cwe")

    def predicted(units: int) -> int:
        common, others = costs[COMMON] * form.task.common, (costs[units] - costs[COMMON]) * form.task.others
        return common + others + counted.first_numbers(form.task.entries(units))

    def sample_of(units: int) -> dict:
        text = numbered(shuffled(context.generator(index, "order", units), words[:units], form.task))
        return ruler_sample(
            context,
            f"{example}\n{prompt.format(context=text)}",
            answer_prefix,
            text=text,
            question="",
            answers=words[:COMMON],
            more={},
        )

    units, sample = fill(context.length, predicted, sample_of, COMMON + 1, len(words), what=f"task {context.task}")
    return {**sample, "units": units}


def worked_example(generator: Random, form: Form, pool: Sequence[str]) -> str:
    """A short list with its answer."""
    words = generator.sample(pool, form.example_words)
    prompt, answer_prefix = prompt_of("cwe")
    text = numbered(shuffled(generator, words, form.example))
    return f"{prompt.format(context=text)}{answer_prefix} {numbered(words[:COMMON])}"


def shuffled(generator: Random, words: Sequence[str], repeats: Repeats) -> list[str]:
    """The first ten words and the others, each as often as it occurs, in random order."""
    entries = list(words[:COMMON]) * repeats.common + list(words[COMMON:]) * repeats.others
    generator.shuffle(entries)
    return entries


def numbered(words: Sequence[str]) -> str:
    """`1. word 2. word ...`."""
    return " ".join(f"{number}. {word}" for number, word in enumerate(words, start=1))
