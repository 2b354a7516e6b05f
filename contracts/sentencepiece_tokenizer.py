"""A sentencepiece model (.model) behind the Tokenizer interface.

in : the path of a sentencepiece model, BPE or unigram      out: an object that satisfies contracts.tokenizer.Tokenizer
Invariant: the ids are sentencepiece's own; control pieces such as <s> never come out of text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import sentencepiece

from contracts.companion_files import prefix_scheme
from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.text_pieces import ACROSS_SPACE, BEFORE_SPACE, SPACE_MARK, encode_runs, pieces_of, words_stand_alone


class SentencePieceTokenizer:
    """See contracts.tokenizer.Tokenizer; raises InputError where `path` is no sentencepiece model."""

    def __init__(self, path: Path) -> None:
        self.processor = read_model(path)
        self.vocab_size = self.processor.vocab_size()
        self.bos_id = id_or_none(self.processor.bos_id())
        self.eos_id = id_or_none(self.processor.eos_id())
        self.digest = sha256_file(path)
        self.scheme = prefix_scheme(path)
        self.special_tokens = {
            self.processor.id_to_piece(token): token
            for token in range(self.vocab_size)
            if self.processor.is_control(token) or self.processor.is_unknown(token)
        }
        self.names = {token: name for name, token in self.special_tokens.items()}

    def encode(self, text: str) -> list[int]:
        return self.processor.encode(text)

    def encode_array(self, text: str) -> np.ndarray:
        pieces = pieces_of(text, self.cut)
        arrays = [np.asarray(self.processor.encode(piece, return_type="numpy"), dtype=np.int32) for piece in pieces]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    @cached_property
    def cut(self) -> re.Pattern[str] | None:
        """Where long text may be cut without any other id; None: nowhere (unigram models, charsmaps)."""
        spec = SentencePieceSpec.from_bytes(self.processor.serialized_model_proto())
        tokens = range(self.vocab_size)
        # An unused piece is split again as some other place of the text split it: then nothing stands alone.
        if not spec.is_bpe or not spec.keeps_characters or any(map(self.processor.is_unused, tokens)):
            return None
        if not words_stand_alone(map(self.processor.id_to_piece, tokens)):
            return None
        return ACROSS_SPACE if spec.dummy_prefix else BEFORE_SPACE

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return self.processor.encode(texts, num_threads=1) if texts else []

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        mapping = self.processor.encode(text, return_type="offset_mapping")
        return mapping["ids"], self.widen_bytes(mapping["ids"], mapping["offsets"])

    def encode_pieces(self, pieces: Sequence[str | int]) -> tuple[list[int], list[tuple[int, int]]]:
        return encode_runs(pieces, self.names, self.encode_run)

    def encode_run(self, text: str, is_first: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids and offsets of a text between special tokens, with or without a space mark before it."""
        if self.scheme is None or not text:
            return self.encode_with_offsets(text)
        marked = self.scheme == "always" or (self.scheme == "first" and is_first)
        if marked and not text.startswith((" ", SPACE_MARK)):
            return self.encode_with_offsets(text)
        mapping = self.unmarked.encode(text, return_type="offset_mapping")
        return mapping["ids"], self.widen_bytes(mapping["ids"], mapping["offsets"])

    @cached_property
    def unmarked(self) -> sentencepiece.SentencePieceProcessor:
        """The same model without the space mark before a text."""
        return sentencepiece.SentencePieceProcessor(
            model_proto=self.processor.serialized_model_proto() + NO_DUMMY_PREFIX
        )

    def widen_bytes(self, ids: list[int], offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Give every byte of a character the character's span; sentencepiece gives it to the last byte only."""
        widened = list(offsets)
        for index in range(len(ids) - 2, -1, -1):
            begin, end = widened[index]
            if begin == end and self.processor.is_byte(ids[index]):
                widened[index] = (begin, widened[index + 1][1])
        return widened

    def decode(self, ids: list[int]) -> str:
        return self.processor.decode([int(token) for token in ids])

    def piece(self, token_id: int) -> str:
        return self.processor.id_to_piece(int(token_id)).replace(SPACE_MARK, " ")


def read_model(path: Path) -> sentencepiece.SentencePieceProcessor:
    """The sentencepiece processor of a model file; one line where the file is something else."""
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError):
        raise InputError(
            f"{path}: not a sentencepiece model and not tiktoken ranks; name a tokenizer.model or a tokenizer.json"
        ) from None


def id_or_none(token_id: int) -> int | None:
    """sentencepiece says -1 for a special token that the model does not have."""
    return token_id if token_id >= 0 else None


# Field numbers of sentencepiece_model.proto. The library does not tell these flags; its message is walked.
TRAINER_SPEC, NORMALIZER_SPEC = 2, 3
MODEL_TYPE, SPACE_AS_SUFFIX = 3, 24
CHARSMAP, DUMMY_PREFIX, REMOVE_SPACES, ESCAPE_SPACES = 2, 3, 4, 5
BPE = 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# normalizer_spec { add_dummy_prefix: false }: protobuf merges what comes later into what was said before.
NO_DUMMY_PREFIX = bytes([NORMALIZER_SPEC << 3 | BYTES, 2, DUMMY_PREFIX << 3 | VARINT, 0])


@dataclass(frozen=True)
class SentencePieceSpec:
    """The flags that decide how text and pieces hang together."""

    is_bpe: bool
    keeps_characters: bool  # none is replaced, no space removed; a space is a mark, at the beginning of its piece
    dummy_prefix: bool  # a space mark is put before every text

    @classmethod
    def from_bytes(cls, model: bytes) -> "SentencePieceSpec":
        """Of a model that the library has read; absent flags have the defaults of the format."""
        parts = dict(fields(model, {TRAINER_SPEC, NORMALIZER_SPEC}))
        trainer = dict(fields(parts.get(TRAINER_SPEC, b"")))
        normalizer = dict(fields(parts.get(NORMALIZER_SPEC, b"")))
        kept = (
            not normalizer.get(CHARSMAP) and not normalizer.get(REMOVE_SPACES, 1) and normalizer.get(ESCAPE_SPACES, 1)
        )
        return cls(
            is_bpe=trainer.get(MODEL_TYPE) == BPE,
            keeps_characters=bool(kept) and not trainer.get(SPACE_AS_SUFFIX, 0),
            dummy_prefix=bool(normalizer.get(DUMMY_PREFIX, 1)),
        )


def fields(message: bytes, wanted: set[int] | None = None) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of the fields of a protobuf message; of all of them, or of the wanted ones."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = varint(message, place)
        else:
            size, place = varint(message, place) if kind == BYTES else ({FIXED64: 8, FIXED32: 4}[kind], place)
            value, place = message[place : place + size], place + size
        if wanted is None or number in wanted:
            yield number, value


def varint(message: bytes, place: int) -> tuple[int, int]:
    """(value, the place behind it) of a number in seven-bit groups, the lowest first."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
