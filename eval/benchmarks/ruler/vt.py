"""vt: RULER's variable tracking. One chain of assignments in repeated noise; name every variable of the chain.

Wording, noise and the worked example follow the official task: the example comes first, holds at most
`example_tokens` tokens, has three-letter names (the real chain has five), and gets new names and a new value
for every prompt.
"""

import string
from itertools import pairwise
from random import Random

from contracts.errors import InputError
from eval.benchmarks.ruler.haystack import NOISE, fill
from eval.build_context import BuildContext, Built
from eval.fitting import largest_fitting
from eval.prompts import Prompt, prompt_sample

PROMPT = (
    "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n{context}\n"
    "Question: Find all variables that are assigned the value {value} in the text above."
)
ANSWER_PREFIX = (
    " Answer: According to the chain(s) of variable assignment in the text above, {count} variables are assigned "
    "the value {value}, they are: "
)
EXAMPLE_LETTERS, CHAIN_LETTERS = 3, 5


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    return Built([chain_sample(context, index) for index in range(context.options.samples)])


def chain_sample(context: BuildContext, index: int) -> dict:
    """One prompt: a worked example, then the chain in the most noise that fits."""
    settings = context.options.vt
    example = worked_example(context, index)
    generator = context.generator(index, "chain")
    names, value = chain_names(generator, settings.links + 1, CHAIN_LETTERS), chain_value(generator)
    answer_prefix = ANSWER_PREFIX.format(count=len(names), value=value)

    def prompt_of(lines: int) -> tuple[str, str]:
        places = context.generator(index, "places", lines)
        return f"{example}\n{chain_prompt(places, names, value, lines)}", answer_prefix

    lines, text = fill(context, prompt_of, context.length - settings.tokens_to_generate, smallest=len(names))
    start = len(example) + 1 + PROMPT.index("{context}")
    end = len(text) - len(PROMPT[PROMPT.index("{context}") + 9 :].format(value=value))
    prompt = Prompt(
        text,
        names,
        settings.tokens_to_generate,
        (start, end),
        question=text[end:].strip(),
        answer_prefix=answer_prefix,
        more={"noise_lines": lines},
    )
    return prompt_sample(context, prompt)


def worked_example(context: BuildContext, index: int) -> str:
    """A short chain with its answer, as the official task puts it before every prompt."""
    settings = context.options.vt
    generator = context.generator(index, "example")
    names, value = chain_names(generator, settings.links + 1, EXAMPLE_LETTERS), chain_value(generator)

    def example_of(lines: int) -> str:
        places = context.generator(index, "example places", lines)
        prompt = chain_prompt(places, names, value, lines)
        return f"{prompt}{ANSWER_PREFIX.format(count=len(names), value=value)} {' '.join(names)}\n"

    def fits(lines: int) -> bool:
        return len(context.tokenizer.encode(example_of(lines))) <= settings.example_tokens

    lines = largest_fitting(fits, smallest=len(names))
    if lines is None:
        raise InputError(f"vt.example_tokens {settings.example_tokens} holds no worked example; choose more")
    return example_of(lines)


def chain_prompt(places: Random, names: list[str], value: str, lines: int) -> str:
    """The task's text: the assignments, in order, at random places among `lines` lines of noise."""
    assignments = [f"VAR {names[0]} = {value}"]
    # The space at the end of a link is the official text's.
    assignments += [f"VAR {name} = VAR {earlier} " for earlier, name in pairwise(names)]
    text = [NOISE] * lines
    for shift, place in enumerate(sorted(places.sample(range(lines), len(assignments)))):
        text.insert(place + shift, assignments[shift])
    return PROMPT.format(context="\n".join(text), value=value)


def chain_names(generator: Random, count: int, letters: int) -> list[str]:
    """`count` different names of capital letters."""
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(generator.choices(string.ascii_uppercase, k=letters))] = None
    return list(names)


def chain_value(generator: Random) -> str:
    """The five-digit value that a chain starts with."""
    return str(generator.randint(10_000, 99_999))
