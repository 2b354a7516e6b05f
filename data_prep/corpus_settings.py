"""The `corpus` section of the configuration: which text, and how its characters are read."""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings

LineEnds = Literal["lf", "keep"]


class CorpusSettings(Settings):
    """Where the documents come from. The fields are the flags --source, --input and --line-ends."""

    source: Literal["pg19"] = Field("pg19", description="format of the corpus (a module of data_prep.sources)")
    path: str = Field(description="folder of the corpus, relative to the working folder")
    line_ends: LineEnds = Field(
        "lf", description="lf: CRLF and lone CR are read as LF (PG-19 is published with CRLF); keep: as they are"
    )
