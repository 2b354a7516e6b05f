"""What a token costs with a long context and with a short one: LongPPL's two forward passes."""

import torch
from transformers import PreTrainedModel

from eval.models import token_losses


def long_and_short_losses(
    model: PreTrainedModel, ids: list[int], window: int, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(losses with the whole row, losses with a cut context), both fp32 [n - 1] in nats, of tokens 1 to n - 1.

    Runs of `stride` tokens share a context that begins `window` tokens before the first of them. The first `window`
    tokens have no cut context: their second loss is nan.
    """
    long = token_losses(model, ids)
    short = torch.full_like(long, float("nan"))
    for start in range(0, len(ids) - window, stride):
        first = start + window
        last = min(first + stride, len(ids))
        short[first - 1 : last - 1] = token_losses(model, ids[start:last], first=window)
    return long, short
