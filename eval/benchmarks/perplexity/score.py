"""perplexity: exp of the mean loss over every predicted token of the held-back rows.

Every token but the first of a row is predicted. The unigram entropies of the books come along from the samples'
manifest: a model that is not below them has learnt less than the frequencies of the tokens.
"""

import math

from eval.scoring.scored import Scored, finite_numbers, mean, standard_error


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean loss (nats per token), its standard error over rows, and perplexity."""
    row_losses = [finite_numbers(row, "losses", len(row["input_ids"]) - 1) for row in rows]
    details = [
        {"id": row["id"], "nats_per_token": mean(losses), "tokens": len(losses)}
        for row, losses in zip(rows, row_losses, strict=True)
    ]
    pooled = mean([loss for losses in row_losses for loss in losses])
    metrics = {
        "nats_per_token": pooled,
        "standard_error": standard_error([row["nats_per_token"] for row in details]),
        "perplexity": math.exp(pooled),
        "tokens": sum(map(len, row_losses)),
        "unigram": facts.get("unigram", {}),
    }
    return Scored(metrics, details)
