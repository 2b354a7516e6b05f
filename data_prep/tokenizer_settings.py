"""The `tokenizer` section of the configuration: train one here, or take a given one."""

from pydantic import Field

from contracts.settings import Settings


class TokenizerSettings(Settings):
    """A sentencepiece BPE vocabulary trained on the corpus, unless `path` names a tokenizer."""

    path: str | None = Field(
        None, description="a given tokenizer (folder, .model or tokenizer.json); null: train one on the corpus"
    )
    split: str = Field("train", description="the split of the corpus to train on")
    vocab_size: int = Field(
        32768, ge=360, description="tokens, with 256 bytes and 3 special tokens (only when trained here)"
    )
    character_coverage: float = Field(
        0.9995, gt=0.9, le=1.0, description="share of the text's characters that get a token; others become bytes"
    )
    max_piece_length: int = Field(16, ge=1, le=256, description="characters of the longest token")
    training_characters: int | None = Field(
        200_000_000,
        ge=1,
        description="characters to train on at most, in whole documents spread over the corpus; null: all of it",
    )
