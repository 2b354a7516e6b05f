"""Tiktoken ranks (Llama 3's tokenizer.model: lines `base64 rank`) behind the Tokenizer interface.

in : the path of a ranks file (tokenizer_config.json beside it may name BOS and EOS)
out: an object that satisfies contracts.tokenizer.Tokenizer
Invariants: the ids are those of the tiktoken library with Llama 3's pattern; the 256 special tokens follow the
ranks, under the names of Llama 3.1, and never come out of text.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tiktoken

from contracts.companion_files import named_token, readable_bytes
from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.text_pieces import encode_runs

# How Llama 3 cuts text into words before it merges bytes (published with its tokenizer.model).
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
SPECIAL_COUNT = 256
# Llama 3.1's names by their place after the ranks; the others are reserved, numbered in order.
SPECIAL_NAMES = {
    0: "<|begin_of_text|>",
    1: "<|end_of_text|>",
    4: "<|finetune_right_pad_id|>",
    6: "<|start_header_id|>",
    7: "<|end_header_id|>",
    8: "<|eom_id|>",
    9: "<|eot_id|>",
    10: "<|python_tag|>",
}
RANKS_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
# The library's regular expressions overflow their stack on about a million spaces; Llama 3's own code parts there too.
LONGEST_BLANK = 25_000
BLANKS = re.compile(rf"\s{{{LONGEST_BLANK}}}(?=\s)")


class TiktokenTokenizer:
    """See contracts.tokenizer.Tokenizer; raises InputError where `path` holds no ranks."""

    def __init__(self, path: Path) -> None:
        ranks = read_ranks(path)
        self.special_tokens = special_tokens(len(ranks))
        self.encoding = tiktoken.Encoding(
            path.stem, pat_str=LLAMA3_PATTERN, mergeable_ranks=ranks, special_tokens=self.special_tokens
        )
        self.names = {token: name for name, token in self.special_tokens.items()}
        self.vocab_size = len(ranks) + SPECIAL_COUNT
        self.bos_id = self.id_of(named_token(path, "bos_token") or "<|begin_of_text|>", path)
        self.eos_id = self.id_of(named_token(path, "eos_token") or "<|end_of_text|>", path)
        self.digest = sha256_file(path)

    def id_of(self, name: str, path: Path) -> int:
        """The id of a special token that tokenizer_config.json names."""
        if name not in self.special_tokens:
            raise InputError(
                f"{path}: tokenizer_config.json names {name}, which is no special token of Llama 3; fix it"
            )
        return self.special_tokens[name]

    def encode(self, text: str) -> list[int]:
        parts = parted(text)
        if len(parts) == 1:
            return self.encoding.encode_ordinary(text)
        return [token for part in parts for token in self.encoding.encode_ordinary(part)]

    def encode_array(self, text: str) -> np.ndarray:
        arrays = [self.encoding.encode_to_numpy(part, disallowed_special=()) for part in parted(text)]
        return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays)).view(np.int32)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        ids = self.encode(text)
        ends = np.cumsum([len(piece) for piece in self.encoding.decode_tokens_bytes(ids)], dtype=np.int64)
        content = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
        # A byte 10xxxxxx goes on with a character; every other byte begins one.
        character = np.cumsum((content & 0xC0) != 0x80) - 1
        begins = np.concatenate([[0], ends[:-1]]).astype(np.int64) if ids else ends
        return ids, list(zip(character[begins].tolist(), (character[ends - 1] + 1).tolist(), strict=True))

    def encode_pieces(self, pieces: Sequence[str | int]) -> tuple[list[int], list[tuple[int, int]]]:
        return encode_runs(pieces, self.names, lambda text, _: self.encode_with_offsets(text))

    def decode(self, ids: list[int]) -> str:
        return self.encoding.decode([int(token) for token in ids if int(token) not in self.names])

    def piece(self, token_id: int) -> str:
        if token_id in self.names:
            return self.names[token_id]
        try:
            return readable_bytes(self.encoding.decode_single_token_bytes(int(token_id)))
        except KeyError:
            raise IndexError(f"no token has the id {token_id}") from None


def is_ranks_file(path: Path) -> bool:
    """Whether a file begins like tiktoken ranks: a line of base64, a space and a number."""
    with open(path, "rb") as handle:
        return RANKS_LINE.match(handle.read(1000)) is not None


def read_ranks(path: Path) -> dict[bytes, int]:
    """{bytes of a token: its rank}; InputError names the line that is something else."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise InputError(f"{path} line {number}: not `base64 rank`; fetch the file again") from None
    if sorted(ranks.values()) != list(range(len(ranks))) or not all(bytes([byte]) in ranks for byte in range(256)):
        raise InputError(f"{path}: ranks or single bytes are missing; fetch the file again")
    return ranks


def special_tokens(first: int) -> dict[str, int]:
    """{name: id} of Llama 3's special tokens, whose ids begin with `first`."""
    reserved = (f"<|reserved_special_token_{number}|>" for number in range(SPECIAL_COUNT))
    return {SPECIAL_NAMES.get(place) or next(reserved): first + place for place in range(SPECIAL_COUNT)}


def parted(text: str) -> list[str]:
    """`text` in parts that the library can take: cut inside runs of more than LONGEST_BLANK whitespace characters."""
    # Such a run fills a whole block of half its length; looking at blocks costs nothing beside the regular expression.
    block = LONGEST_BLANK // 2
    if not any(text[begin : begin + block].isspace() for begin in range(0, len(text) - block, block)):
        return [text]
    cuts = [blank.end() for blank in BLANKS.finditer(text)]
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
