"""Write a Megatron checkpoint as a Hugging Face folder that transformers, vLLM and others load.

in : --checkpoint (a checkpoint folder, or a run folder: its newest), --tokenizer   out: HF folder + manifest.json
With LoRA the folder has the merged weights, and the adapters in `adapter` as PEFT loads them.
"""

import argparse
from pathlib import Path

import torch

from contracts.code_reach import code_facts
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, replaceable, write_manifest
from contracts.tokenizer import tokenizer_files
from megatron_cdt.engine.checkpoint import (
    load_model_checkpoint,
    newest_checkpoint,
    read_architecture_of,
    reproducible_files,
    stored_dtype,
)
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.lora.record import read_record
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes
from megatron_cdt.huggingface.weights import save_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER", help="checkpoint, or run folder: its newest")
    parser.add_argument("--tokenizer", required=True, metavar="FOLDER", help="tokenizer to put beside the weights")
    parser.add_argument("--output", required=True, metavar="HF_FOLDER", help="Hugging Face folder to write")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="of the stored weights (default: the checkpoint's)"
    )


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "export-hf", "train")
    checkpoint = newest_checkpoint(arguments.checkpoint)
    architecture = read_architecture_of(checkpoint)
    groups = start_processes(Layout())
    dtype = getattr(torch, arguments.dtype) if arguments.dtype else stored_dtype(checkpoint)
    model = build_model(architecture, groups, ModelOptions(dtype=dtype, initialize=False))
    if record := read_record(checkpoint):
        add_adapters(model, record.settings, groups)
    load_model_checkpoint(model, checkpoint, groups)
    save_model(
        model,
        architecture,
        arguments.output,
        groups,
        tokenizer_folder=arguments.tokenizer,
        dtype=dtype,
        finish=lambda folder: describe(folder, checkpoint, Path(arguments.tokenizer), dtype),
    )
    stop_processes()


def describe(folder: Path, checkpoint: Path, tokenizer: Path, dtype: torch.dtype) -> None:
    """Write the model's manifest into its folder."""
    # A manifest already states the hashes of the checkpoint's gigabytes.
    manifest = checkpoint / MANIFEST_NAME
    stated = [manifest] if manifest.is_file() else reproducible_files(checkpoint)
    write_manifest(
        folder / MANIFEST_NAME,
        build_manifest(
            stage="export-hf",
            inputs={
                "checkpoint": {"name": checkpoint.name, **describe_files(stated)},
                "tokenizer": describe_files(tokenizer_files(tokenizer)),
            },
            outputs=describe_files((path for path in folder.rglob("*") if path.is_file()), folder),
            settings={"dtype": str(dtype).removeprefix("torch.")},
            code=code_facts("megatron_cdt.huggingface.export_command"),
            counts={},
            packages=("torch", "megatron-core", "safetensors"),
        ),
    )
