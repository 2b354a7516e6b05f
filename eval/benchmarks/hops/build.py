"""hops: which tokens matter? Supporting facts among interference facts, emojis and irrelevant text of books.

The form of the preliminary study of the CDT paper. Facts lie in different parts of the text; the books' sentences are
the same in all rows of a length; the rows of a number of hops are the same for every detector.

A sample: {"input_ids", "labels" (-100 except the answer's tokens), "spans": [{"kind", "start", "end"}], "question",
"answer"}. The spans are half-open token intervals that cover the row exactly once (eval.benchmarks.hops.labelled_rows);
kinds: start (BOS), template (the chat template), supporting, interference, irrelevant, emoji, question, answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from eval.benchmarks.hops.labelled_rows import Piece, labelled_row
from eval.benchmarks.hops.stories import Source, Story, babi_source, needle_source, own_source
from eval.building.book_sentences import BookSentences, draw_sentences
from eval.building.context import BuildContext, Built, sample_generator
from eval.building.filling import fill

EMOJIS = "😀😂🥰😎🤔😴🤯🥳👻🤖🐙🦄🐢🦋🌵🍄🍕🍩🚀🎸🎲🧩🔮🧲"
# The published rows have 3 and 4 hops.
PUBLISHED_HOPS = (3, 4)


@dataclass(frozen=True)
class Insert:
    """A fact or an emoji, and the share of the sentences that comes before it."""

    piece: Piece
    share: float


def build(context: BuildContext) -> Built:
    """The rows of this cell."""
    hops = int(context.task[0])
    sentences = background(context, hops)
    source, inputs = story_source(context, hops)
    rows = [hops_sample(context, sentences, source, hops, index) for index in range(context.options.samples)]
    return Built(rows, {"top": context.options.top}, {"books": context.describe_books(), **inputs})


def generator_of(context: BuildContext, hops: int, *parts: int | str) -> Random:
    """A generator that is the same for every detector."""
    return sample_generator(context.settings.seed, "hops", hops, context.length, *parts)


def background(context: BuildContext, hops: int) -> BookSentences:
    """The books' sentences for all rows of this length, line breaks read as spaces."""
    return draw_sentences(
        context.tokenizer,
        context.books,
        sample_generator(context.settings.seed, "hops", context.length, "books"),
        tokens=context.length,
        shortest=context.options.sentence_tokens_min,
        longest=context.options.sentence_tokens_max,
        one_line=True,
    )


def story_source(context: BuildContext, hops: int) -> tuple[Source, dict]:
    """(where the stories come from, digests of the file that they were read from)."""
    chosen = context.options.stories
    published = chosen == "published" or (chosen is None and context.has("needles"))
    if published and hops in PUBLISHED_HOPS:
        return needle_source(context, hops), {"needles": context.describe("needles")}
    if chosen == "babi" or (chosen is None and context.has("babi")):
        return babi_source(context, hops), {"babi": context.describe("babi")}
    return own_source(context, hops), {}


def hops_sample(context: BuildContext, sentences: BookSentences, source: Source, hops: int, index: int) -> dict:
    """One row: a story in the most irrelevant text that fits, ending in its question and answer."""
    generator = generator_of(context, hops, index)
    story = source(index, generator)
    depths = fact_depths(generator, [kind for kind, _ in story.facts], context.options.slots)
    inserts = [Insert(Piece(kind, f" {fact}"), depth) for (kind, fact), depth in zip(story.facts, depths, strict=True)]
    emojis = generator.sample(EMOJIS, context.options.emojis)
    inserts += [Insert(Piece("emoji", f" {emoji}"), generator.random()) for emoji in emojis]
    inserts.sort(key=lambda insert: insert.share)

    def row_of(count: int) -> dict:
        row = labelled_row(context, row_pieces(story, sentences.sentences[:count], inserts))
        return {**row, "length": len(row["input_ids"])}

    row = fill(
        context.length, sentences.sums.__getitem__, row_of, 0, len(sentences.sentences), what=f"task {context.task}"
    )[1]
    return {**row, "question": story.question, "answer": story.answer, "hops": hops}


def fact_depths(generator: Random, kinds: list[str], slots: int) -> list[float]:
    """Where each fact goes, as a share of the text, never decreasing.

    The supporting facts and the last fact lie in different slots; every other fact lies anywhere between the
    fact before it and the next of those.
    """
    anchored = [index for index, kind in enumerate(kinds) if kind == "supporting" or index == len(kinds) - 1]
    chosen = sorted(generator.sample(range(slots), len(anchored)))
    anchors = {index: (slot + generator.random()) / slots for index, slot in zip(anchored, chosen, strict=True)}
    depths: list[float] = []
    for index in range(len(kinds)):
        following = anchors[min(anchor for anchor in anchored if anchor >= index)]
        before = depths[-1] if depths else 0.0
        depths.append(following if index in anchors else generator.uniform(before, following))
    return depths


def row_pieces(story: Story, sentences: Sequence[str], inserts: Sequence[Insert]) -> list[Piece]:
    """The row's text in order: facts and emojis among sentences, then the question, then the answer.

    A piece begins with the space before it: that is where the first token of a word begins.
    """
    pieces: list[Piece] = []
    placed = 0
    for insert in inserts:
        place = int(insert.share * (len(sentences) + 1))
        pieces += [Piece("irrelevant", f" {sentence}") for sentence in sentences[placed:place]]
        pieces.append(insert.piece)
        placed = place
    pieces += [Piece("irrelevant", f" {sentence}") for sentence in sentences[placed:]]
    pieces[0] = Piece(pieces[0].kind, pieces[0].text.lstrip())
    return [*pieces, Piece("question", f"\n{story.question}"), Piece("answer", f" {story.answer}")]
