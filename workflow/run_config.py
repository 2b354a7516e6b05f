"""A configuration as Snakemake hands it over, checked and made whole: what the schema knows, with its defaults.

in : the mapping of a configuration file, and config.schema.json
out: the same mapping with every default filled in; InputError with one line that names the key and the cure
No torch and no pydantic here: on a cluster every job reads this again.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from contracts.errors import InputError
from contracts.files import is_there, shown_path
from contracts.yaml_files import yaml_object
from eval.cells import cells_of, outdated_hops
from eval.registry import WORKFLOW_DATA, known_task

SCHEMA_FILE = Path(__file__).parent / "schemas/config.schema.json"


def read_schema() -> dict:
    """The JSON schema of a configuration, which `python -m workflow.schemas.generate` writes."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def check_files(paths: Iterable[str]) -> None:
    """Read the configuration's files once more: Snakemake keeps the last of two equal keys and says nothing."""
    for path in paths:
        yaml_object(Path(path))


def check_against_schema(config: dict, schema: dict) -> None:
    """Refuse what the schema does not know; keys and names of before with what to write instead."""
    section = config.get("eval")
    for key in ("benchmarks", "hops"):
        section = section.get(key) if isinstance(section, dict) else None
    if isinstance(section, dict) and (complaint := outdated_hops(section)):
        raise InputError(f"eval.benchmarks.hops.{complaint}")
    complaint = best_match(Draft202012Validator(schema).iter_errors(config))
    if complaint is not None:
        place = ".".join(map(str, complaint.absolute_path))
        known = complaint.schema.get("properties", {}) if complaint.validator == "additionalProperties" else {}
        hint = f"; known keys: {', '.join(known)}" if known else ""
        raise InputError(f"{place or 'top level'}: {complaint.message}{hint}")


def fill_defaults(values: dict, schema: dict, definitions: dict) -> None:
    """Put the schema's default where a key is absent, in nested objects too (Snakemake's own trips over nulls)."""
    for option in [schema, *schema.get("anyOf", [])]:
        if "$ref" in option:
            fill_defaults(values, definitions[option["$ref"].rsplit("/", 1)[-1]], definitions)
    for key, described in schema.get("properties", {}).items():
        if "default" in described:
            values.setdefault(key, deepcopy(described["default"]))
        if isinstance(values.get(key), dict):
            fill_defaults(values[key], described, definitions)


def drawn_sets(config: dict) -> dict[str, dict]:
    """{name: its section} of the sets of samples that the configuration draws from; none where it trains on books."""
    return {
        name: part
        for name, part in (config["mix"] or {}).items()
        if isinstance(part, dict) and part["samples"] + part["validation_samples"]
    }


def chat_template_file(template: str | None) -> str | None:
    """The file of the evaluated models' chat template; None where there is none, or where it is the tokenizer's own."""
    return None if template == "tokenizer" else template


def check_places(config: dict) -> None:
    """Stop where what the run starts from is absent; Snakemake would name a rule and a file, but no key."""
    cells = cells_of(config["eval"])
    reads_books = any("books" in known_task(benchmark, task).needs for benchmark, task, _ in cells)
    books = not config["mix"] or not config["tokenizer"]["path"] or reads_books
    places = {
        "corpus.path": (config["corpus"]["path"] if books else None, "the corpus"),
        "tokenizer.path": (config["tokenizer"]["path"], "the tokenizer"),
        "model.hugging_face": (config["model"]["hugging_face"], "the model (config.json and safetensors)"),
        "model.adapter": (config["model"]["adapter"], "the adapter (adapter_config.json and safetensors)"),
        "eval.chat_template": (chat_template_file(config["eval"]["chat_template"]), "the models' chat template"),
        **{f"mix.{name}.path": (part["path"], "the samples") for name, part in drawn_sets(config).items()},
    }
    for benchmark, task, _ in cells:
        for key in known_task(benchmark, task).needs:
            if key not in WORKFLOW_DATA and not config["eval"]["data"].get(key):
                raise InputError(
                    f"eval.benchmarks.{benchmark}: task {task} needs eval.data.{key}; name its file or folder, or "
                    "leave the task out"
                )
    for key, (place, content) in places.items():
        fetched = place in config["fetch"] or any(Path(str(place)) in Path(name).parents for name in config["fetch"])
        if place is not None and not is_there(place) and not fetched:
            raise InputError(
                f"{key}: nothing at {shown_path(place)}; fetch {content} to there, or set {key} to where it is"
            )


def check_folder(place: str) -> None:
    """Refuse a working folder whose name Snakemake cannot hand to a job of a cluster: it quotes as Python does."""
    if "\\" in place or ("'" in place and any(sign in place for sign in '"$`')):
        raise InputError(
            f"{place}: jobs of a cluster cannot be started there (' beside \", $ or `, or \\); rename the folder"
        )
