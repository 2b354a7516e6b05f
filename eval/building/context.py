"""What a task's builder is given and what it gives back; one random generator per sample; who counts tokens.

Invariant: sample `index` of (benchmark, task, length) is the same whatever other tasks, lengths or samples are asked
for, and whatever ran before; no code here touches the global generators.
The published numbers count and cut documents in tokens of Llama 2, so that models with tokenizers of their own read the
same text. That tokenizer is `eval.data.reference_tokenizer`; where none is given, the models' own counts, and
`counted_by` says so in the samples' manifest.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from contracts.errors import InputError
from contracts.fingerprint import sha256_value
from contracts.manifest import describe_files
from contracts.tokenizer import Tokenizer, load_tokenizer
from eval.benchmarks.settings import BenchmarkSettings
from eval.building.books import Book, describe_books, read_books
from eval.settings import EvalSettings


@dataclass(frozen=True)
class BuildContext:
    """One cell to build: `length` in tokens, settings, and where texts and models lie.

    `data_paths` are the files by their keys in `eval.data`, and books, train_tokens and evaluator.
    """

    benchmark: str
    task: str
    length: int
    tokenizer: Tokenizer
    settings: EvalSettings
    data_paths: dict[str, str] = field(default_factory=dict)
    split: str = "test"
    tokenizer_path: str | None = None
    device: str = "auto"

    @property
    def options(self) -> BenchmarkSettings:
        """The settings of the cell's benchmark; InputError where the settings leave it out."""
        options = getattr(self.settings.benchmarks, self.benchmark)
        if options is None:
            raise InputError(f"the settings have no benchmarks.{self.benchmark}; add it ({{}} takes the defaults)")
        return options

    def has(self, key: str) -> bool:
        """Whether a file or folder was given for `key`."""
        return key in self.data_paths

    def data(self, key: str) -> Path:
        """The file or folder given for `key`; InputError where none was, or nothing is there."""
        if key not in self.data_paths:
            raise InputError(
                f"task {self.task} of {self.benchmark} needs {key}; add --data {key}=PATH (eval.data.{key} in a "
                "configuration)"
            )
        path = Path(self.data_paths[key])
        if not path.exists():
            raise InputError(f"{key}: nothing at {path}; correct --data {key}=PATH (eval.data.{key})")
        return path

    def describe(self, key: str) -> dict:
        """{file: {sha256, bytes}} of the file or folder given for `key`, for the manifest."""
        path = self.data(key)
        return describe_files(sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])

    @cached_property
    def books(self) -> list[Book]:
        """The held-back books; InputError where the command named no folder."""
        return read_books(self.data("books"), self.split)

    def describe_books(self) -> dict:
        """{file: {sha256, bytes}} of the books, for the manifest."""
        return describe_books(self.data("books"), self.split)

    def generator(self, *parts: int | str) -> Random:
        """The generator of one sample of this cell."""
        return sample_generator(self.settings.seed, self.benchmark, self.task, self.length, *parts)

    @property
    def beginning(self) -> list[int]:
        """The tokens that every row starts with: BOS where the settings ask for it, else none."""
        if not self.settings.begin_with_bos:
            return []
        if self.tokenizer.bos_id is None:
            raise InputError("begin_with_bos: the tokenizer has no BOS token; set it to false")
        return [self.tokenizer.bos_id]


@dataclass(frozen=True)
class Built:
    """The rows of a cell, numbers about them for the manifest, and digests of what they were made from."""

    rows: list[dict]
    facts: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)


def sample_generator(seed: int, *parts: int | str) -> Random:
    """A generator of its own for (seed, parts...), the same on every machine."""
    return Random(int(sha256_value([seed, *parts]), 16))


REFERENCE = "reference_tokenizer"


def reference_tokenizer(context: BuildContext) -> Tokenizer:
    """The tokenizer that is given, else the models' own."""
    return load_tokenizer(context.data(REFERENCE)) if context.has(REFERENCE) else context.tokenizer


def counted_by(context: BuildContext) -> str:
    """What counted, for the manifest and the protocol of a number."""
    if not context.has(REFERENCE):
        return "the models' own tokenizer"
    return f"{REFERENCE} {reference_tokenizer(context).digest[:16]}"
