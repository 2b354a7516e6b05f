"""Make a start checkpoint: from a Hugging Face folder, or fresh weights from a seed.

in : --model HF_FOLDER, or --settings with the `model` section     out: a Megatron checkpoint folder + manifest.json
"""

import argparse
from pathlib import Path

import torch

from contracts.code_reach import code_facts
from contracts.errors import InputError
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, replaceable, write_manifest
from contracts.settings import load_settings
from contracts.tokenizer import load_tokenizer
from megatron_cdt.architecture import Architecture, ModelSettings, check_vocabulary
from megatron_cdt.engine.checkpoint import reproducible_files, save_model_checkpoint
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.lora.record import LORA_NAME, record_text
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes
from megatron_cdt.huggingface.adapter_folder import AdapterFolder
from megatron_cdt.huggingface.config import CONFIG_NAME, read_architecture
from megatron_cdt.huggingface.fresh import initialize_weights
from megatron_cdt.huggingface.tensor_files import TensorFolder
from megatron_cdt.huggingface.weights import load_adapter, load_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="HF_FOLDER", help="folder with config.json and safetensors")
    parser.add_argument(
        "--adapter", metavar="PEFT_FOLDER", help="with --model: a LoRA adapter of it that a training is to go on with"
    )
    source.add_argument("--settings", metavar="S", help="the `model` settings: a YAML/JSON file, or JSON text")
    parser.add_argument(
        "--vocab-size-from", metavar="TOKENIZER", help="tokenizer that sets vocab_size where the settings leave it null"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="checkpoint folder to write")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "import-hf")
    settings = given_settings(arguments)
    tokenizer_size = load_tokenizer(arguments.vocab_size_from).vocab_size if arguments.vocab_size_from else None
    architecture = resolve_architecture(settings, tokenizer_size)
    groups = start_processes(Layout())
    model = build_model(architecture, groups, ModelOptions(dtype=getattr(torch, architecture.dtype), initialize=False))
    if settings.hugging_face:
        load_weights(model, settings.hugging_face, groups)
        if settings.adapter:
            adapter = AdapterFolder(settings.adapter)
            add_adapters(model, adapter.settings(architecture), groups)
            load_adapter(model, adapter, groups)
    else:
        initialize_weights(model, architecture, settings.seed, groups)
    save_model_checkpoint(
        model,
        architecture,
        arguments.output,
        groups,
        lambda folder: describe(folder, settings, architecture, model.lora),
    )
    stop_processes()


def given_settings(arguments: argparse.Namespace) -> ModelSettings:
    """The model settings, whichever way they were given."""
    if arguments.model:
        return ModelSettings(hugging_face=arguments.model, adapter=arguments.adapter)
    if arguments.adapter:
        raise InputError("--adapter goes with --model; in settings, the key `adapter` stands beside hugging_face")
    return load_settings(ModelSettings, arguments.settings)


def resolve_architecture(settings: ModelSettings, tokenizer_size: int | None) -> Architecture:
    """The architecture to build; InputError where the tokenizer has more ids than the model has rows."""
    if not settings.hugging_face:
        return settings.architecture.with_vocabulary(tokenizer_size)
    architecture = settings.extend(read_architecture(settings.hugging_face))
    check_vocabulary(architecture, tokenizer_size)
    # The tensors' own dtype keeps every bit; config.json may say another.
    return architecture.model_copy(update={"dtype": TensorFolder(settings.hugging_face).dtype()})


def describe(folder: Path, settings: ModelSettings, architecture: Architecture, lora: LoraSettings | None) -> None:
    """Write the checkpoint's manifest into its folder, and what is to be said of its adapters."""
    inputs = {}
    if lora:
        (folder / LORA_NAME).write_text(record_text(lora, folder, None, None), encoding="utf-8")
    if settings.hugging_face:
        source = TensorFolder(settings.hugging_face)
        inputs = describe_files({source.folder / CONFIG_NAME, *source.files.values()})
    if settings.adapter:
        inputs |= {"adapter": describe_files(AdapterFolder(settings.adapter).files)}
    # A folder's own path is not what a checkpoint is made of: its files are, and those are hashed.
    values = settings.model_dump(exclude={"hugging_face", "adapter"}) | {"architecture": architecture.model_dump()}
    write_manifest(
        folder / MANIFEST_NAME,
        build_manifest(
            stage="import-hf",
            inputs=inputs,
            outputs=describe_files(reproducible_files(folder)),
            settings=values,
            code=code_facts("megatron_cdt.huggingface.import_command"),
            counts={},
            packages=("torch", "megatron-core", "safetensors"),
            seed=None if settings.hugging_face else settings.seed,
        ),
    )
