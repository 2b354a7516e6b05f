"""A Hugging Face tokenizer.json behind the Tokenizer interface, read by the `tokenizers` library alone.

in : the path of a tokenizer.json (tokenizer_config.json or special_tokens_map.json beside it name BOS and EOS)
out: an object that satisfies contracts.tokenizer.Tokenizer
Invariant: the ids equal those of transformers' AutoTokenizer with add_special_tokens=False and
split_special_tokens=True: text that spells a special token stays text.
"""

import json
import re
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import decoders, models

from contracts.companion_files import named_token, readable_bytes
from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.text_pieces import ACROSS_SPACE, BEFORE_SPACE, SPACE_MARK, pieces_of, words_stand_alone

# The normalizers of tokenizers that came from sentencepiece: spaces become marks, and one may stand before a text.
MARKS = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE_MARK}
PREFIX = {"type": "Prepend", "prepend": SPACE_MARK}
CUTS = [(MARKS, BEFORE_SPACE), ({"type": "Sequence", "normalizers": [PREFIX, MARKS]}, ACROSS_SPACE)]


class HuggingFaceTokenizer:
    """See contracts.tokenizer.Tokenizer; raises InputError where `path` is no tokenizer.json."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = read_tokenizer(path)
        # Text must not become a special token because it spells one.
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.vocab_size = max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        added = self.tokenizer.get_added_tokens_decoder()
        self.special_tokens = {token.content: number for number, token in added.items() if token.special}
        self.special_ids = frozenset(self.special_tokens.values())
        self.bos_id = self.id_of(named_token(path, "bos_token"))
        self.eos_id = self.id_of(named_token(path, "eos_token"))
        self.digest = sha256_file(path)
        # Only byte-level tokenizers write their pieces in that alphabet; others spell them as they are.
        self.bytes_of = byte_alphabet() if isinstance(self.tokenizer.decoder, decoders.ByteLevel) else {}

    def id_of(self, token: str | None) -> int | None:
        """The id of a token that the companion files name; None where they name none."""
        return None if token is None else self.tokenizer.token_to_id(token)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_array(self, text: str) -> np.ndarray:
        arrays = [self.encode_piece(piece) for piece in pieces_of(text, self.cut)]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def encode_piece(self, text: str) -> np.ndarray:
        """The ids of a text that is short enough to be encoded at once, int32 [tokens]."""
        # The batch call leaves out the offsets, which cost as much as a fifth of the time.
        return np.array(self.tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids, dtype=np.int32)

    @cached_property
    def cut(self) -> re.Pattern[str] | None:
        """Where long text may be cut without any other id; None: nowhere that is known."""
        model = self.tokenizer.model
        plain = isinstance(model, models.BPE) and not (
            model.dropout or model.ignore_merges or model.continuing_subword_prefix or model.end_of_word_suffix
        )
        added = self.tokenizer.get_added_tokens_decoder().values()
        if not plain or self.tokenizer.pre_tokenizer or not all(token.special for token in added):
            return None
        if not words_stand_alone(self.tokenizer.get_vocab(with_added_tokens=False)):
            return None
        normalizer = self.tokenizer.normalizer and json.loads(self.tokenizer.normalizer.__getstate__())
        return next((cut for known, cut in CUTS if known == normalizer), None)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, ids: list[int]) -> str:
        # The library itself lets a special token through that its file marks as normalized.
        return self.tokenizer.decode([int(token) for token in ids if int(token) not in self.special_ids])

    def piece(self, token_id: int) -> str:
        name = self.tokenizer.id_to_token(int(token_id))
        if name is None:
            raise IndexError(f"no token has the id {token_id}")
        if self.bytes_of.keys() >= set(name):
            return readable_bytes(bytes(self.bytes_of[character] for character in name))
        return name.replace(SPACE_MARK, " ")


def read_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer of a tokenizer.json; one line where the file is something else."""
    try:
        return tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises plain Exception for anything it cannot read
        raise InputError(f"{path}: not a Hugging Face tokenizer.json ({error}); fetch the file again") from None


def byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 bytes are themselves, the 68 others are U+0100 onwards in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + rank): byte for rank, byte in enumerate(others)}
