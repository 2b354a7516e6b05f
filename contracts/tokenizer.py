"""The tokenizer as every room sees it: one interface over the file formats that models come with.

in : a folder (tokenizer.model and/or tokenizer.json), a tokenizer.model (sentencepiece, or tiktoken ranks as Llama 3
     has them: told apart by what the file holds), or a tokenizer.json
out: a Tokenizer; `load_tokenizer(path)` is the only way to one
Invariants: text never turns into a special token, whatever it spells (a book that contains "</s>" is a
book); nothing adds BOS or EOS but the caller; `digest` names the bytes that the ids depend on.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from contracts.errors import InputError
from contracts.huggingface_tokenizer import HuggingFaceTokenizer
from contracts.sentencepiece_tokenizer import SentencePieceTokenizer
from contracts.tiktoken_tokenizer import TiktokenTokenizer, is_ranks_file

# In the order of preference where a folder has several: the ids are those of the first one found.
VOCABULARY_FILES = ("tokenizer.model", "tokenizer.json")
COMPANION_FILES = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


class Tokenizer(Protocol):
    """Text to token ids and back. Ids are in [0, vocab_size); spans are half-open, in characters."""

    vocab_size: int
    bos_id: int | None
    eos_id: int | None
    digest: str
    special_tokens: Mapping[str, int]
    names: Mapping[int, str]  # of the special tokens

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, and nothing else: no BOS, no EOS, no special token."""

    def encode_array(self, text: str) -> np.ndarray:
        """The same ids as `encode`, as int32 [tokens]: no list is made, for whole books."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, equal to `encode` of each."""

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids, and for each the characters of `text` that it spells (for a byte: its whole character)."""

    def encode_pieces(self, pieces: Sequence[str | int]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text in pieces, the special tokens in it given as their ids; and offsets as above.

        The ids are those that transformers gives to the text with the special tokens spelled out; other text stays
        text, whatever it spells. Offsets count characters of that spelled text.
        """

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; special tokens leave no trace, bytes that are no UTF-8 become U+FFFD."""

    def piece(self, token_id: int) -> str:
        """One token for people to read: a space is a space, a byte is <0xHH>, a special token its name."""


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer in `path`: a folder, a sentencepiece model, tiktoken ranks, or a tokenizer.json.

    Raises InputError where there is none, or where its file is broken.
    """
    file = vocabulary_file(Path(path))
    if file.suffix == ".json":
        return HuggingFaceTokenizer(file)
    if is_ranks_file(file):
        return TiktokenTokenizer(file)
    return SentencePieceTokenizer(file)


def vocabulary_file(path: Path) -> Path:
    """The file that the ids depend on: `path` itself, or the preferred one of the folder."""
    if path.is_dir():
        for name in VOCABULARY_FILES:
            if (path / name).is_file():
                return path / name
        raise InputError(f"{path}: no tokenizer here; put {' or '.join(VOCABULARY_FILES)} into this folder")
    if not path.is_file():
        raise InputError(f"{path}: no such tokenizer; name a folder, a tokenizer.model or a tokenizer.json")
    return path


def tokenizer_files(path: str | Path) -> list[Path]:
    """Every file that belongs to the tokenizer in `path`: the vocabularies and their companions."""
    file = vocabulary_file(Path(path))
    if Path(path).is_dir():
        names = (*VOCABULARY_FILES, *COMPANION_FILES)
    else:
        names = (file.name, *(COMPANION_FILES if file.suffix == ".json" else ()))
    return [file.parent / name for name in names if (file.parent / name).is_file()]


def copy_tokenizer(path: str | Path, folder: str | Path) -> list[Path]:
    """Copy the tokenizer in `path` into `folder` under the names that transformers looks for."""
    vocabulary = vocabulary_file(Path(path))
    standard = "tokenizer.json" if vocabulary.suffix == ".json" else "tokenizer.model"
    copies = []
    for file in tokenizer_files(path):
        copies.append(Path(folder) / (standard if file == vocabulary else file.name))
        shutil.copyfile(file, copies[-1])
    return copies
