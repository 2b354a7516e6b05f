"""The `tokenize` section of the configuration: what surrounds a document's tokens, which samples are kept, shards."""

from pydantic import Field, model_validator

from contracts.settings import Settings


class SampleSettings(Settings):
    """Which supervised samples are kept, and how they become a conversation (LongMIT, LongAlpaca)."""

    min_tokens: int = Field(16_384, ge=1, description="tokens of the shortest sample that is kept, template included")
    max_tokens: int = Field(131_072, ge=1, description="tokens of the longest sample that is kept, template included")
    min_evidence: int = Field(2, ge=0, description="fewest supporting passages of a sample, where they are known")
    max_evidence: int = Field(6, ge=0, description="most supporting passages of a sample, where they are known")
    languages: tuple[str, ...] = Field(
        ("en",), description="languages that are kept, where a record names its own; empty: all"
    )
    chat_template: str | None = Field(
        None, description="file with the target model's chat template (Jinja); null: the one beside the tokenizer"
    )
    template_date: str = Field(
        "2024-07-26",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="the day (year-month-day) for a template that asks for today's",
    )

    @model_validator(mode="after")
    def ranges_are_not_empty(self) -> "SampleSettings":
        """The least is at most the most."""
        for least, most in (("min_tokens", "max_tokens"), ("min_evidence", "max_evidence")):
            if getattr(self, least) > getattr(self, most):
                raise ValueError(f"{least} {getattr(self, least)} is above {most} {getattr(self, most)}")
        return self


class TokenizeSettings(Settings):
    """How documents become tokens. The number of workers is no setting: it never changes a byte."""

    bos: bool = Field(False, description="put the tokenizer's BOS before every document")
    eos: bool = Field(True, description="put the tokenizer's EOS after every document")
    shard_megabytes: int = Field(
        32, ge=1, description="megabytes (10^6 bytes) of source text per tokens file, in whole documents"
    )
    samples: SampleSettings = Field(
        default_factory=SampleSettings, description="which samples are kept, and their chat template"
    )
