"""LongPPL: tokens that the long context makes easier to guess, found by the model itself: the detector of that name.

in : a model; rows with `input_ids`; the settings analysis.longppl
out: loss with a cut context minus loss with the whole one (nats), float64 [n] (eval.detection.longppl)
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from eval.detection.longppl import detection
from eval.detection.settings import LongPPLDetection


def opened(model: PreTrainedModel, options: LongPPLDetection) -> Callable[[dict], torch.Tensor]:
    """The gains of one row after the other."""
    detect = detection(model, options)
    return lambda row: torch.tensor(detect(row)["token_scores"], dtype=torch.float64)
