"""The `tokenize` section of the configuration: what surrounds a document's tokens, and the size of a shard."""

from pydantic import Field

from contracts.settings import Settings


class TokenizeSettings(Settings):
    """How documents become tokens. The number of workers is no setting: it never changes a byte."""

    bos: bool = Field(False, description="put the tokenizer's BOS before every document")
    eos: bool = Field(True, description="put the tokenizer's EOS after every document")
    shard_megabytes: int = Field(
        32, ge=1, description="megabytes (10^6 bytes) of source text per tokens file, in whole documents"
    )
