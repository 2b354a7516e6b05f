"""RoPE in config.json: every spelling of it -> the base and RopeScaling's values, and back into both spellings.

in : config.json's values                       out: {"rope_theta": ..., "rope_scaling": {...} or None}
transformers 4 writes rope_theta and rope_scaling, transformers 5 writes rope_parameters.
Invariant: a stretch that is not understood is refused, never ignored.
"""

from pathlib import Path

from contracts.errors import InputError
from megatron_cdt.architecture import READ_BY_ROPE_TYPE, Architecture, RopeScaling

DEFAULT_ROPE_THETA = 10000.0
# Keys that have a default where config.json is silent.
OPTIONAL = ("beta_fast", "beta_slow", "attention_factor", "truncate")
# YaRN's keys that change its maths, and the values with which they change nothing here.
HARMLESS_IN_YARN = {"mscale": (None,), "mscale_all_dim": (None,)}


def read_rope(config: dict, path: Path) -> dict:
    """rope_theta and rope_scaling (None for plain RoPE) as an Architecture's values; InputError for another maths."""
    given = rope_parameters(config, path)
    if given.get("partial_rotary_factor", 1) != 1:
        raise InputError(f"{path}: partial_rotary_factor {given['partial_rotary_factor']} is not supported; use 1")
    return {"rope_theta": given.get("rope_theta", DEFAULT_ROPE_THETA), "rope_scaling": read_scaling(given, path)}


def rope_parameters(config: dict, path: Path) -> dict:
    """The RoPE settings as one flat dict, from either spelling; {} where the model has none."""
    scaling = config.get("rope_scaling") or {}
    newer = config.get("rope_parameters") or {}
    for key, value in (("rope_scaling", scaling), ("rope_parameters", newer)):
        if not isinstance(value, dict) or any(isinstance(inner, dict) for inner in value.values()):
            raise InputError(f"{path}: {key} must be one flat object; one for each kind of layer is not supported")
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


def read_scaling(given: dict, path: Path) -> dict | None:
    """The stretch of the rotary frequencies as RopeScaling's values; None for plain RoPE."""
    kind = given.get("rope_type", "default")
    if kind == "default":
        return None
    if kind not in READ_BY_ROPE_TYPE:
        supported = ", ".join(["default", *READ_BY_ROPE_TYPE])
        raise InputError(f"{path}: rope_type {kind!r} is not supported; supported: {supported}")
    for key, harmless in HARMLESS_IN_YARN.items() if kind == "yarn" else ():
        if given.get(key) not in harmless:
            raise InputError(f"{path}: yarn with {key} {given[key]} is not supported; state attention_factor instead")
    if kind == "yarn" and given.get("truncate", True) is None:
        raise InputError(
            f"{path}: yarn with truncate null, which versions of transformers read otherwise; say true or false"
        )
    for key in ("factor", *READ_BY_ROPE_TYPE[kind]):
        if given.get(key) is None and key not in OPTIONAL:
            raise InputError(f"{path}: rope_type {kind} needs {key}; add it to rope_scaling")
    keys = [key for key in ("factor", *READ_BY_ROPE_TYPE[kind]) if given.get(key) is not None]
    return {"rope_type": kind, **{key: given[key] for key in keys}}


def write_rope(architecture: Architecture) -> dict:
    """config.json's RoPE in both spellings: transformers 4 ignores rope_parameters silently."""
    scaling = scaling_values(architecture.rope_scaling)
    return {
        "rope_parameters": {"rope_theta": architecture.rope_theta, **(scaling or {"rope_type": "default"})},
        "rope_scaling": scaling,
        "rope_theta": architecture.rope_theta,
    }


def scaling_values(scaling: RopeScaling | None) -> dict | None:
    """rope_scaling as Hugging Face spells it: only the keys that its type reads and that are set."""
    if scaling is None:
        return None
    values = {key: getattr(scaling, key) for key in ("factor", *READ_BY_ROPE_TYPE[scaling.rope_type])}
    if values.get("truncate"):
        # What every version of transformers does; older ones do not know the key.
        del values["truncate"]
    return {"rope_type": scaling.rope_type, **{key: value for key, value in values.items() if value is not None}}
