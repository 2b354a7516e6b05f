"""vt, variable tracking: one chain of assignments in repeated noise; name every variable of the chain.

The worked example that begins every prompt holds at most `example_tokens` tokens, has three-letter names (the real
chain has five) and new names and a new value for every prompt.
"""

import string
from itertools import pairwise
from random import Random

from eval.benchmarks.ruler.haystacks import NoiseLines
from eval.benchmarks.ruler.wording import noise, prompt_of, ruler_sample
from eval.building.context import BuildContext, Built
from eval.building.filling import fill

EXAMPLE_LETTERS, CHAIN_LETTERS = 3, 5


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    lines = NoiseLines(context.tokenizer, noise())
    return Built([chain_sample(context, lines, index) for index in range(context.options.samples)])


def chain_sample(context: BuildContext, lines: NoiseLines, index: int) -> dict:
    """One prompt: a worked example, then the chain in the most noise that fits."""
    example = worked_example(context, lines, index)
    generator = context.generator(index, "chain")
    links = context.options.vt.links
    names, value = chain_names(generator, links + 1, CHAIN_LETTERS), chain_value(generator)
    prompt, answer_prefix = prompt_of("vt")

    def sample_of(units: int) -> dict:
        text = chain_text(context.generator(index, "places", units), lines, names, value, units)
        return ruler_sample(
            context,
            f"{example}\n{prompt.format(context=text, query=value)}",
            answer_prefix.format(num_v=len(names), query=value),
            text=text,
            question=value,
            answers=names,
            more={},
        )

    units, sample = fill(context.length, lines.tokens, sample_of, smallest=len(names), what=f"task {context.task}")
    return {**sample, "units": units}


def worked_example(context: BuildContext, lines: NoiseLines, index: int) -> str:
    """A short chain with its answer, in the most noise that `example_tokens` hold."""
    generator = context.generator(index, "example")
    names, value = chain_names(generator, context.options.vt.links + 1, EXAMPLE_LETTERS), chain_value(generator)
    prompt, answer_prefix = prompt_of("vt")
    solution = f"{answer_prefix.format(num_v=len(names), query=value)} {' '.join(names)}\n"

    def example_of(units: int) -> dict:
        text = chain_text(context.generator(index, "example places", units), lines, names, value, units)
        example = f"{prompt.format(context=text, query=value)}{solution}"
        return {"text": example, "length": len(context.tokenizer.encode(example))}

    longest = context.options.vt.example_tokens
    return fill(longest, lines.tokens, example_of, smallest=len(names), what="the worked example of vt")[1]["text"]


def chain_text(places: Random, lines: NoiseLines, names: list[str], value: str, units: int) -> str:
    """The assignments, in order, at random places among `units` lines of noise."""
    assignments = [f"VAR {names[0]} = {value}"]
    # The space at the end of a link is the official text's.
    assignments += [f"VAR {name} = VAR {earlier} " for earlier, name in pairwise(names)]
    text = lines.take(units)
    for shift, place in enumerate(sorted(places.sample(range(units), len(assignments)))):
        text.insert(place + shift, assignments[shift])
    return "\n".join(text)


def chain_names(generator: Random, count: int, letters: int) -> list[str]:
    """`count` different names of capital letters."""
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(generator.choices(string.ascii_uppercase, k=letters))] = None
    return list(names)


def chain_value(generator: Random) -> str:
    """The five-digit value that a chain starts with."""
    return str(generator.randint(10_000, 99_999))
