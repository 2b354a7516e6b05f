"""The `corpus.drills` section of the configuration: generated samples that teach a small model to retrieve."""

from typing import Annotated

from pydantic import Field, model_validator

from contracts.settings import Settings

KINDS = ("echoes", "pairs", "repeats", "needles", "stories", "books")


class DrillSettings(Settings):
    """How many samples are generated, how long they are, and what they are made of."""

    samples: int = Field(1000, ge=1, description="samples of the split train (count)")
    validation_samples: int = Field(100, ge=1, description="samples of the split validation (count)")
    characters_min: int = Field(150, ge=20, description="length of the shortest sample (characters)")
    characters_max: int = Field(
        1500,
        ge=20,
        description="length of the longest sample (characters); short and long ones have as many characters in all",
    )
    echoes: float = Field(0.0, ge=0, description="share of samples of echoes, a b a, to begin with (a weight)")
    pairs: float = Field(
        0.0, ge=0, description="share of samples of pairs a b, in which b is to follow a again (a weight)"
    )
    backward: float = Field(
        0.0, ge=0, le=1, description="share of questions about a pair that give b and ask for a; late: it delays pairs"
    )
    repeats: float = Field(
        1.0, ge=0, description="share of samples in which stretches of words come again at random distances (a weight)"
    )
    needles: float = Field(1.0, ge=0, description="share of samples that hide numbers, in RULER's words (a weight)")
    stories: float = Field(1.0, ge=0, description="share of stories of persons, things and places (a weight)")
    books: float = Field(1.0, ge=0, description="share of passages of the books, learned as a whole (a weight)")
    hops: tuple[int, ...] = Field((1, 2, 3, 4), min_length=1, description="facts that a story's question rests on")
    chains_max: int = Field(5, ge=1, description="most chains of facts in a story, each with a question (count)")
    others_max: int = Field(4, ge=0, description="most facts of a story that no question rests on (count)")
    direct: float = Field(
        0.3, ge=0, le=1, description="share of stories whose answer is the place alone; the others name the chain"
    )
    instruction: bool = Field(
        True, description="tell before a story's questions how to answer; false: for samples too short for it"
    )
    noise: float = Field(
        0.5, ge=0, le=1, description="share of needle samples hidden in RULER's noise; the others lie among sentences"
    )
    needles_max: int = Field(4, ge=1, description="most needles in a sample, each with a question (count)")
    held_out: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = Field(
        (),
        description="stories and needle values that are never drawn, those of a test: the first 16 hexadecimal digits "
        "of the SHA-256 of a value, or of a story's facts and question, a line each",
    )
    seed: int = Field(0, description="decides every sample")

    @model_validator(mode="after")
    def something_is_drawn(self) -> "DrillSettings":
        """Ranges are in order, hops are those that a story can have, and some kind has a weight."""
        if self.characters_min > self.characters_max:
            raise ValueError("characters_min is above characters_max; swap them")
        if not set(self.hops) <= {1, 2, 3, 4}:
            raise ValueError("hops: a question rests on 1, 2, 3 or 4 facts")
        if not any(getattr(self, kind) for kind in KINDS):
            raise ValueError(f"no kind of sample has a weight; give one of {', '.join(KINDS)}")
        return self
