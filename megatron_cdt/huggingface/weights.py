"""Hugging Face folder <-> the weights of a Megatron model, under any layout of processes.

in : a model of engine.model and a folder (or a seed)      out: the model filled; or a folder with the same bits
Invariant: load_weights then save_model gives every tensor bit for bit (in the dtype that it is saved in). Besides
the model, a process holds one tensor at a time.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.tokenizer import copy_tokenizer, load_tokenizer
from megatron_cdt.architecture import Architecture, check_vocabulary
from megatron_cdt.engine.device import device
from megatron_cdt.engine.lora.adapters import adapters_of, is_adapter, is_trained
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.huggingface.adapter_folder import ADAPTER_FOLDER, AdapterFolder, stored_shapes, write_adapter
from megatron_cdt.huggingface.config import (
    CONFIG_NAME,
    GENERATION_CONFIG_NAME,
    read_architecture,
    write_config,
    write_generation_config,
)
from megatron_cdt.huggingface.names import Parameter, matrix_of, parameter_of, tensor_shapes
from megatron_cdt.huggingface.tensor_files import (
    DEFAULT_FILE_BYTES,
    TensorFolder,
    byte_size,
    plan_files,
    write_index,
    write_tensors,
)

# Older checkpoints store the rotary frequencies, which config.json already determines.
ROTARY_BUFFER = "rotary_emb.inv_freq"


class TensorSource(Protocol):
    """Where Hugging Face tensors come from: a folder, or a seed."""

    def read(self, name: str, axis: int | None, rank: int, size: int) -> Tensor:
        """Part `rank` of `size` equal parts of a tensor along `axis`; whole where axis is None."""


def load_weights(model: LanguageModel, folder: str | Path, groups: ProcessGroupCollection) -> None:
    """Fill the model from a Hugging Face folder; each process reads only its tensor-parallel part.

    Raises InputError where a tensor is missing, unknown, or has another shape than config.json says.
    """
    source = TensorFolder(folder)
    check_tensors(source, read_architecture(folder))
    fill(model, source, groups)


def check_tensors(source: TensorFolder, architecture: Architecture) -> None:
    """The folder holds the tensors that its config.json describes, and no others."""
    expected = tensor_shapes(architecture)
    if missing := [name for name in expected if name not in source.names]:
        raise InputError(f"{source.folder}: no tensor {missing[0]} ({len(missing)} missing); fetch the weights again")
    for name in sorted(source.names - expected.keys()):
        check_redundant(source, architecture, name)
    for name, shape in expected.items():
        if source.shape(name) != shape:
            raise InputError(
                f"{source.files[name]}: {name} is {list(source.shape(name))}, config.json says {list(shape)}; "
                f"use the config.json of these weights"
            )


def check_redundant(source: TensorFolder, architecture: Architecture, name: str) -> None:
    """A tensor beyond the model's is refused, unless it says what another already says."""
    if name.endswith(ROTARY_BUFFER):
        return
    if name == "lm_head.weight" and architecture.tie_word_embeddings:
        if torch.equal(source.read(name), source.read("model.embed_tokens.weight")):
            return
        raise InputError(
            f"{source.files[name]}: lm_head.weight differs from the embedding, but config.json ties them; "
            f"set tie_word_embeddings to false"
        )
    raise InputError(f"{source.files[name]}: unknown tensor {name}; the model_type of config.json has no such tensor")


def fill(model: LanguageModel, source: TensorSource, groups: ProcessGroupCollection) -> None:
    """Copy this process's part of every tensor of `source` into the model's parameters, in their dtype."""
    fill_views(tensor_views(model), source, groups)


def fill_adapters(model: LanguageModel, source: TensorSource, groups: ProcessGroupCollection) -> None:
    """The same for the model's adapters alone."""
    fill_views((each for each in tensor_views(model) if is_adapter(each[0])), source, groups)


def load_adapter(model: LanguageModel, source: AdapterFolder, groups: ProcessGroupCollection) -> None:
    """Fill all that LoRA trains in a model, which has adapters already, from PEFT's folder."""
    tied = model.share_embeddings_and_output_weights
    fill_views((each for each in tensor_views(model) if is_trained(each[0], model.lora, tied=tied)), source, groups)


@torch.no_grad()
def fill_views(
    places: Iterable[tuple[str, Parameter, list[Tensor]]], source: TensorSource, groups: ProcessGroupCollection
) -> None:
    """Copy this process's part of the tensors of `source` to where `tensor_views` says that they lie."""
    rank, size = groups.tp.rank(), groups.tp.size()
    for megatron_name, parameter, views in places:
        for name, view in zip(parameter.names, views, strict=True):
            part = source.read(name, parameter.axis, rank, size)
            wanted = (view.shape[0] * view.shape[1], *view.shape[2:])
            if part.shape != wanted:
                raise InputError(
                    f"{name}: the weights have {list(part.shape)}, {megatron_name} has room for {list(wanted)}; "
                    f"build the model from the weights' own config.json"
                )
            view.copy_(part.view(view.shape))


def tensor_views(model: LanguageModel) -> Iterator[tuple[str, Parameter, list[Tensor]]]:
    """Each parameter of this stage: its name, what it is made of, and where each Hugging Face tensor lies in it."""
    queries_per_group = model.config.num_attention_heads // model.config.num_query_groups
    for name, weight in model.named_parameters():
        parameter = parameter_of(name, model.first_layer, tied=model.share_embeddings_and_output_weights)
        yield name, parameter, parameter.views(weight.detach(), model.config.kv_channels, queries_per_group)


@torch.no_grad()
def whole_tensors(
    model: LanguageModel, groups: ProcessGroupCollection, shapes: Mapping[str, Sequence[int]]
) -> Iterator[Tensor]:
    """The Hugging Face tensors of the model, in the order of `shapes`; whole on tensor-parallel rank 0 alone.

    Of a pipeline's stages the first gets them all; a later one gives its own away, and gets nothing for the others'.
    A matrix with a LoRA update comes with it: W + alpha / rank x B A.
    """
    updates = lora_updates(model)
    places = {
        name: (view, parameter.axis)
        for _, parameter, views in tensor_views(model)
        for name, view in zip(parameter.names, views, strict=True)
    }
    holders = holding_stages(set(places), groups)
    for name, shape in shapes.items():
        joined = torch.empty(0)
        if name in places:
            view, axis = places[name]
            part = view.flatten(0, 1)
            if name in updates:
                part = (part.float() + updates[name]()).to(part.dtype)
            joined = gather(part, axis, groups.tp)
        if groups.tp.rank() == 0 and holders[name]:
            joined = to_first_stage(joined, shape, holders[name], model.config.params_dtype, groups)
        yield joined


def lora_updates(model: LanguageModel) -> dict[str, Callable[[], Tensor]]:
    """For each Hugging Face matrix of this stage that has an update: how to make this process's part of it, in fp32."""
    updates = {}
    for module_name, adapter in adapters_of(model):
        for target in adapter.targets:
            (name,) = parameter_of(f"{module_name}.A.{target}", model.first_layer).names
            updates[matrix_of(name)] = partial(adapter.update_of, target)
    return updates


def holding_stages(own: set[str], groups: ProcessGroupCollection) -> dict[str, int]:
    """The first pipeline stage that has each tensor."""
    of_stages: list[set[str]] = [set()] * groups.pp.size()
    dist.all_gather_object(of_stages, own, group=groups.pp)
    return {name: stage for stage in reversed(range(len(of_stages))) for name in of_stages[stage]}


def to_first_stage(
    tensor: Tensor, shape: Sequence[int], holder: int, dtype: torch.dtype, groups: ProcessGroupCollection
) -> Tensor:
    """On the first stage, the tensor that stage `holder` gives away; elsewhere what nobody reads."""
    if groups.pp.rank() == holder:
        dist.send(tensor.contiguous(), dist.get_global_rank(groups.pp, 0), group=groups.pp)
    elif groups.pp.rank() == 0:
        tensor = torch.empty(tuple(shape), dtype=dtype, device=device())
        dist.recv(tensor, dist.get_global_rank(groups.pp, holder), group=groups.pp)
    return tensor


def gather(part: Tensor, axis: int | None, group: dist.ProcessGroup) -> Tensor:
    """The whole tensor on rank 0 of `group`; elsewhere the part, which nobody reads.

    Parts arrive one by one, so that rank 0 holds the whole and one part, never the whole twice.
    """
    if axis is None or group.size() == 1:
        return part
    first = dist.get_global_rank(group, 0)
    if group.rank() != 0:
        dist.send(part.contiguous(), dst=first, group=group)
        return part
    shape = list(part.shape)
    shape[axis] *= group.size()
    joined = part.new_empty(shape)
    for rank, place in enumerate(joined.chunk(group.size(), dim=axis)):
        if rank:
            part = torch.empty_like(part, memory_format=torch.contiguous_format)
            dist.recv(part, src=dist.get_global_rank(group, rank), group=group)
        place.copy_(part)
    return joined


def save_model(
    model: LanguageModel,
    architecture: Architecture,
    folder: str | Path,
    groups: ProcessGroupCollection,
    *,
    tokenizer_folder: str | Path | None = None,
    dtype: torch.dtype | None = None,
    file_bytes: int = DEFAULT_FILE_BYTES,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write the model as a Hugging Face folder, whole or not at all; all processes call it, process 0 writes.

    A model with adapters is written merged, and the adapters as PEFT's folder `adapter` inside.
    dtype: of the stored tensors (None: architecture.dtype). file_bytes: a larger model is cut into several files.
    finish: may add files to the folder before it gets its name (process 0 only).
    Raises InputError where the tokenizer does not fit the model or the folder cannot be written.
    """
    stored = architecture.model_copy(update={"dtype": str(dtype).removeprefix("torch.")}) if dtype else architecture
    shapes = tensor_shapes(stored)
    # One replica is enough: the first of the data- and context-parallel ones.
    if groups.dp_cp.rank() == 0:
        tensors = whole_tensors(model, groups, shapes)
        adapters = whole_tensors(model, groups, stored_shapes(stored, model.lora)) if model.lora else ()
        if groups.tp.rank() == 0 and groups.pp.rank() == 0:
            with atomic_folder(folder) as temporary:
                write_companions(temporary, stored, tokenizer_folder)
                write_weights(temporary, shapes, getattr(torch, stored.dtype), tensors, file_bytes)
                if model.lora:
                    write_adapter(
                        temporary / ADAPTER_FOLDER, stored, model.lora, getattr(torch, stored.dtype), adapters
                    )
                if finish:
                    finish(temporary)
        else:
            for _ in itertools.chain(tensors, adapters):
                pass
    dist.barrier()


def write_weights(
    folder: Path, shapes: dict[str, tuple[int, ...]], dtype: torch.dtype, tensors: Iterator[Tensor], file_bytes: int
) -> None:
    """All tensors in one safetensors file, or in several of at most `file_bytes` with their index."""
    sizes = {name: byte_size(shape, dtype) for name, shape in shapes.items()}
    files = plan_files(sizes, file_bytes)
    for file, names in files.items():
        of_this_file = itertools.islice(tensors, len(names))
        write_tensors(folder / file, {name: shapes[name] for name in names}, dtype, of_this_file)
    if len(files) > 1:
        write_index(folder, files, sum(sizes.values()))


def write_companions(folder: Path, architecture: Architecture, tokenizer_folder: str | Path | None) -> None:
    """config.json, generation_config.json and the tokenizer's files."""
    bos_id = eos_id = None
    generation = None
    if tokenizer_folder is not None:
        tokenizer = load_tokenizer(tokenizer_folder)
        check_vocabulary(architecture, tokenizer.vocab_size)
        bos_id, eos_id = tokenizer.bos_id, tokenizer.eos_id
        copy_tokenizer(tokenizer_folder, folder)
        generation = Path(tokenizer_folder) / GENERATION_CONFIG_NAME
    write_json(folder / CONFIG_NAME, write_config(architecture, bos_id, eos_id))
    if generation and generation.is_file():
        # The tokenizer came with a model: its generation settings (say, several end tokens) stay with it.
        shutil.copyfile(generation, folder / GENERATION_CONFIG_NAME)
    else:
        write_json(folder / GENERATION_CONFIG_NAME, write_generation_config(bos_id, eos_id))


def write_json(path: Path, values: dict) -> None:
    """A JSON file with sorted keys, as transformers writes them."""
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
