"""Let a model answer samples files, one after the other: losses per token, greedy text, or what a detector finds.

in : a model folder; samples files with their manifests; the method of inference, or the detector, and its settings
out: for each a predictions file: a header line, then {"id", "losses": [nats]} or {"id", "prediction", "tokens"} per
     sample, with what the method did ("computed_blocks", "retrieved", "input_tokens", "same_as_transformers"); of a
     detector {"id", "token_scores", "critical"}
invariants: deterministic; killed at any moment and run again, it ends with the same bytes. A cell that is complete
stays so whatever happens to the others, and the model is loaded only where an answer is missing. With a plan, the
loaded model goes on with the cells that the plan puts beside these, for a while.
run: python -m eval generate --model results/demo/models/cdt --samples samples/ruler/vt/1024.jsonl \
     --output predictions.jsonl
"""

import argparse
import sys
import time
from pathlib import Path

from pydantic import Field

from contracts.errors import InputError
from contracts.settings import Settings, load_settings
from eval.backends.settings import GenerationSettings
from eval.building.samples import read_json
from eval.detection.detecting import Detecting
from eval.detection.detectors import DETECTORS
from eval.detection.settings import DetectionSettings
from eval.inference.answering import Answering, Inference
from eval.inference.methods import INFERENCES
from eval.inference.settings import InferenceSettings

RUN_HERE = tuple(name for name, detector in DETECTORS.items() if detector.module)


class AnswerSettings(Settings):
    """The keys of an `eval` section that this command reads."""

    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    generation: GenerationSettings = Field(default_factory=GenerationSettings)
    detection: DetectionSettings = Field(default_factory=DetectionSettings)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face model folder, with its tokenizer")
    parser.add_argument("--samples", required=True, nargs="+", help="samples files written by `build`")
    parser.add_argument("--output", required=True, nargs="+", help="predictions files to write, one for each of them")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--inference", choices=INFERENCES, default="dense", help="how the model reads its prompts")
    way.add_argument("--detector", choices=RUN_HERE, help="what finds the tokens, for samples of hops")
    parser.add_argument(
        "--settings", default="{}", help="the keys inference, generation and detection: a YAML file, or JSON text"
    )
    parser.add_argument("--plan", help="the run's cells (see eval.cells); those beside these are answered ahead")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")


def run(arguments: argparse.Namespace) -> None:
    """Answer every sample that has no answer yet; a cell that cannot be answered does not keep back the others."""
    if len(arguments.samples) != len(arguments.output):
        raise InputError(f"{len(arguments.samples)} --samples, {len(arguments.output)} --output; give as many of both")
    settings = load_settings(AnswerSettings, arguments.settings)
    answering = opened_answering(arguments, settings)
    started, failed = time.monotonic(), []
    for samples, output in zip(arguments.samples, arguments.output, strict=True):
        try:
            answering.answer_cell(samples, output, wait=arguments.plan is not None)
        except InputError as error:
            failed.append(error)
    for error in failed[:-1]:
        print(f"error: {error}", file=sys.stderr)
    if failed:
        raise failed[-1]
    if arguments.plan:
        others = other_cells(arguments.plan, arguments.output)
        answering.work_ahead(others, started + 60 * settings.generation.ahead_minutes)


def opened_answering(arguments: argparse.Namespace, settings: AnswerSettings) -> Answering:
    """The model, and the way in which it answers."""
    digests = Path(arguments.plan).parent / "digests" if arguments.plan else None
    model, device = arguments.model, arguments.device
    if arguments.detector:
        return Detecting(model, device, arguments.detector, settings.detection, digests=digests)
    return Inference(model, device, arguments.inference, settings.inference, settings.generation, digests=digests)


def other_cells(plan: str, outputs: list[str]) -> list[tuple[str, str]]:
    """The (samples, predictions) that share a part with one of `outputs`, those left out; [] where the plan is gone."""
    if not Path(plan).is_file():
        return []
    try:
        planned = [part for group in read_json(Path(plan)).values() for part in group]
        return [
            (samples, output)
            for part in planned
            if any(output in outputs for _, output in part)
            for samples, output in part
            if output not in outputs
        ]
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{plan}: not a plan of cells; start the workflow again") from None
