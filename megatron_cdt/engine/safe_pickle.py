"""Reading torch's distributed checkpoints without running what a pickle asks for.

Such a checkpoint names its tensors in `.metadata`, a pickle, and torch reads its objects with weights_only=False.
Under `known_classes_only()` that file may hold the metadata's own classes and nothing else, and every torch.load is
weights_only. Every reader of a checkpoint in this project works under it (engine/checkpoint.py: `reading`).
"""

import contextlib
import enum
import os
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import BinaryIO

import torch
from torch.distributed.checkpoint import filesystem, metadata, planner

# (module, name) as a pickle writes them -> the class; metadata is made of these and of plain containers.
METADATA_CLASSES = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        metadata.Metadata,
        metadata.MetadataIndex,
        metadata.TensorStorageMetadata,
        metadata.BytesStorageMetadata,
        metadata.ChunkStorageMetadata,
        metadata.TensorProperties,
        metadata.StorageMeta,
        metadata._MEM_FORMAT_ENCODING,
        filesystem._StorageInfo,
        filesystem._StoragePrefix,
        planner.BytesIOWriteData,
        planner.SavePlan,
        planner.TensorWriteData,
        planner.WriteItem,
        planner.WriteItemType,
        torch.Size,
    )
} | {("torch.serialization", "_get_layout"): torch.serialization._get_layout}


def enum_member(kind: type, name: str) -> enum.Enum:
    """A member of an Enum, which Python 3.11.0 to 3.11.3 pickle as getattr(kind, name); no other attribute."""
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum) and name in kind.__members__):
        raise pickle.UnpicklingError("its .metadata asks for an attribute, which no checkpoint needs")
    return kind[name]


class KnownClassesOnly(pickle.Unpickler):
    """An unpickler that makes a checkpoint's metadata and refuses to look up anything else."""

    def find_class(self, module: str, name: str) -> object:
        if (allowed := METADATA_CLASSES.get((module, name))) is not None:
            return allowed
        if (module, name) == ("builtins", "getattr"):
            return enum_member
        if module == "torch" and isinstance(dtype := getattr(torch, name, None), torch.dtype):
            return dtype
        raise pickle.UnpicklingError(f"its .metadata asks for {module}.{name}, which no checkpoint needs")


def load(file: BinaryIO) -> object:
    """`pickle.load` for a checkpoint's metadata; raises UnpicklingError for what is none."""
    return KnownClassesOnly(file).load()


@contextlib.contextmanager
def known_classes_only() -> Iterator[None]:
    """Inside, torch.distributed.checkpoint reads metadata with `load` above, and torch.load is weights_only."""
    earlier = filesystem.pickle, os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    filesystem.pickle = SimpleNamespace(load=load, dump=pickle.dump)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    finally:
        filesystem.pickle = earlier[0]
        del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        if earlier[1] is not None:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = earlier[1]
