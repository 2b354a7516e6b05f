"""Everything that the report is made from, read and checked: scores, training curves, detections, manifests."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file
from contracts.fingerprint import sha256_file
from contracts.tokenizer import Tokenizer
from eval.building.samples import read_json, read_json_lines, read_samples
from eval.detection.detectors import DETECTORS
from eval.inference.predictions import check_identities
from eval.report.analyses import Analysis

BYTE_PIECE = re.compile(r"(<0x[0-9A-F]{2}>)+")
# Longer stretches of irrelevant text are shown by their two ends.
SHOWN_STRETCH = 600
NO_WORDS = {"explanation": "", "plain_loss": None, "plain_loss_reason": "", "columns": {}}


@dataclass(frozen=True)
class Curve:
    """The training of one method: lines of metrics.jsonl, and of validation.jsonl where there was validation.

    `words` is the telemetry.json beside them: what the method's columns are called, which of them is the loss before
    it moves anything.
    """

    method: str
    steps: list[dict]
    validation: list[dict]
    words: dict = field(default_factory=lambda: NO_WORDS)

    def values(self, key: str) -> tuple[list[int], list[float]]:
        """(steps, values) of one telemetry key, where it was logged."""
        logged = [line for line in self.steps if line.get(key) is not None]
        return [line["step"] for line in logged], [line[key] for line in logged]

    def plain_losses(self) -> tuple[list[int], list[float]]:
        """(steps, losses on the embeddings as they are): comparable between methods.

        The `loss` of a method that denoises is taken on embeddings that have been moved by looking at the labels.
        """
        return self.values(self.words["plain_loss"] or "loss")

    def telemetry(self, name: str) -> tuple[list[int], list[float]]:
        """(steps, values) of one of the method's columns; of its plain loss, how far that is above the loss."""
        steps, values = self.values(name)
        if name != self.words["plain_loss"]:
            return steps, values
        losses = dict(zip(*self.values("loss"), strict=True))
        return steps, [value - losses[step] for step, value in zip(steps, values, strict=True)]


@dataclass(frozen=True)
class ReportData:
    """What the page shows; `models` in the order in which they were named."""

    run: str
    scores: list[dict]
    aggregates: list[dict]
    curves: list[Curve]
    pictures: list[dict]
    manifests: list[dict]
    data_summaries: dict[str, dict]  # by the name that the page gives them
    analyses: list[Analysis] = field(default_factory=list)
    maps: tuple[tuple[str, str], ...] = ()  # (SVG, caption)
    exhibits: list = field(default_factory=list)  # of eval.report.side_by_side

    @property
    def models(self) -> list[str]:
        """Names of the scored models, in order of their first appearance."""
        return list(dict.fromkeys(map(column_of, self.scores)))

    def cells(self, benchmark: str, task: str, detector: str | None = None) -> dict[int, dict[str, dict]]:
        """{length: {model: score}} of one task (by one detector, where it asks for tokens), lengths ascending."""
        by_length: dict[int, dict[str, dict]] = {}
        for score in sorted(self.scores, key=lambda score: score["length"]):
            if (score["benchmark"], score["task"], score.get("detector")) == (benchmark, task, detector):
                by_length.setdefault(score["length"], {})[column_of(score)] = score
        return by_length


def column_of(score: dict) -> str:
    """The column of a score: its model, and its method of inference where that is not plain dense attention."""
    inference = score.get("inference", "dense")
    return score["model"] if inference == "dense" else f"{score['model']} + {inference}"


def row_of(score: dict) -> str:
    """The row of a score: its task, and its detector where one answered."""
    detector = score.get("detector")
    return f"{score['task']}, {detector_title(detector)}" if detector else score["task"]


def detector_title(name: str) -> str:
    """How tables name a detector."""
    return DETECTORS[name].title if name in DETECTORS else name


def read_score(path: str) -> dict:
    """One score.json; InputError where it is something else."""
    score = read_json(existing_file(path, "run `python -m eval score` for it"))
    if not {"benchmark", "task", "length", "model", "metrics", "rows", "hashes"} <= score.keys():
        raise InputError(f"{path}: not a score file; run `python -m eval score` for it")
    return score


def read_aggregate(path: str) -> dict:
    """One aggregate.json; InputError where it is something else."""
    aggregate = read_json(existing_file(path, "run `python -m eval aggregate` for it"))
    if not {"model", "inference", "benchmark", "aggregate"} <= aggregate.keys():
        raise InputError(f"{path}: not an aggregate file; run `python -m eval aggregate` for it")
    return aggregate


def aggregated_scores(aggregates: list[dict]) -> list[dict]:
    """The scores that the averages rest on; InputError where one has changed since."""
    scores = []
    for aggregate in aggregates:
        for path, digest in aggregate["scores"].items():
            scores.append(read_score(path))
            if sha256_file(path) != digest:
                raise InputError(f"{path}: has changed since it was averaged; run `python -m eval aggregate` again")
    return scores


def read_curves(metrics: dict[str, str], validation: dict[str, str]) -> list[Curve]:
    """The training curves, methods in the order given."""
    cure = "train the method, or leave it out"
    return [
        Curve(
            method,
            read_json_lines(existing_file(path, cure)),
            read_json_lines(existing_file(validation[method], cure)) if method in validation else [],
            read_words(Path(path).with_name("telemetry.json")),
        )
        for method, path in metrics.items()
    ]


def read_words(path: Path) -> dict:
    """A telemetry.json; a training of before that file has none, and then no figure of its own."""
    return NO_WORDS | read_json(path) if path.is_file() else NO_WORDS


def read_picture(model: str, samples_path: str, predictions_path: str, tokenizer: Tokenizer) -> dict:
    """The first row of a hops cell, token by token, as `model` sees it.

    {"model", "id", "threshold", "tokens": [{"text", "kind", "fact", "norm", "noise"}]}; `fact` numbers the span.
    """
    samples = read_samples(samples_path)
    if samples.task.answer != "detection":
        raise InputError(f"{samples_path}: the picture needs samples of hops, not of {samples.cell.benchmark}")
    predictions = read_json_lines(existing_file(predictions_path, "run `python -m megatron_cdt detect` for it"))
    check_identities(predictions_path, predictions, samples)
    sample, prediction = samples.rows[0], predictions[0]
    if "grad_norm" not in prediction:
        raise InputError(f"{predictions_path}: the picture needs gradients; give predictions of `megatron_cdt detect`")
    tokens = []
    for number, span in enumerate(sample["spans"]):
        tokens += span_units(tokenizer, sample, prediction, number, span)
    return {"model": model, "id": sample["id"], "threshold": prediction["threshold"], "tokens": tokens}


def span_units(tokenizer: Tokenizer, sample: dict, prediction: dict, number: int, span: dict) -> list[dict]:
    """The tokens of one span; bytes that together make characters are one unit with their largest norm."""
    units, run = [], []
    for position in range(span["start"], span["end"]):
        run.append(position)
        is_byte = BYTE_PIECE.fullmatch(tokenizer.piece(sample["input_ids"][position]))
        following = sample["input_ids"][position + 1] if position + 1 < span["end"] else None
        if is_byte and following is not None and BYTE_PIECE.fullmatch(tokenizer.piece(following)):
            continue
        ids = [sample["input_ids"][index] for index in run]
        units.append(
            {
                "text": tokenizer.decode(ids) if is_byte else tokenizer.piece(ids[0]),
                "kind": span["kind"],
                "fact": number,
                "norm": max(prediction["grad_norm"][index] for index in run),
                "noise": min(prediction["noise"][index] for index in run),
            }
        )
        run = []
    return shortened(units) if span["kind"] == "irrelevant" else units


def shortened(units: list[dict]) -> list[dict]:
    """The two ends of a long stretch, with a unit between them that says how much is left out."""
    if len(units) <= SHOWN_STRETCH:
        return units
    end = SHOWN_STRETCH // 4
    return [*units[:end], {**units[end], "left_out": len(units) - 2 * end}, *units[-end:]]


def read_manifests(paths: list[str]) -> list[dict]:
    """Every manifest with the digest of its own bytes; named by its stage, or by its folder."""
    manifests = []
    for path in map(Path, paths):
        manifest = read_json(existing_file(path, "run the step that makes it"))
        name = path.parent.name if path.name == "manifest.json" else path.name
        manifests.append({"name": manifest.get("stage", name), "sha256": sha256_file(path), "manifest": manifest})
    return manifests
