"""longppl: exp of the mean loss over the key tokens only, all rows pooled in log space.

Rows without key tokens take no part. Where no row has any, `longppl` is null: the evaluator found no token that
needs the long context.
"""

import math

from eval.scoring.scored import Scored, finite_numbers, mean


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """LongPPL, the number of key tokens, and the perplexity of the same rows over all tokens."""
    key_losses, all_losses, details = [], [], []
    for row in rows:
        losses = finite_numbers(row, "losses", len(row["input_ids"]) - 1)
        # losses[0] is the loss of the token at position 1.
        of_key = [losses[position - 1] for position in row["key_positions"]]
        details.append({"id": row["id"], "key_tokens": len(of_key), "key_nats_per_token": mean(of_key)})
        key_losses += of_key
        all_losses += losses
    key_mean, overall = mean(key_losses), mean(all_losses)
    metrics = {
        "longppl": None if key_mean is None else math.exp(key_mean),
        "key_nats_per_token": key_mean,
        "key_tokens": len(key_losses),
        "tokens": len(all_losses),
        "nats_per_token": overall,
        "perplexity": math.exp(overall),
    }
    return Scored(metrics, details)
