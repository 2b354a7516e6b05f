"""perplexity: rows of held-back books, or the beginnings of long reports; the model's loss on every token of them.

A sample: {"book", "start", "input_ids"}, or {"report" (its number in the file), "input_ids"}.
The manifest of books also says what a model that knows only token frequencies would lose on the same tokens, in nats
per token: the entropy of the train books' own frequencies, the entropy of the held-back books' own frequencies, and the
cross-entropy of the train frequencies on exactly the tokens that are scored. A language model is of use only below all
three.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.fingerprint import sha256_file
from eval.building.context import BuildContext, Built, counted_by
from eval.building.rows import GOVREPORT, choose_rows, report_rows, row_tokens, tokenize_books


def books(context: BuildContext) -> Built:
    """The rows, and the unigram entropies of the books."""
    tokens = tokenize_books(context)
    rows = [
        {
            "book": context.books[row.book].identity,
            "start": row.start,
            "input_ids": row_tokens(context, tokens, row),
        }
        for row in choose_rows(context, tokens, context.options.samples)
    ]
    inputs = {"books": context.describe_books()}
    if context.has("train_tokens"):
        inputs["train_tokens"] = tokens_folder_digests(context.data("train_tokens"))
    return Built(rows, {"unigram": unigram_facts(context, tokens, rows)}, inputs)


def unigram_facts(context: BuildContext, tokens: list[np.ndarray], rows: list[dict]) -> dict:
    """Entropies in nats per token, and over how many tokens each was counted."""
    vocabulary = context.tokenizer.vocab_size
    held_back = token_counts(tokens, vocabulary)
    facts = {"held_back_entropy": entropy(held_back), "held_back_tokens": int(held_back.sum())}
    if context.has("train_tokens"):
        train = tokens_folder_counts(context.data("train_tokens"), vocabulary, context.tokenizer.digest)
        # The scored tokens: the first of a row is never predicted.
        targets = np.concatenate([row["input_ids"][1:] for row in rows])
        facts |= {
            "train_entropy": entropy(train),
            "train_tokens": int(train.sum()),
            "cross_entropy": cross_entropy(train, targets),
        }
    return facts


def govreport(context: BuildContext) -> Built:
    """The reports as rows of tokens."""
    rows = [{"report": row.number, "input_ids": [*context.beginning, *row.ids]} for row in report_rows(context)]
    return Built(rows, {"counted_by": counted_by(context)}, {GOVREPORT: context.describe(GOVREPORT)})


def entropy(counts: np.ndarray) -> float:
    """H = -sum p ln p of the frequencies in `counts` [vocabulary] (nats)."""
    seen = counts[counts > 0].astype(np.float64)
    shares = seen / seen.sum()
    return float(-(shares * np.log(shares)).sum())


def cross_entropy(counts: np.ndarray, targets: np.ndarray) -> float:
    """Mean of -ln p over `targets` [tokens], p from `counts` [vocabulary] with one added to each (nats).

    Adding one gives a token that the train books lack a finite loss.
    """
    smoothed = counts.astype(np.float64) + 1.0
    return float(-np.log(smoothed / smoothed.sum())[targets].mean())


def token_counts(arrays: list[np.ndarray], vocabulary: int) -> np.ndarray:
    """How often each token id occurs: int64 [vocabulary]."""
    return sum((np.bincount(ids, minlength=vocabulary) for ids in arrays), np.zeros(vocabulary, dtype=np.int64))


def tokens_folder_counts(folder: str | Path, vocabulary: int, tokenizer_digest: str) -> np.ndarray:
    """Counts over the Arrow files of a tokens folder; InputError where another tokenizer made them."""
    counts = np.zeros(vocabulary, dtype=np.int64)
    for path in arrow_files(folder):
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            made_by = (reader.schema.metadata or {}).get(b"tokenizer_digest", b"").decode()
            if made_by != tokenizer_digest:
                raise InputError(f"{path}: tokenized with another tokenizer; name the tokens folder made with this one")
            for batch in range(reader.num_record_batches):
                ids = reader.get_batch(batch).column("input_ids").flatten().to_numpy(zero_copy_only=False)
                counts += np.bincount(ids, minlength=vocabulary)
    return counts


def arrow_files(folder: str | Path) -> list[Path]:
    """The Arrow files of a tokens folder, in order; InputError where there are none."""
    files = sorted(existing_folder(folder, "name the tokens folder of the train books").glob("*.arrow"))
    if not files:
        raise InputError(f"{folder}: holds no .arrow file; run `python -m data_prep tokenize` for it")
    return files


def tokens_folder_digests(folder: str | Path) -> dict[str, str]:
    """{file name: sha256} of a tokens folder, for a manifest."""
    return {path.name: sha256_file(path) for path in arrow_files(folder)}
