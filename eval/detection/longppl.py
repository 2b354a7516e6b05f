"""Critical tokens by LongPPL: tokens that the long context makes easier to guess, found by the evaluated model itself.

in : a model folder; rows of hops; the settings eval.detection.longppl
out: {"token_scores": loss with the context cut to K..K+d-1 tokens minus loss with the whole row [n], nats (0 where it
      is not cut, so for the first K tokens), "critical": 1 where LongPPL's two conditions hold}
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from eval.backends.models import choose_device, load_model, long_and_short_losses
from eval.detection.settings import LongPPLDetection


def opened(folder: str, device: str, options: LongPPLDetection) -> Callable[[dict], dict]:
    """The detection of one row after the other."""
    return detection(load_model(folder, choose_device(device)), options)


def detection(model: PreTrainedModel, options: LongPPLDetection) -> Callable[[dict], dict]:
    """The same by a loaded model."""

    def detect(row: dict) -> dict:
        ids = row["input_ids"]
        window, stride = window_and_stride(len(ids), options.window, options.stride)
        long, short = long_and_short_losses(model, ids, window, stride)
        gains = short - long
        critical = (gains > options.alpha) & (long < -options.beta)
        # The first token has no loss.
        scores = torch.nan_to_num(gains, nan=0.0)
        return {"token_scores": [0.0, *scores.tolist()], "critical": [0, *critical.int().tolist()]}

    return detect


def window_and_stride(tokens: int, window: int, stride: int) -> tuple[int, int]:
    """K and d for a row: as given, or both smaller by the same factor where K is more than half of the row.

    The first run of d tokens after K has its whole context still: with a d as long as the rest nothing would be cut.
    """
    usable = max(min(window, tokens // 2), 1)
    return usable, max(stride * usable // window, 1)
