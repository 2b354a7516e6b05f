"""The `pack` section of the configuration: the rows that a model trains on."""

from typing import Literal

from pydantic import Field, model_validator

from contracts.settings import Settings

# A row is held in memory whole and counted in 32 bits: 2^27 tokens are half a gigabyte, 128 times a million.
MOST_LENGTH = 1 << 27


class PackSettings(Settings):
    """How tokenized documents fill rows of one length."""

    length: int = Field(ge=2, le=MOST_LENGTH, description="tokens per row")
    alignment: int = Field(
        1,
        ge=1,
        description="tokens; every segment is padded to a multiple of it (lcm of 2 x context parallel size and "
        "context x tensor parallel size)",
    )
    mode: Literal["concat", "best-fit", "truncate"] = Field(
        "concat",
        description="concat: cut documents longer than a row into rows and pack the tails together by best fit; "
        "no token is lost. best-fit: the same, and supervised samples stay whole (one longer than a row is dropped "
        "and counted). truncate: the first row of each document, in their order; shorter documents are dropped",
    )
    block_diagonal: bool = Field(
        True,
        description="true: each document of a row is a segment that attends to itself only; false: one segment per row",
    )
    rows: int | None = Field(None, ge=1, description="rows to keep at most; null: all")
    shuffle_seed: int | None = Field(
        0, description="seed of the order of the rows; null: rows in the order of the documents, tails last"
    )

    @model_validator(mode="after")
    def length_is_aligned(self) -> "PackSettings":
        """A row is a whole number of alignments, or it could not be tiled by segments."""
        if self.length % self.alignment:
            below = self.length // self.alignment * self.alignment
            raise ValueError(
                f"length {self.length} is not a multiple of alignment {self.alignment}; "
                f"take {below + self.alignment}" + (f" or {below}" if below >= 2 else "")
            )
        return self
