"""LoRA adapters as PEFT's folders: adapter_config.json and adapter_model.safetensors, written and read.

in : the tensors of a model's adapters; or a folder that PEFT or this project wrote
out: a folder that peft.PeftModel.from_pretrained loads on the base model; or the adapters' settings and values
Invariant: what is written and read again is the same bits. Format: PEFT's documentation, "PEFT checkpoint format".
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from contracts.errors import InputError
from contracts.files import existing_file, existing_folder
from contracts.settings import validated
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.lora import TARGETS, LoraSettings
from megatron_cdt.huggingface.names import adapter_shapes, whole_trained_shapes
from megatron_cdt.huggingface.tensor_files import open_tensors, read_slice, write_tensors

# Inside a model's folder. Beside config.json itself, transformers would load the adapter on top of the merged weights.
ADAPTER_FOLDER = "adapter"
CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PREFIX = "base_model.model."
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
# Keys of adapter_config.json that change the maths, and the values (besides null) with which they change nothing here.
HARMLESS = {
    "peft_type": ("LORA",),
    "use_dora": (False,),
    "use_rslora": (False,),
    "bias": ("none",),
    "lora_bias": (False,),
    "fan_in_fan_out": (False,),
    "rank_pattern": ({},),
    "alpha_pattern": ({},),
    "target_parameters": ([],),
    "trainable_token_indices": (),
    "layer_replication": ([],),
    "alora_invocation_tokens": ([],),
}


def stored_shapes(architecture: Architecture, lora: LoraSettings) -> dict[str, tuple[int, ...]]:
    """What the weights of the folder are: each A and B, and what is trained whole, by the model's own names."""
    return adapter_shapes(architecture, lora) | whole_trained_shapes(architecture, lora)


def write_adapter(
    folder: Path, architecture: Architecture, lora: LoraSettings, dtype: torch.dtype, tensors: Iterator[Tensor]
) -> None:
    """Write the adapter's two files into `folder`, which is made."""
    folder.mkdir()
    shapes = stored_shapes(architecture, lora)
    if tied_embedding_is_trained(architecture, lora):
        # PEFT trains copies of modules: the head of a tied model is one of its own there.
        shapes[HEAD] = shapes[EMBEDDING]
        tensors = embedding_again_as_head(shapes, tensors)
    write_tensors(folder / WEIGHTS, {PREFIX + name: shape for name, shape in shapes.items()}, dtype, tensors)
    text = json.dumps(config_of(architecture, lora), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def tied_embedding_is_trained(architecture: Architecture, lora: LoraSettings) -> bool:
    """Whether the head is trained because it is the embedding."""
    return lora.train_embeddings and architecture.tie_word_embeddings


def embedding_again_as_head(names: dict[str, tuple[int, ...]], tensors: Iterator[Tensor]) -> Iterator[Tensor]:
    """The tensors, and at the end the embedding once more."""
    embedding = None
    for name in names:
        if name == HEAD:
            yield embedding
            return
        tensor = next(tensors)
        embedding = tensor if name == EMBEDDING else embedding
        yield tensor


def config_of(architecture: Architecture, lora: LoraSettings) -> dict:
    """adapter_config.json's values."""
    whole = {name.split(".")[-2] for name in whole_trained_shapes(architecture, lora)}
    if tied_embedding_is_trained(architecture, lora):
        whole.add("lm_head")
    return {
        "base_model_name_or_path": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        # PEFT's type is a whole number; a fraction works there all the same.
        "lora_alpha": int(lora.alpha) if lora.alpha.is_integer() else lora.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": sorted(whole) or None,
        "peft_type": "LORA",
        "r": lora.rank,
        "target_modules": list(lora.targets),
        "task_type": "CAUSAL_LM",
    }


class AdapterFolder:
    """A PEFT folder as a TensorSource; raises InputError where it cannot be read, or is another maths."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = existing_folder(folder, "name a folder of PEFT's with adapter_config.json")
        self.config = self.read_config()
        if (self.folder / PICKLE).is_file() and not (self.folder / WEIGHTS).is_file():
            raise InputError(
                f"{self.folder}: only {PICKLE}, a pickle that may run code; save it again with safetensors"
            )
        self.path = existing_file(self.folder / WEIGHTS, "fetch the adapter's weights")

    def read_config(self) -> dict:
        """adapter_config.json, whose every key leaves the maths as it is here."""
        path = existing_file(self.folder / CONFIG, "name a folder that PEFT wrote")
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise InputError(f"{path} line {error.lineno}: not valid JSON; fetch the file again") from None
        for key, harmless in HARMLESS.items():
            if (value := config.get(key)) is not None and value not in harmless:
                raise InputError(f"{path}: {key} {json.dumps(value)[:60]} is not supported; supported: plain LoRA")
        return config

    @property
    def files(self) -> list[Path]:
        """What is read of the folder."""
        return [self.folder / CONFIG, self.path]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by the model's own name, with its shape."""
        with open_tensors(self.path) as opened:
            return {
                name.removeprefix(PREFIX): tuple(opened.get_slice(name).get_shape()) for name in sorted(opened.keys())
            }

    def settings(self, architecture: Architecture) -> LoraSettings:
        """The adapters' settings, as the tensors and the configuration have them; they fit the model, or one line."""
        values = {
            "rank": self.config.get("r"),
            "alpha": self.config.get("lora_alpha"),
            "targets": [target for target in TARGETS if any(f".{target}.lora_A." in name for name in self.shapes)],
            "train_embeddings": EMBEDDING in self.shapes,
            "train_norms": any(name.endswith("norm.weight") for name in self.shapes),
        }
        lora = validated(LoraSettings, values, str(self.folder / CONFIG))
        self.check(architecture, lora)
        return lora

    def check(self, architecture: Architecture, lora: LoraSettings) -> None:
        """The tensors are those of such adapters on every layer of the model, and no others."""
        expected = stored_shapes(architecture, lora)
        if tied_embedding_is_trained(architecture, lora):
            expected[HEAD] = expected[EMBEDDING]
        for name in sorted(expected.keys() ^ self.shapes.keys()):
            problem = "is missing" if name in expected else "is none of the tensors that LoRA has here"
            raise InputError(f"{self.path}: {PREFIX}{name} {problem}; use an adapter of all layers of this model")
        for name, shape in expected.items():
            if self.shapes[name] != shape:
                raise InputError(
                    f"{self.path}: {name} is {list(self.shapes[name])}, and the model and adapter_config.json want "
                    f"{list(shape)}; use the adapter's own base model"
                )
        if HEAD in expected and not torch.equal(self.read(HEAD), self.read(EMBEDDING)):
            raise InputError(
                f"{self.path}: the head differs from the embedding, and the model ties them; untie the model"
            )

    def read(self, name: str, axis: int | None = None, rank: int = 0, size: int = 1) -> Tensor:
        """Part `rank` of `size` equal parts along `axis` (the whole tensor where axis is None), on the CPU."""
        with open_tensors(self.path) as opened:
            return read_slice(opened, PREFIX + name, axis, rank, size)
