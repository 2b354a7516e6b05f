"""A Hugging Face tokenizer.json behind the Tokenizer interface, read by the `tokenizers` library alone.

in : the path of a tokenizer.json (tokenizer_config.json or special_tokens_map.json beside it name BOS and EOS)
out: an object that satisfies contracts.tokenizer.Tokenizer
Invariant: the ids equal those of transformers' AutoTokenizer with add_special_tokens=False and
split_special_tokens=True: text that spells a special token stays text.
"""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from contracts.companion_files import named_token, prefix_scheme, readable_bytes
from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.text_pieces import ACROSS_SPACE, BEFORE_SPACE, SPACE_MARK, pieces_of, words_stand_alone

# The normalizers of tokenizers that came from sentencepiece: spaces become marks, and one may stand before a text.
MARKS = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE_MARK}
PREFIX = {"type": "Prepend", "prepend": SPACE_MARK}
CUTS = [(MARKS, BEFORE_SPACE), ({"type": "Sequence", "normalizers": [PREFIX, MARKS]}, ACROSS_SPACE)]

# Plane 16: characters that no text and no vocabulary has a meaning for.
PRIVATE_USE = range(0x100000, 0x10FFFE)


class HuggingFaceTokenizer:
    """See contracts.tokenizer.Tokenizer; raises InputError where `path` is no tokenizer.json."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = read_tokenizer(path)
        self.scheme = prefix_scheme(path) if self.marks_spaces() else None
        if self.scheme:
            self.tokenizer.normalizer = None
            self.tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=self.scheme, split=False)
        # Text must not become a special token because it spells one.
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.vocab_size = max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        added = self.tokenizer.get_added_tokens_decoder()
        self.special_tokens = {token.content: number for number, token in added.items() if token.special}
        self.names = {number: name for name, number in self.special_tokens.items()}
        self.marked: tuple[tuple[str, ...], tokenizers.Tokenizer] | None = None
        self.bos_id = self.id_of(named_token(path, "bos_token"))
        self.eos_id = self.id_of(named_token(path, "eos_token"))
        self.digest = sha256_file(path)
        # Only byte-level tokenizers write their pieces in that alphabet; others spell them as they are.
        self.bytes_of = byte_alphabet() if isinstance(self.tokenizer.decoder, decoders.ByteLevel) else {}

    def marks_spaces(self) -> bool:
        """Whether spaces become marks, as in tokenizers that came from sentencepiece."""
        if isinstance(self.tokenizer.pre_tokenizer, pre_tokenizers.Metaspace):
            return True
        return self.tokenizer.pre_tokenizer is None and any(normalizer == self.normalizer for normalizer, _ in CUTS)

    @property
    def normalizer(self) -> dict | None:
        """The normalizer as tokenizer.json writes it."""
        return self.tokenizer.normalizer and json.loads(self.tokenizer.normalizer.__getstate__())

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
        if not plain or not all(token.special for token in added):
            return None
        if not words_stand_alone(self.tokenizer.get_vocab(with_added_tokens=False)):
            return None
        if self.scheme:
            return BEFORE_SPACE if self.scheme == "never" else ACROSS_SPACE
        if self.tokenizer.pre_tokenizer:
            return None
        return next((cut for normalizer, cut in CUTS if normalizer == self.normalizer), None)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def encode_pieces(self, pieces: Sequence[str | int]) -> tuple[list[int], list[tuple[int, int]]]:
        texts = "".join(piece if isinstance(piece, str) else "\0" for piece in pieces)
        if any(name in texts for name in self.special_tokens):
            return self.encode_marked(pieces)
        spelled = "".join(piece if isinstance(piece, str) else self.names[piece] for piece in pieces)
        self.tokenizer.encode_special_tokens = False
        try:
            encoding = self.tokenizer.encode(spelled, add_special_tokens=False)
        finally:
            self.tokenizer.encode_special_tokens = True
        return encoding.ids, encoding.offsets

    def encode_marked(self, pieces: Sequence[str | int]) -> tuple[list[int], list[tuple[int, int]]]:
        """The same where a text spells a special token: marks of the same length stand for the real ones."""
        taken = {character for piece in pieces if isinstance(piece, str) for character in piece}
        free = (chr(code) for code in PRIVATE_USE if chr(code) not in taken)
        marks = {token: next(free) * len(name) for token, name in self.names.items()}
        marked = self.tokenizer_with(tuple(marks.values()))
        meant = {marked.token_to_id(mark): token for token, mark in marks.items()}
        text = "".join(piece if isinstance(piece, str) else marks[piece] for piece in pieces)
        encoding = marked.encode(text, add_special_tokens=False)
        # A token that strips covers the spaces around it too.
        seen = {
            place
            for token, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True)
            for place in (range(begin, end) if token in meant else ())
        }
        starts = accumulate(
            (len(piece if isinstance(piece, str) else self.names[piece]) for piece in pieces), initial=0
        )
        as_text = [
            self.names[piece] if isinstance(piece, int) and start not in seen else piece
            for piece, start in zip(pieces, starts, strict=False)
        ]
        if as_text != list(pieces):
            # A special token that is normalized is found only where the normalizer leaves it alone: here it is text.
            return self.encode_marked(as_text)
        return [meant.get(token, token) for token in encoding.ids], encoding.offsets

    def tokenizer_with(self, marks: tuple[str, ...]) -> tokenizers.Tokenizer:
        """A tokenizer that finds these marks as it finds its special tokens, and those as text; kept for the next."""
        if self.marked is None or self.marked[0] != marks:
            tokenizer = tokenizers.Tokenizer.from_str(self.tokenizer.to_str())
            tokenizer.encode_special_tokens = True
            flags = self.tokenizer.get_added_tokens_decoder()
            tokenizer.add_tokens([mark_like(flags[token], mark) for token, mark in zip(self.names, marks, strict=True)])
            self.marked = marks, tokenizer
        return self.marked[1]

    def decode(self, ids: list[int]) -> str:
        # The library itself lets a special token through that its file marks as normalized.
        return self.tokenizer.decode([int(token) for token in ids if int(token) not in self.names])

    def piece(self, token_id: int) -> str:
        name = self.tokenizer.id_to_token(int(token_id))
        if name is None:
            raise IndexError(f"no token has the id {token_id}")
        if self.bytes_of.keys() >= set(name):
            return readable_bytes(bytes(self.bytes_of[character] for character in name))
        return name.replace(SPACE_MARK, " ")


def mark_like(token: AddedToken, mark: str) -> AddedToken:
    """A token that is found in text as `token` is, under another name."""
    return AddedToken(
        mark,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        special=False,
    )


def read_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer of a tokenizer.json; one line where the file is something else."""
    try:
        return tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8-sig"))
    except Exception as error:  # the library raises plain Exception for anything it cannot read
        raise InputError(f"{path}: not a Hugging Face tokenizer.json ({error}); fetch the file again") from None


def byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 bytes are themselves, the 68 others are U+0100 onwards in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + rank): byte for rank, byte in enumerate(others)}
