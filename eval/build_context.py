"""What a task's builder is given, and what it gives back."""

from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.books import Book, describe_books, read_books
from eval.seeds import sample_generator
from eval.settings import EvalSettings


@dataclass(frozen=True)
class BuildContext:
    """One cell to build: `length` in tokens, settings, and where the texts and models are."""

    task: str
    length: int
    tokenizer: Tokenizer
    settings: EvalSettings
    books_folder: str | None = None
    split: str = "test"
    evaluator: str | None = None
    train_tokens: str | None = None
    device: str = "auto"

    @cached_property
    def books(self) -> list[Book]:
        """The held-back books; InputError where the command named no folder."""
        return read_books(self.required_books_folder, self.split)

    @property
    def required_books_folder(self) -> str:
        """The folder of the books; InputError where the command named none."""
        if self.books_folder is None:
            raise InputError(f"task {self.task} needs held-back books; add --books FOLDER (and --split)")
        return self.books_folder

    def describe_books(self) -> dict:
        """{file: {sha256, bytes}} of the books, for the manifest."""
        return describe_books(self.required_books_folder, self.split)

    def generator(self, *parts: int | str) -> Random:
        """The generator of one sample of this cell."""
        return sample_generator(self.settings.seed, self.task, self.length, *parts)

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
