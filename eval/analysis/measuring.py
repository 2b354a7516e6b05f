"""Instruments on the rows of the multi-hop probe: every score of every token, kept as it comes.

in : a model folder; samples files of hops; settings
out: OUTPUT/answers.jsonl, OUTPUT/scores/NAME.jsonl and NAME.shuffled.jsonl: a header that names all they depend on, and
     a line a row: {"id", "scores" [n], and what the instrument knows beyond: "facts", "heads" {kind: [L][H] sums
     over the kind's tokens}, "first_layer" of them}; see eval.inference.predictions for what a kill leaves
invariant: a row that is there is not measured again; the model is loaded when the first one is missing.
"""

import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from transformers import PreTrainedModel

from contracts.code_reach import code_facts
from contracts.command_line import progress
from contracts.errors import InputError
from eval.analysis.answers import answered, judged_predictions, shuffled_rows
from eval.analysis.instruments import INSTRUMENTS
from eval.analysis.reading import Reading
from eval.analysis.settings import AnalysisSettings
from eval.backends.model_files import model_digest, model_name
from eval.backends.models import choose_device, load_model
from eval.backends.settings import device_type, versions
from eval.benchmarks.hops.score import CONTEXT_KINDS, token_mask
from eval.building.samples import SampleSet, read_json_lines
from eval.inference.predictions import prediction_log


@dataclass(frozen=True)
class Measuring:
    """One model and the rows that it is measured on; `predictions`: who else says which answers are right."""

    folder: str
    device: str
    settings: AnalysisSettings
    samples: tuple[SampleSet, ...]
    output: Path
    predictions: str | None = None

    @cached_property
    def rows(self) -> list[dict]:
        """The rows of all files, in order; InputError where one comes twice."""
        rows = [row for samples in self.samples for row in samples.rows]
        if len({row["id"] for row in rows}) < len(rows):
            raise InputError("a row comes twice among the samples; give each file once")
        return rows

    @cached_property
    def control_rows(self) -> list[dict]:
        """The rows with shuffled labels; none where the settings want no control."""
        control = self.settings.control
        return [] if control == "none" else shuffled_rows(self.rows, control, self.settings.seed)

    @cached_property
    def model(self) -> PreTrainedModel:
        """The loaded model."""
        return load_model(self.folder, choose_device(self.device), getattr(torch, self.settings.dtype))

    @cached_property
    def description(self) -> dict:
        """What every score depends on: the model, the rows, where it is computed."""
        return {
            "model_name": model_name(self.folder),
            "model_sha256": model_digest(self.folder),
            "samples_sha256": [samples.digest for samples in self.samples],
            "dtype": self.settings.dtype,
            "device": device_type(self.device),
            "versions": versions("torch", "transformers"),
        }

    def answers(self) -> list[dict]:
        """{"id", "right", ...} of every row."""
        if self.predictions:
            judged = judged_predictions(self.predictions, self.rows)
            return [{"id": row["id"], **answer} for row, answer in zip(self.rows, judged, strict=True)]
        header = {**self.description, **code_facts("eval.analysis.answers:answered")}
        return self.kept("answers", header, self.rows, lambda: lambda row: answered(self.model, row))

    def scores(self, name: str, *, shuffled: bool = False) -> list[dict]:
        """The lines of an instrument, {"id", "scores", ...} of every row, or of every row with shuffled labels."""
        options = getattr(self.settings, name, None)
        module = INSTRUMENTS[name].module
        labels = {"control": self.settings.control, "seed": self.settings.seed} if shuffled else {}
        shuffling = ["eval.analysis.answers:shuffled_rows"] if shuffled else []
        header = {
            **self.description,
            "instrument": name,
            "settings": options.model_dump(mode="json") if options else {},
            **labels,
            **code_facts("eval.analysis.measuring:line_of", module, *shuffling),
        }
        rows = self.control_rows if shuffled else self.rows
        where = f"scores/{name}.shuffled" if shuffled else f"scores/{name}"

        def measure() -> Callable[[dict], dict]:
            read = readings_of(module, self.model, options)
            return lambda row: line_of(row, read(row))

        return self.kept(where, header, rows, measure)

    def kept(
        self, name: str, header: dict, rows: list[dict], opened: Callable[[], Callable[[dict], dict]]
    ) -> list[dict]:
        """The lines of a file; those that are missing are measured and appended first."""
        path = self.output / f"{name}.jsonl"
        with prediction_log(path, header, [row["id"] for row in rows]) as log:
            missing = rows[log.done :]
            measure: Callable[[dict], dict] | None = opened() if missing else None
            for row in progress(missing, description=name, unit="row", total=len(missing)):
                log.append({"id": row["id"], **measure(row)})
        return read_json_lines(path)[1:]


def readings_of(module_name: str, model: PreTrainedModel, options: object) -> Callable[[dict], Reading]:
    """An instrument's readings; its scores alone where it has no more."""
    module = importlib.import_module(module_name)
    if hasattr(module, "readings"):
        return module.readings(model, options)
    scores = module.opened(model, options)
    return lambda row: Reading(scores(row))


def line_of(row: dict, read: Reading) -> dict:
    """A reading as JSON values; InputError where a score is no number."""
    scores = list(short(read.scores.tolist()))
    if not all(map(math.isfinite, scores)):
        raise InputError(f"sample {row['id']}: a token's score is not finite; check that the model's weights are")
    return {
        "scores": scores,
        **({"facts": read.facts} if read.facts else {}),
        **({} if read.heads is None else {"heads": head_sums(row, read.heads), "first_layer": read.first_layer}),
    }


def head_sums(row: dict, heads_LHN: torch.Tensor) -> dict[str, list[list[float]]]:
    """{kind: sum over its tokens, by layer and head}."""
    masks = {kind: torch.from_numpy(token_mask(row["spans"], kind, heads_LHN.shape[-1])) for kind in CONTEXT_KINDS}
    return {
        kind: [list(short(layer)) for layer in heads_LHN[..., mask].double().sum(-1).tolist()]
        for kind, mask in masks.items()
    }


def short(values: list[float]) -> Iterator[float]:
    """Floats of 9 digits: the shortest length from which every fp32 number comes back exactly."""
    return (float(f"{value:.9g}") for value in values)
