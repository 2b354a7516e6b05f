"""niah_single_1: RULER's simplest needle. One seven-digit number for one key, hidden in repeated noise.

Wording, needle, number and haystack follow the official task (one key, one value, one query: the singular
forms); the keys come from this project's own words. The answer prefix is part of what the model reads.
"""

from eval.benchmarks.ruler.haystack import NOISE, fill
from eval.benchmarks.ruler.words import random_key
from eval.build_context import BuildContext, Built
from eval.prompts import Prompt, prompt_sample

PROMPT = (
    "A special magic number is hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the number afterwards.\n{context}\n"
    "What is the special magic number for {key} mentioned in the provided text?"
)
ANSWER_PREFIX = " The special magic number for {key} mentioned in the provided text is"
NEEDLE = "One of the special magic numbers for {key} is: {value}."


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    return Built([needle_sample(context, index) for index in range(context.options.samples)])


def needle_sample(context: BuildContext, index: int) -> dict:
    """One prompt: the needle at a depth of its own in the most noise that fits."""
    generator = context.generator(index)
    key, value = random_key(generator), str(generator.randint(1_000_000, 9_999_999))
    depth = generator.random()
    answer_prefix = ANSWER_PREFIX.format(key=key)

    def prompt_of(lines: int) -> str:
        noise = [NOISE] * lines
        noise.insert(int(depth * lines), NEEDLE.format(key=key, value=value))
        return PROMPT.format(context="\n".join(noise), key=key)

    budget = context.options.niah_single_1.tokens_to_generate
    lines, text = fill(context, lambda count: (prompt_of(count), answer_prefix), context.length - budget, smallest=1)
    start, end = PROMPT.index("{context}"), len(text) - len(PROMPT[PROMPT.index("{context}") + 9 :].format(key=key))
    prompt = Prompt(
        text,
        [value],
        budget,
        (start, end),
        question=text[end:].strip(),
        answer_prefix=answer_prefix,
        more={"noise_lines": lines, "depths": [100.0 * depth]},
    )
    return prompt_sample(context, prompt)
