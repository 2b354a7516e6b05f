"""Safetensors folders: read slice by slice, written tensor by tensor.

in : a folder with model.safetensors, or with model.safetensors.index.json and its shards
out: the same, written so that no more than one tensor is in memory
Invariant: bytes in are bytes out; nothing is unpickled.
Format: https://huggingface.co/docs/safetensors (8 bytes little-endian header length, JSON header, raw tensors).
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from contracts.errors import InputError
from contracts.files import existing_folder

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
DTYPE_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}
DEFAULT_FILE_BYTES = 5_000_000_000


class TensorFolder:
    """The tensors of a Hugging Face folder, read lazily; raises InputError where it cannot be read."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = existing_folder(folder, "name a Hugging Face model folder")
        self.files = self.files_by_tensor()

    def files_by_tensor(self) -> dict[str, Path]:
        """Which file holds each tensor: from the index where there is one, else the single file's own list."""
        single, index = self.folder / WEIGHTS_NAME, self.folder / INDEX_NAME
        if index.is_file():
            return {name: self.folder / file for name, file in read_index(index).items()}
        if single.is_file():
            with open_tensors(single) as opened:
                return dict.fromkeys(opened.keys(), single)
        if any(self.folder.glob("pytorch_model*.bin")):
            raise InputError(
                f"{self.folder}: only pytorch_model.bin, a pickle that may run code; "
                f"convert it with transformers: model.save_pretrained(folder, safe_serialization=True)"
            )
        raise InputError(f"{self.folder}: neither {WEIGHTS_NAME} nor {INDEX_NAME}; fetch the weights")

    @property
    def names(self) -> set[str]:
        """The names of all tensors."""
        return set(self.files)

    @cached_property
    def headers(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """(shape, dtype as safetensors spells it) of every tensor, from the files' headers alone."""
        kinds = {}
        for path in sorted(set(self.files.values())):
            with open_tensors(path) as opened:
                names = set(opened.keys()) & {name for name, file in self.files.items() if file == path}
                for name in names:
                    view = opened.get_slice(name)
                    kinds[name] = (tuple(view.get_shape()), view.get_dtype())
        if absent := sorted(self.names - kinds.keys()):
            raise InputError(f"{self.files[absent[0]]}: no tensor {absent[0]}, which {INDEX_NAME} promises; fetch it")
        return kinds

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole tensor's shape."""
        return self.headers[name][0]

    def read(self, name: str, axis: int | None = None, rank: int = 0, size: int = 1) -> Tensor:
        """Part `rank` of `size` equal parts along `axis` (the whole tensor where axis is None), on the CPU."""
        with open_tensors(self.files[name]) as opened:
            return read_slice(opened, name, axis, rank, size)

    def dtype(self) -> str:
        """The dtype that holds every tensor exactly, as torch spells it: float32, bfloat16 or float16."""
        kinds = {kind for _, kind in self.headers.values()}
        if unknown := kinds - DTYPES.keys():
            raise InputError(f"{self.folder}: tensors of {sorted(unknown)[0]}; supported: F32, BF16, F16 (unquantised)")
        only = DTYPES[kinds.pop()] if len(kinds) == 1 else torch.float32
        return str(only).removeprefix("torch.")


def open_tensors(path: Path):
    """safe_open, with a broken or absent file as one line."""
    try:
        return safe_open(path, framework="pt", device="cpu")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, but {INDEX_NAME} names it; fetch it") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); fetch it again") from None


def read_slice(opened, name: str, axis: int | None, rank: int, size: int) -> Tensor:
    """Part `rank` of `size` equal parts along `axis` of a tensor of an open file (the whole where axis is None)."""
    if axis is None or size == 1:
        return opened.get_tensor(name)
    view = opened.get_slice(name)
    part = view.get_shape()[axis] // size
    return view[(slice(None),) * axis + (slice(rank * part, (rank + 1) * part),)]


def read_index(path: Path) -> dict[str, str]:
    """The weight_map of an index file: tensor -> file name."""
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path}: no weight_map here; fetch the file again") from None
    if outside := [file for file in names.values() if Path(file).name != file]:
        raise InputError(f"{path}: {outside[0]} is not in this folder; fetch the file again")
    return names


def plan_files(sizes: Mapping[str, int], limit: int) -> dict[str, list[str]]:
    """File name -> tensors, in order; a file is closed before it would exceed `limit` bytes (one tensor may)."""
    files: list[list[str]] = [[]]
    held = 0
    for name, size in sizes.items():
        if files[-1] and held + size > limit:
            files.append([])
            held = 0
        files[-1].append(name)
        held += size
    if len(files) == 1:
        return {WEIGHTS_NAME: files[0]}
    count = len(files)
    return {f"model-{number:05d}-of-{count:05d}.safetensors": names for number, names in enumerate(files, start=1)}


def write_index(folder: Path, files: Mapping[str, list[str]], total_bytes: int) -> None:
    """The index that a model in several files needs."""
    weight_map = {name: file for file, names in files.items() for name in names}
    text = json.dumps({"metadata": {"total_size": total_bytes}, "weight_map": weight_map}, indent=2, sort_keys=True)
    (folder / INDEX_NAME).write_text(text + "\n", encoding="utf-8")


def write_tensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, tensors: Iterable[Tensor]
) -> None:
    """One safetensors file; `tensors` come in the order of `shapes` and are let go one by one."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        start, end = end, end + byte_size(shape, dtype)
        header[name] = {"dtype": DTYPE_NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for (name, shape), tensor in zip(shapes.items(), tensors, strict=True):
            assert tuple(tensor.shape) == tuple(shape), (name, tensor.shape, shape)
            file.write(memoryview(tensor.to("cpu", dtype).contiguous().flatten().view(torch.uint8).numpy()))


def byte_size(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of a tensor."""
    return torch.Size(shape).numel() * dtype.itemsize
