"""Which detectors answer the multi-hop probe, and their settings: the `eval.detection` section.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings
from eval.detection.detectors import DETECTORS

DetectorName = Literal[*DETECTORS]


class LongPPLDetection(Settings):
    """LongPPL as a detector: tokens that the long context makes easier to guess."""

    window: int = Field(
        4096,
        ge=1,
        description="LongPPL's K: shortest truncated context (tokens); half of a row where that is less (d less alike)",
    )
    stride: int = Field(1024, ge=1, description="LongPPL's d: tokens that share one truncated context (tokens)")
    alpha: float = Field(2.0, description="critical if the cut costs more than this (nats)")
    beta: float = Field(-2.0, description="critical if the log-probability with the whole row is above this (nats)")


class DetectionSettings(Settings):
    """Every text of the multi-hop probe is answered once by each of these detectors."""

    methods: tuple[DetectorName, ...] = Field(
        ("gradient",), min_length=1, description="detectors (names); the gradient's own settings are in `detect`"
    )
    longppl: LongPPLDetection = Field(default_factory=LongPPLDetection, description="LongPPL as a detector")
