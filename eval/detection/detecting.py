"""A model whose tokens one detector tells apart, cell after cell.

in : the model's folder, the detector and its settings, a samples file of a task that asks for tokens
out: the predictions file of that cell (see eval.inference.predictions): {"token_scores", "critical"} of every row
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from contracts.code_reach import code_facts
from contracts.errors import InputError
from eval.backends.settings import GenerationSettings, backend_facts
from eval.building.samples import SampleSet
from eval.detection.detectors import DETECTORS
from eval.detection.settings import DetectionSettings, DetectorName
from eval.inference.answering import Answering


@dataclass(frozen=True)
class Detecting(Answering):
    """Scores and verdicts for every token, by one detector that reads the dense model in float32."""

    detector: DetectorName
    detection: DetectionSettings

    def check(self, samples: SampleSet) -> None:
        """InputError where the samples ask for something else, or another command runs the detector."""
        if samples.task.answer != "detection":
            raise InputError(f"{samples.path}: does not ask for tokens; leave out --detector for it")
        if not DETECTORS[self.detector].module:
            raise InputError(f"{samples.path}: the detector {self.detector} is `python -m megatron_cdt detect`")
        super().check(samples)

    @cached_property
    def description(self) -> dict:
        """The same for all cells: model, detector, code."""
        options = self.options
        return {
            **super().description,
            "inference": "dense",
            "detector": self.detector,
            "detector_settings": options.model_dump(mode="json") if options else {},
            **backend_facts(GenerationSettings(), self.device),
            **code_facts("eval.detection.detecting", DETECTORS[self.detector].module),
        }

    @property
    def options(self):
        """The detector's own settings; None where it has none."""
        return getattr(self.detection, self.detector, None)

    @cached_property
    def detect(self) -> Callable[[dict], dict]:
        """The loaded detector."""
        module = importlib.import_module(DETECTORS[self.detector].module)
        return module.opened(self.folder, self.device, self.options)

    def predictions(self, samples: SampleSet, rows: list[dict]) -> Iterator[dict]:
        """{"token_scores", "critical"} of every row, in order."""
        return map(self.detect, rows)
