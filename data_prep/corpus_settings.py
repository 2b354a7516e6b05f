"""The `corpus` section of the configuration: which text, how it is read, what becomes of bad records."""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings
from data_prep.drill_settings import DrillSettings

LineEnds = Literal["lf", "keep"]
SourceName = Literal["pg19", "text", "longmit", "longalpaca", "drills"]


class CorpusSettings(Settings):
    """Where the documents come from. Each field is also a flag of the commands that read a corpus."""

    source: SourceName = Field("pg19", description="format of the corpus (a module of data_prep.sources)")
    path: str = Field(description="folder or file of the corpus, relative to the working folder")
    line_ends: LineEnds = Field(
        "lf", description="lf: CRLF and lone CR are read as LF (PG-19 is published with CRLF); keep: as they are"
    )
    text_field: str = Field("text", description="source text: the field of a record (.jsonl, .parquet) with its text")
    id_field: str = Field(
        "id", description="the field of a record with its id; a record without it is named file:number"
    )
    on_bad_record: Literal["stop", "quarantine"] = Field(
        "stop",
        description="stop: the first record that cannot be read ends the run in one line; quarantine: it goes to "
        "quarantine.jsonl with its reason and is counted",
    )
    max_record_megabytes: int = Field(
        64, ge=1, description="megabytes (10^6 bytes) of the longest record; it is held in memory whole"
    )

    drills: DrillSettings | None = Field(
        None,
        description="source drills: the samples that are generated between the sentences of `path`, a PG-19 folder",
    )

    def decisive(self) -> dict:
        """What the bytes of the output depend on: all but the place."""
        return self.model_dump(exclude={"path"})
