"""What the settings of every benchmark share: which tasks, at which lengths.

A field that bears the name of a task is that task's own sub-section (see eval.cells).
"""

from pydantic import Field, PositiveInt

from contracts.settings import Settings


class BenchmarkSettings(Settings):
    """Base of a benchmark's settings; each adds `tasks` (a tuple of its tasks' names, all of them by default)."""

    lengths: tuple[PositiveInt, ...] | None = Field(
        None, min_length=1, description="sample lengths of this benchmark (tokens); null: those of eval.lengths"
    )


class GovReportSettings(Settings):
    """The first long reports of the file, each cut to its beginning."""

    samples: int = Field(50, ge=1, description="reports (count); fewer where the file has fewer long ones")
    least_tokens: int = Field(
        16384,
        ge=1,
        description="shortest report that is taken (tokens of eval.data.reference_tokenizer, or the models')",
    )
