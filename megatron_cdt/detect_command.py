"""Critical-token detection of given rows: gradient norms, noise mask, and the loss before and after denoising.

in : a Hugging Face folder; rows.jsonl, each line {"input_ids": [...], "labels": [...]} with labels as in
     Hugging Face (same length, -100 where not trained, shifted inside); further keys are left alone
out: one line per row, in order: grad_norm (n floats), noise (n of 0/1), threshold, ce and cdt (mean nats per
     labelled token on E and on E', whatever the reduction), labels (how many those are), relative_shift; and "id"
     where the row has one
Invariant: the same output for every context-parallel size.

    python -m megatron_cdt detect --model HF_FOLDER --data rows.jsonl --output out.jsonl --lr 5e-5 --beta 1
    torchrun --nproc-per-node 2 -m megatron_cdt detect ... --context-parallel-size 2
"""

import argparse
import json
import math
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from contracts.command_line import positive_int, progress
from contracts.errors import InputError
from contracts.files import atomic_file, existing_file, existing_folder
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import LanguageModel, ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes, sum_over
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import load_weights
from megatron_cdt.objectives.cdt.objective import denoise_embeddings, denoising_shift, denoising_telemetry, detect
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.row import NO_LABEL, labelled_row

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face model folder")
    parser.add_argument(
        "--data", type=Path, required=True, help="rows: a JSON object with input_ids and labels per line"
    )
    parser.add_argument("--output", type=Path, required=True, help="where to write one JSON object per row")
    parser.add_argument("--lr", type=finite, required=True, help="learning rate of Eq. 3")
    parser.add_argument("--beta", type=finite, required=True, help="denoising level of Eq. 3")
    parser.add_argument(
        "--reduction",
        choices=["mean", "sum"],
        default="mean",
        help="the loss whose gradient is taken: mean over the row's labelled tokens, or their sum (default mean); the "
        "losses of the output, ce and cdt, are means over `labels` tokens under either",
    )
    parser.add_argument(
        "--context-parallel-size", type=positive_int, default=1, help="processes that share a row (default 1)"
    )
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="arithmetic (default float32)")


def finite(text: str) -> float:
    """argparse type: a number that JSON can hold."""
    if not math.isfinite(value := float(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def run(arguments: argparse.Namespace) -> None:
    """Detect every row of the data file and write the output file, whole or not at all."""
    if arguments.output.is_dir():
        raise InputError(f"{arguments.output}: a folder; name the file to write")
    architecture = read_architecture(existing_folder(arguments.model, "give a Hugging Face model folder"))
    rows = list(read_rows(arguments.data, architecture))
    groups = start_processes(Layout(context=arguments.context_parallel_size))
    if groups.dp.size() > 1:
        raise InputError(
            f"{dist.get_world_size()} processes for --context-parallel-size {groups.cp.size()}; give the same number"
        )
    with megatron_calls():
        model = build_model(architecture, groups, ModelOptions(dtype=DTYPES[arguments.dtype]))
        load_weights(model, arguments.model, groups)
        results = [
            {"id": row["id"]} | result if "id" in row else result
            for row in progress(rows, description="detect", unit="row")
            for result in [detect_row(model, row, arguments, groups)]
        ]
    if dist.get_rank() == 0:
        with atomic_file(arguments.output) as temporary:
            temporary.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")
    stop_processes()


def detect_row(
    model: LanguageModel, given: dict, arguments: argparse.Namespace, groups: ProcessGroupCollection
) -> dict[str, object]:
    """The output object of one row; every rank of the context-parallel group returns the same."""
    row = labelled_row(given["input_ids"], given["labels"], groups)
    with torch.no_grad():
        embeddings_TBH = model.embed(row.input_ids_T)
        detection = detect(model, row, embeddings_TBH, reduction=arguments.reduction, groups=groups)
        shift_TBH = denoising_shift(detection.grad_TBH, detection.noise_T, lr=arguments.lr, beta=arguments.beta)
        denoised_TBH = denoise_embeddings(embeddings_TBH, shift_TBH)
        denoised_loss = sum_over(summed_cross_entropy(model, denoised_TBH, row, groups), groups.cp) / row.num_labels
    telemetry = denoising_telemetry(embeddings_TBH, denoised_TBH, detection, real_T=row.real_T, groups=[groups.cp])
    num_tokens = len(given["input_ids"])
    return {
        "grad_norm": in_row_order(detection.norms_T, row.indices_T, groups)[:num_tokens].tolist(),
        "noise": in_row_order(detection.noise_T.float(), row.indices_T, groups)[:num_tokens].int().tolist(),
        "threshold": telemetry["threshold"],
        "ce": telemetry["detection_loss"],
        "cdt": denoised_loss.item(),
        "labels": row.num_labels,
        "relative_shift": telemetry["relative_shift"],
    }


def in_row_order(values_T: Tensor, indices_T: Tensor, groups: ProcessGroupCollection) -> Tensor:
    """The values of all context-parallel ranks at their places in the row [N]; every place has one owner."""
    values_N = values_T.new_zeros(len(indices_T) * groups.cp.size())
    values_N[indices_T.to(values_T.device)] = values_T
    return sum_over(values_N, groups.cp)


def read_rows(path: Path, architecture: Architecture) -> Iterator[dict]:
    """The checked rows of a data file; InputError names the line and the cure."""
    rows = 0
    with open(existing_file(path, "give a file of JSON lines"), "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield checked_row(line.removeprefix(BOM_UTF8), f"{path} line {number}", architecture)
                rows += 1
    if not rows:
        raise InputError(f"{path}: no rows; write one JSON object with input_ids and labels per line")


def checked_row(line: bytes, where: str, architecture: Architecture) -> dict:
    """One line as a row whose ids and labels the model can take."""
    try:
        row = json.loads(line.decode("utf-8"))
        input_ids, labels = row["input_ids"], row["labels"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{where}: not a JSON object with input_ids and labels ({error}); correct the line") from None
    if not all_integers(input_ids) or not all_integers(labels) or len(input_ids) != len(labels):
        raise InputError(f"{where}: input_ids and labels must be lists of integers of the same length")
    if (window := architecture.sliding_window) and len(input_ids) > window:
        raise InputError(
            f"{where}: {len(input_ids)} tokens, but the model's attention reaches {window} back (sliding_window), "
            f"which is not supported; give rows of at most {window}"
        )
    vocabulary = range(architecture.vocab_size)
    if not all(token in vocabulary for token in input_ids):
        raise InputError(f"{where}: a token id is outside 0..{len(vocabulary) - 1}; use the model's own tokenizer")
    if not all(label == NO_LABEL or label in vocabulary for label in labels):
        raise InputError(f"{where}: a label is neither {NO_LABEL} nor a token id below {len(vocabulary)}")
    if all(label == NO_LABEL for label in labels[1:]):
        raise InputError(f"{where}: no labelled token after the first; give at least one label")
    return row


def all_integers(values: object) -> bool:
    """Whether a JSON value is a list of whole numbers."""
    return isinstance(values, list) and all(type(value) is int for value in values)
