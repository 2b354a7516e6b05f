"""config.json <-> Architecture.

in : a Hugging Face folder's config.json (model_type llama, or mistral without a sliding window)
out: the same model's Architecture; and from an Architecture a config.json that transformers 4 and 5 both read
Invariant: read_architecture(what write_config wrote) is the same Architecture; a setting that would change the
maths and is not understood is refused, never ignored.
"""

import json
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file, existing_folder
from contracts.settings import validated
from megatron_cdt.architecture import Architecture, RopeScaling

CONFIG_NAME = "config.json"
GENERATION_CONFIG_NAME = "generation_config.json"
SUPPORTED = "supported: llama, and mistral without a sliding window"
# What transformers takes where config.json is silent; llama's max_position_embeddings and mistral's differ.
DEFAULTS = {"rms_norm_eps": 1e-6, "initializer_range": 0.02, "tie_word_embeddings": False}
DEFAULT_POSITIONS = {"llama": 2048, "mistral": 4096 * 32}
DEFAULT_ROPE_THETA = 10000.0
# Keys that change the maths, and the values with which they change nothing here.
HARMLESS = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "sliding_window": (),
    "partial_rotary_factor": (1, 1.0),
    "quantization_config": (),
}
LLAMA3_KEYS = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


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
    heads = config.get("num_attention_heads")
    values = {
        "vocab_size": config.get("vocab_size"),
        "hidden_size": config.get("hidden_size"),
        "num_layers": config.get("num_hidden_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads"),
        "head_dim": config.get("head_dim"),
        "ffn_hidden_size": config.get("intermediate_size"),
        "max_position_embeddings": config.get("max_position_embeddings", DEFAULT_POSITIONS[config["model_type"]]),
        "rope_scaling": rope_scaling(config, path),
        "rope_theta": rope_theta(config, path),
        "dtype": str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch."),
        **{key: config.get(key, default) for key, default in DEFAULTS.items()},
    }
    if isinstance(heads, int) and heads > 0 and isinstance(values["hidden_size"], int):
        values["num_key_value_heads"] = values["num_key_value_heads"] or default_key_value_heads(config)
        values["head_dim"] = values["head_dim"] or values["hidden_size"] // heads
    return validated(Architecture, values, str(path))


def default_key_value_heads(config: dict) -> int:
    """Where the key is absent: llama has as many key/value heads as query heads, mistral 8."""
    absent = "num_key_value_heads" not in config
    return 8 if absent and config["model_type"] == "mistral" else config["num_attention_heads"]


def check_supported(config: dict, path: Path) -> None:
    """One line for a model type, or a setting, whose maths is not ours."""
    kind = config.get("model_type")
    if kind not in DEFAULT_POSITIONS:
        raise InputError(f"{path}: model_type {kind!r} is not supported; {SUPPORTED}")
    # Mistral's own default is a window of 4096 tokens where the key is absent.
    config = {"sliding_window": 4096, **config} if kind == "mistral" else config
    for key, harmless in HARMLESS.items():
        value = config.get(key)
        if value is not None and value not in harmless:
            text = json.dumps(value)[:60]
            raise InputError(f"{path}: {key} {text} is not supported; {SUPPORTED}, without biases or quantisation")


def rope_parameters(config: dict, path: Path) -> dict:
    """The RoPE settings as one flat dict, from either spelling; {} where the model has none.

    transformers 4 writes rope_theta and rope_scaling, transformers 5 writes rope_parameters.
    """
    scaling = config.get("rope_scaling") or {}
    newer = config.get("rope_parameters") or {}
    for key, value in (("rope_scaling", scaling), ("rope_parameters", newer)):
        if not isinstance(value, dict) or any(isinstance(inner, dict) for inner in value.values()):
            raise InputError(f"{path}: {key} must be one flat object; {SUPPORTED}")
    outer = {"rope_theta": config["rope_theta"]} if config.get("rope_theta") is not None else {}
    older = outer | without_type(scaling)
    newer = without_type(newer)
    for key in older.keys() & newer.keys():
        if older[key] != newer[key]:
            raise InputError(
                f"{path}: {key} is {older[key]} in rope_theta/rope_scaling and {newer[key]} in rope_parameters; "
                f"remove the wrong one"
            )
    return older | newer


def without_type(given: dict) -> dict:
    """A RoPE dict with its older key `type` renamed to rope_type; the type `default` is no scaling."""
    renamed = {key: value for key, value in given.items() if key != "type"}
    kind = given.get("rope_type", given.get("type"))
    return renamed | ({"rope_type": kind} if kind is not None else {})


def rope_theta(config: dict, path: Path) -> float:
    """The base of the rotary frequencies."""
    return rope_parameters(config, path).get("rope_theta", DEFAULT_ROPE_THETA)


def rope_scaling(config: dict, path: Path) -> dict | None:
    """The stretch of the rotary frequencies as RopeScaling's values; None for plain RoPE."""
    given = rope_parameters(config, path)
    kind = given.get("rope_type", "default")
    if given.get("partial_rotary_factor", 1) != 1:
        raise InputError(f"{path}: partial_rotary_factor {given['partial_rotary_factor']} is not supported; use 1")
    if kind == "default":
        return None
    if kind not in ("linear", "llama3"):
        raise InputError(f"{path}: rope_type {kind!r} is not supported; supported: default, linear, llama3")
    keys = LLAMA3_KEYS if kind == "llama3" else ("factor",)
    for key in keys:
        if given.get(key) is None:
            raise InputError(f"{path}: rope_type {kind} needs {key}; add it to rope_scaling")
    return {"rope_type": kind, **{key: given[key] for key in keys}}


def write_config(architecture: Architecture, bos_id: int | None = None, eos_id: int | None = None) -> dict:
    """config.json's values. RoPE stands in both spellings: transformers 4 ignores rope_parameters silently."""
    scaling = scaling_values(architecture.rope_scaling)
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": bos_id,
        "eos_token_id": eos_id,
        "head_dim": architecture.head_dim,
        "hidden_act": "silu",
        "hidden_size": architecture.hidden_size,
        "initializer_range": architecture.initializer_range,
        "intermediate_size": architecture.ffn_hidden_size,
        "max_position_embeddings": architecture.max_position_embeddings,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": architecture.num_attention_heads,
        "num_hidden_layers": architecture.num_layers,
        "num_key_value_heads": architecture.num_key_value_heads,
        "rms_norm_eps": architecture.rms_norm_eps,
        "rope_parameters": {"rope_theta": architecture.rope_theta, **(scaling or {"rope_type": "default"})},
        "rope_scaling": scaling,
        "rope_theta": architecture.rope_theta,
        "tie_word_embeddings": architecture.tie_word_embeddings,
        "torch_dtype": architecture.dtype,
        "use_cache": True,
        "vocab_size": architecture.vocab_size,
    }


def scaling_values(scaling: RopeScaling | None) -> dict | None:
    """rope_scaling as Hugging Face spells it: only the keys that its type reads."""
    if scaling is None:
        return None
    keys = LLAMA3_KEYS if scaling.rope_type == "llama3" else ("factor",)
    return {"rope_type": scaling.rope_type, **{key: getattr(scaling, key) for key in keys}}


def write_generation_config(bos_id: int | None, eos_id: int | None) -> dict:
    """generation_config.json's values: where a text begins and ends."""
    return {"bos_token_id": bos_id, "eos_token_id": eos_id}
