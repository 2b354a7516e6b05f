"""Let a model answer a samples file: losses per token, or greedy text.

in : a model folder, a samples file with its manifest
out: predictions.jsonl: a header line, then {"id", "losses": [nats]} or {"id", "prediction"} per sample
invariant: deterministic; killed at any moment and run again, it ends with the same bytes.
run: python -m eval generate --model results/demo/models/cdt --samples samples/ruler/vt/1024.jsonl \
     --output predictions.jsonl
"""

import argparse
import sys
from dataclasses import asdict
from importlib import metadata

import torch
from transformers import PreTrainedModel

from contracts.command_line import progress
from contracts.errors import InputError
from contracts.fingerprint import code_fingerprint
from contracts.tokenizer import Tokenizer, load_tokenizer
from eval.model_files import model_digest, model_name
from eval.models import choose_device, context_window, greedy_tokens, load_model, token_losses
from eval.predictions import prediction_log
from eval.registry import Answer
from eval.samples import SampleSet, read_samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face model folder, with its tokenizer")
    parser.add_argument("--samples", required=True, help="samples file written by `build`")
    parser.add_argument("--output", required=True, help="predictions file to write")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute, in fp32")


def run(arguments: argparse.Namespace) -> None:
    """Answer every sample that has no answer yet."""
    samples = read_samples(arguments.samples)
    if samples.task.answer == "norms":
        raise InputError(
            f"{arguments.samples}: {samples.cell.benchmark} is answered by `python -m megatron_cdt detect`"
        )
    tokenizer = checked_tokenizer(arguments.model, samples)
    model = load_model(arguments.model, choose_device(arguments.device))
    warn_beyond_window(model, samples)
    header = describe_run(model, arguments.model, samples)
    identities = [row["id"] for row in samples.rows]
    with prediction_log(arguments.output, header, identities) as log:
        rows = samples.rows[log.done :]
        for row in progress(rows, description=f"{samples.cell.task} {samples.cell.length}", unit="sample"):
            log.append({"id": row["id"], **answer(model, tokenizer, samples.task.answer, row)})


def checked_tokenizer(model_folder: str, samples: SampleSet) -> Tokenizer:
    """The model's tokenizer; InputError unless it is the one that the samples were made with."""
    tokenizer = load_tokenizer(model_folder)
    if tokenizer.digest != samples.manifest["inputs"]["tokenizer_digest"]:
        raise InputError(f"{model_folder}: its tokenizer did not make {samples.path}; build samples with it")
    return tokenizer


def warn_beyond_window(model: PreTrainedModel, samples: SampleSet) -> None:
    """One line on stderr where the samples are longer than what the model says it can read."""
    window = context_window(model)
    if window is not None and samples.cell.length > window:
        print(f"warning: {samples.cell.length} tokens exceed the model's window of {window}", file=sys.stderr)


def describe_run(model: PreTrainedModel, folder: str, samples: SampleSet) -> dict:
    """The header: everything that the predictions depend on."""
    return {
        "samples_sha256": samples.digest,
        **asdict(samples.cell),
        "inference": "dense",
        "model_name": model_name(folder),
        "model_sha256": model_digest(folder),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "context_window": context_window(model),
        "device": model.device.type,
        "dtype": "float32",
        "code_sha256": code_fingerprint("eval.generate_command"),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
    }


def answer(model: PreTrainedModel, tokenizer: Tokenizer, kind: Answer, row: dict) -> dict:
    """What the model makes of one sample: {"losses"} or {"prediction"}, as the task asks."""
    if kind == "losses":
        losses = token_losses(model, row["input_ids"])
        if not losses.isfinite().all():
            raise InputError(f"sample {row['id']}: the model's loss is not finite; check that its weights are")
        return {"losses": short_floats(losses)}
    tokens = greedy_tokens(model, row["input_ids"], row["tokens_to_generate"])
    return {"prediction": tokenizer.decode(tokens), "tokens": len(tokens)}


def short_floats(values: torch.Tensor) -> list[float]:
    """fp32 values as floats of 9 digits: the shortest length from which every fp32 number comes back exactly."""
    return [float(f"{value:.9g}") for value in values.tolist()]
