"""The learning rate of every step: linear warm-up, then a cosine down to the minimum. A pure function."""

import math

from megatron_cdt.training.settings import TrainSettings


def learning_rate_at(step: int, settings: TrainSettings) -> float:
    """The rate of optimizer step `step` (1 to settings.steps).

    Warm-up reaches the peak at step warmup_steps; the cosine reaches the minimum at the last step.
    """
    peak, lowest = settings.learning_rate, settings.min_learning_rate
    if step <= settings.warmup_steps:
        return peak * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    return lowest + (peak - lowest) * (1 + math.cos(math.pi * progress)) / 2
