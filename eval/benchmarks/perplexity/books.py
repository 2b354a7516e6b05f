"""perplexity of books: rows of held-back books; the model's loss on every token of them.

A sample: {"book", "start", "input_ids"}. The manifest also says what a model that knows only token
frequencies would lose on the same tokens (see eval.building.unigram).
"""

import numpy as np

from eval.building.build_context import BuildContext, Built
from eval.building.rows import choose_rows, row_tokens, tokenize_books
from eval.building.unigram import cross_entropy, entropy, token_counts, tokens_folder_counts, tokens_folder_digests


def build(context: BuildContext) -> Built:
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
