"""hops: which tokens matter? Three supporting facts among interference facts and irrelevant text.

The form of the preliminary study of the CDT paper: a person takes an object, goes to one place, then to another;
the question is where the object was before the last place. Interference facts speak of other people and other
objects; at least one of them follows the last supporting fact. The text between the facts comes from held-back
books. The words of the facts and of the instruction are this project's own.

A sample: {"input_ids", "labels" (-100 except the answer's tokens), "spans": [{"kind", "start", "end"}], "question",
"answer"}. The spans are half-open token intervals that cover the row exactly once; kinds: start (BOS), supporting,
interference, irrelevant, question, answer. A token belongs to the text in which it starts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from contracts.errors import InputError
from eval.build_context import BuildContext, Built
from eval.fitting import largest_fitting

PEOPLE = ("Alice", "Bruno", "Clara", "Edgar", "Fiona", "Hugo", "Irene", "Oscar")
OBJECTS = ("lamp", "coat", "letter", "basket", "hammer", "mirror", "violin", "kettle")
PLACES = ("kitchen", "garden", "cellar", "library", "stable", "attic", "hallway", "workshop")
TAKES = ("{person} picked up the {object}.", "{person} took the {object}.", "{person} got the {object}.")
MOVES = ("{person} walked to the {place}.", "{person} moved to the {place}.", "{person} went back to the {place}.")
INSTRUCTION = (
    "Some sentences of the text above tell who took which thing and who went where. Use only those sentences.\n"
    "A thing goes wherever the person who holds it goes. Answer with the place alone.\n"
    "Question: Where was the {object} before the {place}?\nAnswer:"
)
IGNORED = -100
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Story:
    """One question with its facts in the order of the text, as (kind, sentence) pairs."""

    facts: list[tuple[str, str]]
    question: str
    answer: str


@dataclass(frozen=True)
class Piece:
    """A part of the row's text that is all of one kind; joined, the pieces are the text."""

    kind: str
    text: str


def build(context: BuildContext) -> Built:
    """The rows of this cell."""
    sentences = [sentence for book in context.books for sentence in book_sentences(context, book.text)]
    if not sentences:
        raise InputError(f"{context.data('books')}: the books hold no whole sentence; add longer ones")
    rows = [hops_sample(context, sentences, index) for index in range(context.options.samples)]
    return Built(rows, {}, {"books": context.describe_books()})


def book_sentences(context: BuildContext, text: str) -> list[str]:
    """The sentences of a book in order, line breaks read as spaces; the very short and very long ones left out."""
    sentences = [" ".join(piece.split()) for piece in SENTENCE_END.split(text)]
    lengths = map(len, context.tokenizer.encode_batch(sentences))
    settings = context.options
    usable = range(settings.sentence_tokens_min, settings.sentence_tokens_max + 1)
    return [sentence for sentence, tokens in zip(sentences, lengths, strict=True) if tokens in usable]


def hops_sample(context: BuildContext, sentences: list[str], index: int) -> dict:
    """One row: a story in the most irrelevant text that fits, ending in its question and answer."""
    generator = context.generator(index)
    story = make_story(context, generator)
    depths = fact_depths(generator, [kind for kind, _ in story.facts], context.options.slots)
    start = generator.randrange(len(sentences))
    text = [*sentences[start:], *sentences[:start]]

    def row_of(count: int) -> dict:
        return labelled_row(context, story_pieces(story, text[:count], depths))

    def fits(count: int) -> bool:
        return count <= len(text) and len(row_of(count)["input_ids"]) <= context.length

    count = largest_fitting(fits, smallest=1)
    if count is None:
        raise InputError(f"--length {context.length}: task hops does not fit into it; choose a longer length")
    return {**row_of(count), "question": story.question, "answer": story.answer}


def make_story(context: BuildContext, generator: Random) -> Story:
    """Three supporting facts in order, and interference facts of which at least one comes after them."""
    person, *others = generator.sample(PEOPLE, len(PEOPLE))
    thing, *other_things = generator.sample(OBJECTS, len(OBJECTS))
    answer, last_place = generator.sample(PLACES, 2)
    supporting = [
        generator.choice(TAKES).format(person=person, object=thing),
        generator.choice(MOVES).format(person=person, place=answer),
        generator.choice(MOVES).format(person=person, place=last_place),
    ]
    settings = context.options
    count = generator.randint(settings.interference_min, settings.interference_max)
    interference = [interference_fact(generator, others, other_things) for _ in range(count)]
    order = ["supporting"] * len(supporting) + ["interference"] * (count - 1)
    generator.shuffle(order)
    sources = {"supporting": iter(supporting), "interference": iter(interference)}
    facts = [(kind, next(sources[kind])) for kind in [*order, "interference"]]
    return Story(facts, INSTRUCTION.format(object=thing, place=last_place), answer)


def interference_fact(generator: Random, people: list[str], things: list[str]) -> str:
    """A fact about another person, and about another thing where it names one."""
    person = generator.choice(people)
    if generator.random() < 0.5:
        return generator.choice(TAKES).format(person=person, object=generator.choice(things))
    return generator.choice(MOVES).format(person=person, place=generator.choice(PLACES))


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


def story_pieces(story: Story, sentences: list[str], depths: list[float]) -> list[Piece]:
    """The row's text in order: facts among sentences, then the question, then the answer.

    A piece begins with the space before it: that is where the first token of a word begins.
    """
    pieces: list[Piece] = []
    placed = 0
    for (kind, fact), depth in zip(story.facts, depths, strict=True):
        place = int(depth * (len(sentences) + 1))
        pieces += [Piece("irrelevant", f" {sentence}") for sentence in sentences[placed:place]]
        pieces.append(Piece(kind, f" {fact}"))
        placed = place
    pieces += [Piece("irrelevant", f" {sentence}") for sentence in sentences[placed:]]
    pieces[0] = Piece(pieces[0].kind, pieces[0].text.lstrip())
    return [*pieces, Piece("question", f"\n{story.question}"), Piece("answer", f" {story.answer}")]


def labelled_row(context: BuildContext, pieces: list[Piece]) -> dict:
    """Tokens, labels and token spans of a text made of pieces."""
    ids, offsets = context.tokenizer.encode_with_offsets("".join(piece.text for piece in pieces))
    spans = [{"kind": "start", "start": 0, "end": 1}] if context.beginning else []
    shift = len(context.beginning)
    for kind, start, end in token_spans(pieces, [begin for begin, _ in offsets]):
        if kind == "irrelevant" and spans and spans[-1]["kind"] == kind:
            spans[-1]["end"] = shift + end
        else:
            spans.append({"kind": kind, "start": shift + start, "end": shift + end})
    input_ids = [*context.beginning, *ids]
    answer = spans[-1]
    labels = [IGNORED] * answer["start"] + input_ids[answer["start"] :]
    return {"input_ids": input_ids, "labels": labels, "spans": spans}


def token_spans(pieces: list[Piece], starts: list[int]) -> Iterator[tuple[str, int, int]]:
    """(kind, first token, last token + 1) of every piece, given the first character of every token."""
    end_of_text, token = 0, 0
    for piece in pieces:
        end_of_text += len(piece.text)
        first = token
        while token < len(starts) and starts[token] < end_of_text:
            token += 1
        yield piece.kind, first, token
