"""Sentences of held-back books, from random places: the text that facts are hidden in.

The sentences are those of an untrained Punkt tokenizer (nltk's own default, which BABILong uses too): it knows no
abbreviations, so some sentences end at `Mr.`. Line breaks inside a sentence stay. Very short sentences are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import nltk

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.building.books import Book
from eval.building.filling import cumulative

# A stretch of a book of so many characters for every token that is needed holds more than enough.
CHARACTERS_PER_TOKEN = 10
# So many stretches without one usable sentence mean that the books have none.
FRUITLESS_STRETCHES = 100


@dataclass(frozen=True)
class BookSentences:
    """Consecutive sentences; `sums[i]` is the number of tokens of the first i, a space before each."""

    tokenizer: Tokenizer
    sentences: list[str]
    sums: list[int]

    def first_tokens(self, tokens: int) -> list[str]:
        """As many sentences as hold so many tokens, the last one cut off where they end."""
        taken = []
        for index, sentence in enumerate(self.sentences):
            room = tokens - self.sums[index]
            if room <= 0:
                break
            whole = self.sums[index + 1] - self.sums[index] <= room
            taken.append(sentence if whole else cut(self.tokenizer, sentence, room))
        return [sentence for sentence in taken if sentence]


def cut(tokenizer: Tokenizer, sentence: str, tokens: int) -> str:
    """The text of the first `tokens` tokens of a sentence."""
    offsets = tokenizer.encode_with_offsets(sentence)[1]
    return sentence if len(offsets) <= tokens else sentence[: offsets[tokens][0]].rstrip()


def draw_sentences(
    tokenizer: Tokenizer,
    books: Sequence[Book],
    generator: Random,
    *,
    tokens: int,
    shortest: int,
    longest: int | None = None,
    one_line: bool = False,
) -> BookSentences:
    """Sentences of at least `tokens` tokens together, from random places of random books, in their order there.

    Sentences of fewer than `shortest` tokens, or more than `longest`, are left out; `one_line` reads line breaks as
    spaces. InputError where the books have no others.
    """
    sentences: list[str] = []
    costs: list[int] = []
    fruitless = 0
    while sum(costs) < tokens:
        text = generator.choice(books).text
        start = generator.randrange(max(len(text), 1))
        # The first and the last sentence of a stretch are parts of sentences.
        stretch = sentences_of(text[start : start + tokens * CHARACTERS_PER_TOKEN])[1:-1]
        if one_line:
            stretch = [" ".join(sentence.split()) for sentence in stretch]
        counts = map(len, tokenizer.encode_batch([f" {sentence}" for sentence in stretch]))
        usable = [
            (sentence, count)
            for sentence, count in zip(stretch, counts, strict=True)
            if shortest <= count <= (longest or count)
        ]
        fruitless = 0 if usable else fruitless + 1
        if fruitless > FRUITLESS_STRETCHES:
            raise InputError(f"the books hold no sentence of {shortest} tokens or more; add longer ones")
        sentences += [sentence for sentence, _ in usable]
        costs += [count for _, count in usable]
    return BookSentences(tokenizer, sentences, cumulative(costs))


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    return nltk.PunktSentenceTokenizer().tokenize(text)
