"""config.json <-> Architecture.

in : a Hugging Face folder's config.json (model_type llama, mistral, qwen2 or qwen3; attention over the whole context)
out: the same model's Architecture; and from an Architecture a config.json that transformers 4 and 5 both read
Invariant: read_architecture(what write_config wrote) is the same Architecture; a setting that would change the
maths and is not understood is refused, never ignored.
"""

import json
from pathlib import Path
from typing import get_args

from contracts.errors import InputError
from contracts.files import existing_file, existing_folder
from contracts.settings import validated
from megatron_cdt.architecture import Architecture, Family
from megatron_cdt.huggingface.rope import read_rope, write_rope

CONFIG_NAME = "config.json"
GENERATION_CONFIG_NAME = "generation_config.json"
FAMILIES = get_args(Family)
# What transformers takes where config.json is silent.
DEFAULTS = {"rms_norm_eps": 1e-6, "initializer_range": 0.02, "tie_word_embeddings": False}
DEFAULT_POSITIONS = {"llama": 2048, "mistral": 4096 * 32, "qwen2": 32768, "qwen3": 32768}
DEFAULT_KEY_VALUE_HEADS = {"mistral": 8, "qwen2": 32, "qwen3": 32}
DEFAULT_HEAD_DIM = {"qwen3": 128}
MODEL_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
# Keys that change the maths, and the values (besides null) with which they change nothing here.
HARMLESS = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "use_sliding_window": (False,),
    "partial_rotary_factor": (1, 1.0),
    "dual_chunk_attention_config": (),
    "num_experts": (),
    "num_local_experts": (),
    "quantization_config": (),
}


def read_config(folder: str | Path) -> dict:
    """The JSON object of a folder's config.json, or one line that says what is wrong."""
    folder = existing_folder(folder, "name a Hugging Face model folder")
    path = existing_file(folder / CONFIG_NAME, "name a Hugging Face model folder (config.json and safetensors)")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        where = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path}{where}: not valid JSON; fetch the file again") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected a JSON object; fetch the file again")
    return config


def read_architecture(folder: str | Path) -> Architecture:
    """The architecture that a Hugging Face folder's config.json states; InputError where it is another maths."""
    config, path = read_config(folder), Path(folder) / CONFIG_NAME
    check_supported(config, path)
    family, heads = config["model_type"], config.get("num_attention_heads")
    values = {
        "family": family,
        "vocab_size": config.get("vocab_size"),
        "hidden_size": config.get("hidden_size"),
        "num_layers": config.get("num_hidden_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads", DEFAULT_KEY_VALUE_HEADS.get(family)),
        "head_dim": config.get("head_dim", DEFAULT_HEAD_DIM.get(family)),
        "ffn_hidden_size": config.get("intermediate_size"),
        "max_position_embeddings": config.get("max_position_embeddings", DEFAULT_POSITIONS[family]),
        "dtype": str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch."),
        **read_rope(config, path),
        **{key: config.get(key, default) for key, default in DEFAULTS.items()},
    }
    if isinstance(heads, int) and heads > 0 and isinstance(values["hidden_size"], int):
        values["num_key_value_heads"] = values["num_key_value_heads"] or heads
        values["head_dim"] = values["head_dim"] or values["hidden_size"] // heads
    return validated(Architecture, values, str(path))


def check_supported(config: dict, path: Path) -> None:
    """One line for a model type, or a setting, whose maths is not ours."""
    family = config.get("model_type")
    if family not in FAMILIES:
        raise InputError(f"{path}: model_type {family!r} is not supported; supported: {', '.join(FAMILIES)}")
    for key, harmless in HARMLESS.items():
        value = config.get(key)
        if value is not None and value not in harmless:
            refuse(path, key, value)
    # The Qwens name a window that use_sliding_window switches on; Mistral's own default is a window of 4096 tokens.
    window = config.get("sliding_window", 4096 if family == "mistral" else None)
    if window is not None and not family.startswith("qwen"):
        refuse(path, "sliding_window", window)
    if windowed := set(config.get("layer_types") or ()) - {"full_attention"}:
        refuse(path, "layer_types", sorted(windowed)[0])


def refuse(path: Path, key: str, value: object) -> None:
    """One line for a key whose maths is not ours."""
    raise InputError(
        f"{path}: {key} {json.dumps(value)[:60]} is not supported; supported: {', '.join(FAMILIES)} with SwiGLU and "
        f"attention over the whole context, without quantisation"
    )


def write_config(architecture: Architecture, bos_id: int | None = None, eos_id: int | None = None) -> dict:
    """config.json's values."""
    return {
        "architectures": [MODEL_CLASSES[architecture.family]],
        "attention_dropout": 0.0,
        "bos_token_id": bos_id,
        "eos_token_id": eos_id,
        "head_dim": architecture.head_dim,
        "hidden_act": "silu",
        "hidden_size": architecture.hidden_size,
        "initializer_range": architecture.initializer_range,
        "intermediate_size": architecture.ffn_hidden_size,
        "max_position_embeddings": architecture.max_position_embeddings,
        "model_type": architecture.family,
        "num_attention_heads": architecture.num_attention_heads,
        "num_hidden_layers": architecture.num_layers,
        "num_key_value_heads": architecture.num_key_value_heads,
        "rms_norm_eps": architecture.rms_norm_eps,
        "tie_word_embeddings": architecture.tie_word_embeddings,
        "torch_dtype": architecture.dtype,
        "use_cache": True,
        "vocab_size": architecture.vocab_size,
        **write_rope(architecture),
        **attention_keys(architecture.family),
    }


def attention_keys(family: Family) -> dict:
    """The keys by which each family says that there is no window and which projections have biases."""
    if family == "llama":
        return {"attention_bias": False, "mlp_bias": False}
    if family == "mistral":
        return {"sliding_window": None}
    window_off = {"sliding_window": None, "use_sliding_window": False}
    return window_off if family == "qwen2" else {"attention_bias": False, **window_off}


def write_generation_config(bos_id: int | None, eos_id: int | None) -> dict:
    """generation_config.json's values: where a text begins and ends."""
    return {"bos_token_id": bos_id, "eos_token_id": eos_id}
