"""The ways to turn the same books into tokens, each in a process of its own.

in : the name of a contender, the folder of the corpus, a tokenizer folder, an empty output folder
out: one line of JSON: {"tokens": n}
All have two processes, read the same JSON lines and use the same vocabulary file; (a) and (a2) write nothing.
Run: python -m benches.data.contenders ours CORPUS TOKENIZER OUTPUT
"""

import json
import sys
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benches.data.corpus import read_texts

PROCESSES = 2
ROW = 2048
Result = TypeVar("Result")


def count_books(job: tuple[Path, Path]) -> int:
    """Tokens of one part, encoded by the bare library in batches of books."""
    path, tokenizer = job
    return sum(count_batches(bare_library(tokenizer), read_texts(path), 8))


def count_pieces(job: tuple[Path, Path]) -> int:
    """Tokens of one part, encoded by the bare library in batches of the pieces that this project cuts books into."""
    from contracts.text_pieces import pieces_of
    from contracts.tokenizer import load_tokenizer

    path, tokenizer = job
    encode, cut = bare_library(tokenizer), load_tokenizer(tokenizer).cut
    return sum(sum(count_batches(encode, pieces_of(text, cut), 64)) for text in read_texts(path))


def count_batches(encode: Callable[[list[str]], list], texts: list[str], size: int) -> Iterator[int]:
    """Tokens of each text; `size` texts a call."""
    for begin in range(0, len(texts), size):
        yield from (len(ids) for ids in encode(texts[begin : begin + size]))


def bare_library(tokenizer: Path) -> Callable[[list[str]], list]:
    """The batch encoder of the tokenizer's own library."""
    if (tokenizer / "tokenizer.model").is_file():
        from contracts.tokenizer import load_tokenizer

        loaded = load_tokenizer(tokenizer)
        if hasattr(loaded, "processor"):
            return lambda texts: loaded.processor.encode(texts, num_threads=1, return_type="numpy")
        return lambda texts: [loaded.encoding.encode_to_numpy(text, disallowed_special=()) for text in texts]
    import tokenizers

    library = tokenizers.Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    library.encode_special_tokens = True
    return lambda texts: [encoding.ids for encoding in library.encode_batch_fast(texts, add_special_tokens=False)]


def limit(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(a) the bare tokenizer library, called in batches of books in two processes; nothing is written."""
    return sum(in_processes(count_books, corpus, tokenizer))


def limit_of_pieces(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(a2) the same, fed the pieces that (b) feeds it."""
    return sum(in_processes(count_pieces, corpus, tokenizer))


def in_processes(function: Callable[[tuple[Path, Path]], Result], corpus: Path, tokenizer: Path) -> Iterator[Result]:
    """function((part, tokenizer)) of every part of the corpus, in order, in PROCESSES processes."""
    with get_context("spawn").Pool(PROCESSES) as pool:
        yield from pool.imap(function, [(path, tokenizer) for path in sorted(corpus.iterdir())])


def ours(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(b) this project, whole: hashing, reading, tokenizing, writing, checking, manifest."""
    from contracts import command_line
    from data_prep.__main__ import COMMANDS

    words = f"tokenize --source text --input {corpus} --tokenizer {tokenizer} --workers {PROCESSES}".split()
    more = ["--no-eos", "--settings", '{"shard_megabytes": 8}', "--output", str(output / "tokens")]
    assert command_line.main("data_prep", COMMANDS, [*words, *more]) == 0
    return json.loads((output / "tokens" / "manifest.json").read_text())["counts"]["tokens"]["out"]


def group_texts(batch: dict) -> dict:
    """Tokens of a batch end to end, cut into rows of ROW."""
    joined = [token for ids in batch["input_ids"] for token in ids]
    return {"input_ids": [joined[begin : begin + ROW] for begin in range(0, len(joined), ROW)]}


def huggingface(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(c) Hugging Face datasets: map with the tokenizer, then group_texts, as its training examples do."""
    import datasets

    datasets.disable_progress_bars()
    encode = bare_library(tokenizer)
    files = [str(path) for path in sorted(corpus.iterdir())]
    books = datasets.load_dataset("json", data_files=files, split="train", cache_dir=str(output))
    shared = {"batched": True, "num_proc": PROCESSES, "batch_size": 8}
    tokens = books.map(lambda batch: {"input_ids": encode(batch["text"])}, remove_columns=["id", "text"], **shared)
    rows = tokens.map(group_texts, **shared)
    return sum(len(ids) for ids in rows.with_format("numpy")["input_ids"])


def datatrove(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(d) datatrove's tokenizer step (Hugging Face tokenizers only)."""
    import struct

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    step = DocumentTokenizer(
        output_folder=str(output / "tokens"),
        tokenizer_name_or_path=str(tokenizer / "tokenizer.json"),
        eos_token=None,
        shuffle_documents=False,
        batch_size=8,
    )
    LocalPipelineExecutor(
        pipeline=[JsonlReader(str(corpus)), step], tasks=PROCESSES, workers=PROCESSES, logging_dir=str(output / "logs")
    ).run()
    total = 0
    for index in (output / "tokens").rglob("*.index"):
        content = index.read_bytes()
        total += struct.unpack("<Q", content[-8:])[0] if content else 0
    return total


def encode_part(job: tuple[Path, Path]) -> list:
    """The ids of one part's texts, one by one as Megatron's preprocessing encodes them."""
    import numpy as np

    from contracts.tokenizer import load_tokenizer

    path, tokenizer = job
    loaded = load_tokenizer(tokenizer)
    return [np.array(loaded.encode(text), dtype=np.int32) for text in read_texts(path)]


def megatron(corpus: Path, tokenizer: Path, output: Path) -> int:
    """(e) megatron-core's IndexedDatasetBuilder, fed by two processes with the same tokenizer."""
    import numpy as np
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(str(output / "tokens.bin"), dtype=np.int32)
    total = 0
    for texts in in_processes(encode_part, corpus, tokenizer):
        for ids in texts:
            builder.add_document(torch.from_numpy(ids), [len(ids)])
            total += len(ids)
    builder.finalize(str(output / "tokens.idx"))
    return total


CONTENDERS = {
    "limit": limit,
    "pieces": limit_of_pieces,
    "ours": ours,
    "datasets": huggingface,
    "datatrove": datatrove,
    "megatron": megatron,
}

if __name__ == "__main__":
    name, *places = sys.argv[1:]
    print(json.dumps({"tokens": CONTENDERS[name](*map(Path, places))}))
