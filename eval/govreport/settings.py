"""Which reports are measured: the sub-section `govreport` of perplexity and of longppl."""

from pydantic import Field

from contracts.settings import Settings


class GovReportSettings(Settings):
    """The first long reports of the file, each cut to its beginning."""

    samples: int = Field(50, ge=1, description="reports (count); fewer where the file has fewer long ones")
    least_tokens: int = Field(
        16384,
        ge=1,
        description="shortest report that is taken (tokens of eval.data.reference_tokenizer, or the models')",
    )
