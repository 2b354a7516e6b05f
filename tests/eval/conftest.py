"""A small tokenizer, tiny random models and a folder of books, made once per session."""

import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from contracts.tokenizer import load_tokenizer
from eval.building.context import BuildContext
from eval.settings import EvalSettings

BOOK = Path(__file__).parents[2] / "resources" / "pg19" / "test" / "860.txt"
VOCABULARY = 512


@pytest.fixture(scope="session")
def book_text() -> str:
    """The start of a whole book of the repository, LF line ends."""
    return BOOK.read_bytes().decode().replace("\r\n", "\n")[:60_000]


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory, book_text) -> Path:
    """A sentencepiece tokenizer of 512 pieces with every byte as a fallback."""
    folder = tmp_path_factory.mktemp("tokenizer")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in book_text.split("\n") if line),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder):
    """The tokenizer of `tokenizer_folder`."""
    return load_tokenizer(tokenizer_folder)


@pytest.fixture(scope="session")
def books_folder(tmp_path_factory, book_text) -> Path:
    """Two short books in the PG-19 layout, with CRLF line ends."""
    folder = tmp_path_factory.mktemp("books")
    (folder / "test").mkdir()
    for name, text in (("10", book_text[:30_000]), ("9", book_text[30_000:])):
        (folder / "test" / f"{name}.txt").write_bytes(text.replace("\n", "\r\n").encode())
    return folder


@pytest.fixture(scope="session")
def make_model(tmp_path_factory, tokenizer_folder):
    """make_model(seed, scale) -> folder of a tiny random Llama; a larger scale gives surer predictions."""

    def make(seed: int, scale: float = 1.0) -> Path:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=2,
        )
        model = LlamaForCausalLM(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(scale)
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        shutil.copy(tokenizer_folder / "tokenizer.model", folder)
        return folder

    return make


@pytest.fixture(scope="session")
def model_folder(make_model) -> Path:
    """A tiny random Llama whose predictions differ from token to token."""
    return make_model(seed=0, scale=4.0)


@pytest.fixture(scope="session")
def context_of(tokenizer, books_folder):
    """context_of(benchmark, task, length, options of the benchmark, ...) -> BuildContext over the small books.

    `shared` are keys of `eval` outside the benchmark; `data` adds to the books or takes them away (None).
    """

    def make(
        benchmark: str,
        task: str,
        length: int,
        options: dict | None = None,
        shared: dict | None = None,
        data: dict | None = None,
    ) -> BuildContext:
        settings = {"lengths": [length], "benchmarks": {benchmark: options or {}}, **(shared or {})}
        paths = {"books": str(books_folder), **(data or {})}
        return BuildContext(
            benchmark=benchmark,
            task=task,
            length=length,
            tokenizer=tokenizer,
            settings=EvalSettings.model_validate(settings),
            data_paths={key: str(path) for key, path in paths.items() if path is not None},
            device="cpu",
        )

    return make
