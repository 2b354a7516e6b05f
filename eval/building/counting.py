"""How many tokens pieces of a prompt take, each counted once, so that a prompt's tokens are known without making it."""

from collections.abc import Sequence

from contracts.tokenizer import Tokenizer


def piece_tokens(tokenizer: Tokenizer, pieces: Sequence[str], before: str) -> list[int]:
    """Tokens of each piece where it stands after `before`: what it adds, not what it would take alone.

    Alone, a piece may get a token of its own for its beginning (sentencepiece's dummy prefix).
    """
    alone = len(tokenizer.encode(before))
    return [len(ids) - alone for ids in tokenizer.encode_batch([before + piece for piece in pieces])]


def cumulative(costs: Sequence[int]) -> list[int]:
    """[0, costs[0], costs[0] + costs[1], ...]."""
    sums = [0]
    for cost in costs:
        sums.append(sums[-1] + cost)
    return sums
