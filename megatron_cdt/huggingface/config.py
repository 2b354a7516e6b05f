"""config.json <-> Architecture.

in : a Hugging Face folder's config.json (model_type llama, mistral, qwen2 or qwen3; attention over the whole context)
out: the same model's Architecture; and from an Architecture a config.json that transformers 4 and 5 both read
Invariant: read_architecture(what write_config wrote) is the same Architecture; a setting that would change the
maths and is not understood is refused, never ignored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file, existing_folder
from contracts.settings import validated
from megatron_cdt.architecture import MAY_HAVE, Architecture, Family
from megatron_cdt.huggingface.rope import read_rope, write_rope

CONFIG_NAME = "config.json"
GENERATION_CONFIG_NAME = "generation_config.json"
# What transformers takes where config.json is silent, whatever the family.
DEFAULTS = {"rms_norm_eps": 1e-6, "initializer_range": 0.02, "tie_word_embeddings": False}
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


@dataclass(frozen=True)
class FamilyConfig:
    """How the config.json of a family differs from the others'.

    `written` are the keys by which it says that there is no window and that no projection has a bias, `defaults` what
    transformers takes where it is silent, `harmless` what this family has in place of HARMLESS. A window that
    `window_is_switched` counts only where use_sliding_window is true.
    """

    model_class: str
    written: Mapping[str, object]
    defaults: Mapping[str, int]
    harmless: Mapping[str, tuple] = field(default_factory=dict)
    window_is_switched: bool = False


WINDOW_OFF = {"sliding_window": None, "use_sliding_window": False}
FAMILIES: dict[Family, FamilyConfig] = {
    "llama": FamilyConfig(
        "LlamaForCausalLM",
        {"attention_bias": False, "mlp_bias": False},
        {"max_position_embeddings": 2048},
        {"attention_bias": (False, True), "mlp_bias": (False, True)},
    ),
    "mistral": FamilyConfig(
        "MistralForCausalLM",
        {"sliding_window": None},
        {"max_position_embeddings": 4096 * 32, "num_key_value_heads": 8, "sliding_window": 4096},
    ),
    "qwen2": FamilyConfig(
        "Qwen2ForCausalLM",
        WINDOW_OFF,
        {"max_position_embeddings": 32768, "num_key_value_heads": 32},
        window_is_switched=True,
    ),
    "qwen3": FamilyConfig(
        "Qwen3ForCausalLM",
        {"attention_bias": False, **WINDOW_OFF},
        {"max_position_embeddings": 32768, "num_key_value_heads": 32, "head_dim": 128},
        {"attention_bias": (False, True)},
        window_is_switched=True,
    ),
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
    config = {**DEFAULTS, **FAMILIES[config["model_type"]].defaults, **config}
    heads = config.get("num_attention_heads")
    values = {
        "family": config["model_type"],
        "vocab_size": config.get("vocab_size"),
        "hidden_size": config.get("hidden_size"),
        "num_layers": config.get("num_hidden_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads"),
        "head_dim": config.get("head_dim"),
        "ffn_hidden_size": config.get("intermediate_size"),
        "max_position_embeddings": config["max_position_embeddings"],
        "dtype": str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch."),
        "sliding_window": config.get("sliding_window") if config["model_type"] == "mistral" else None,
        **{key: config["model_type"] in families and bool(config.get(key)) for key, families in MAY_HAVE.items()},
        **read_rope(config, path),
        **{key: config[key] for key in DEFAULTS},
    }
    if isinstance(heads, int) and heads > 0 and isinstance(values["hidden_size"], int):
        values["num_key_value_heads"] = values["num_key_value_heads"] or heads
        values["head_dim"] = values["head_dim"] or values["hidden_size"] // heads
    return validated(Architecture, values, str(path))


def check_supported(config: dict, path: Path) -> None:
    """One line for a model type, or a setting, whose maths is not ours."""
    name = config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise InputError(f"{path}: model_type {name!r} is not supported; supported: {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    for key, harmless in {**HARMLESS, **family.harmless}.items():
        value = config.get(key)
        if value is not None and value not in harmless:
            refuse(path, key, value)
    window = config.get("sliding_window")
    if window is not None and name != "mistral" and not family.window_is_switched:
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
        "architectures": [FAMILIES[architecture.family].model_class],
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
        **FAMILIES[architecture.family].written,
        **{key: True for key in MAY_HAVE if getattr(architecture, key)},
        **({"sliding_window": architecture.sliding_window} if architecture.sliding_window else {}),
    }


def write_generation_config(bos_id: int | None, eos_id: int | None) -> dict:
    """generation_config.json's values: where a text begins and ends."""
    return {"bos_token_id": bos_id, "eos_token_id": eos_id}
