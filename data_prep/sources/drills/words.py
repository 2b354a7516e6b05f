"""The words that drills are made of.

Names, things and places hold those of the multi-hop probe and of bAbI; wording of needles is RULER's (NVIDIA/RULER,
Apache-2.0), wording of questions the probe's: what is trained here is asked there.
"""

from functools import cache
from importlib import resources


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


PEOPLE = words(
    "Alice Bruno Clara Edgar Fiona Hugo Irene Oscar Mary John Daniel Sandra Julia Peter Emma Frank Helen Martin Laura "
    "Simon Rosa Victor Nina Walter Agnes Felix Greta Leon Ruth Tom Vera Max"
)
THINGS = words(
    "lamp coat letter basket hammer mirror violin kettle apple football milk book key ring clock candle bottle rope "
    "spoon blanket shovel umbrella pipe hat map needle drum ladder cup coin brush bell"
)
PLACES = words(
    "kitchen garden cellar library stable attic hallway workshop bathroom bedroom office forest market station church "
    "school harbour tower bridge bakery theatre museum meadow village castle mill beach temple prison chapel park "
    "hospital"
)
TAKES = (
    "{person} picked up the {thing}.",
    "{person} took the {thing}.",
    "{person} got the {thing}.",
    "{person} grabbed the {thing}.",
)
MOVES = (
    "{person} walked to the {place}.",
    "{person} moved to the {place}.",
    "{person} went back to the {place}.",
    "{person} went to the {place}.",
    "{person} journeyed to the {place}.",
    "{person} travelled to the {place}.",
)
DROPS = ("{person} dropped the {thing}.", "{person} put down the {thing}.", "{person} left the {thing}.")

QUESTIONS = {
    1: "Where is {person}?",
    2: "Where is the {thing}?",
    3: "Where was the {thing} before the {last_place}?",
    4: "Where was the {thing} before the place where it was dropped?",
}
INSTRUCTION = (
    "Some sentences of the text above tell who took or dropped which thing and who went where. Use only those "
    "sentences.\nA thing goes wherever the person who holds it goes. {form}"
)
PLACE_ALONE = "Answer with the place alone."
NAME_THE_CHAIN = "Answer with the sentences that lead to the place."

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
NEEDLE = "One of the special magic numbers for {key} is: {value}."
HIDDEN_ONE = (
    "A special magic number is hidden within the following text. Make sure to memorize it. I will quiz you about the "
    "number afterwards.\n"
)
HIDDEN_MORE = (
    "Some special magic numbers are hidden within the following text. Make sure to memorize it. I will quiz you about "
    "the numbers afterwards.\n"
)
ASKED = (
    "\nWhat is the special magic number for {key} mentioned in the provided text? The special magic number for {key} "
    "mentioned in the provided text is"
)


@cache
def words_of(kind: str) -> tuple[str, ...]:
    """The `adjective`s or `noun`s of the wonderwords package, which RULER's keys are made of."""
    text = resources.files("wonderwords").joinpath(f"assets/{kind}list.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())
