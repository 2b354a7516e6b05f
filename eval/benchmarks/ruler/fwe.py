"""fwe, frequent words: coded words occur as often as a zeta distribution says; name the three most frequent.

The most frequent of all is written `...` and is noise; the answers are the next three. A list for N words holds the
word of rank k floor(N k^-alpha / zeta(alpha)) times, out of length / 50 coded words of six letters.
"""

import string
from random import Random

import numpy as np
from scipy.special import zeta

from eval.benchmarks.ruler.wording import prompt_of, ruler_sample
from eval.building.context import BuildContext, Built
from eval.building.filling import fill, piece_tokens

NOISE_WORD = "..."
LETTERS = 6
TOKENS_PER_CODED_WORD = 50
ANSWERS = 3
# The smallest list in which rank 4 occurs more often than rank 5, at alpha 2: floor(N / (16 zeta(2))) = 1.
FEWEST_WORDS = 27


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    return Built([coded_sample(context, index) for index in range(context.options.samples)])


def coded_sample(context: BuildContext, index: int) -> dict:
    """One prompt: as long a list as fits."""
    words = coded_words(context, context.generator(index))
    costs = np.array(piece_tokens(context.tokenizer, [f" {word}" for word in words], before="a"))
    shares = word_shares(len(words), context.options.fwe.alpha)
    prompt, answer_prefix = prompt_of("fwe")

    def predicted(units: int) -> int:
        return int((word_counts(units, shares) * costs).sum())

    def sample_of(units: int) -> dict:
        listed = np.repeat(np.arange(len(words)), word_counts(units, shares)).tolist()
        context.generator(index, "order", units).shuffle(listed)
        text = " ".join(words[rank] for rank in listed)
        return ruler_sample(
            context,
            prompt.format(context=text),
            answer_prefix,
            text=text,
            question="",
            answers=words[1 : ANSWERS + 1],
            more={},
        )

    units, sample = fill(context.length, predicted, sample_of, FEWEST_WORDS, what=f"task {context.task}")
    return {**sample, "units": units}


def coded_words(context: BuildContext, generator: Random) -> list[str]:
    """Different words of six letters by rank, the first of them the noise."""
    room = context.length - context.options.fwe.tokens_to_generate
    words: dict[str, None] = {NOISE_WORD: None}
    while len(words) < max(room // TOKENS_PER_CODED_WORD, ANSWERS + 2):
        words["".join(generator.choices(string.ascii_lowercase, k=LETTERS))] = None
    return list(words)


def word_shares(ranks: int, alpha: float) -> np.ndarray:
    """k^-alpha / zeta(alpha) for ranks 1, 2, ...: float64 [ranks]."""
    return np.arange(1, ranks + 1) ** -alpha / zeta(alpha)


def word_counts(units: int, shares: np.ndarray) -> np.ndarray:
    """How often the word of each rank occurs in a list for `units` words: int64 [ranks]."""
    return (units * shares).astype(np.int64)
