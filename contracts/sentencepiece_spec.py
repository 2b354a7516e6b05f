"""What a sentencepiece model does to a text before it cuts it up: the flags of its own file.

in : the bytes of a model (a protobuf message, sentencepiece_model.proto)      out: SentencePieceSpec
The library does not tell these flags; the message is walked, its pieces are passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Field numbers of sentencepiece_model.proto.
TRAINER_SPEC, NORMALIZER_SPEC = 2, 3
MODEL_TYPE, SPACE_AS_SUFFIX = 3, 24
CHARSMAP, DUMMY_PREFIX, REMOVE_SPACES, ESCAPE_SPACES = 2, 3, 4, 5
BPE = 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


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
