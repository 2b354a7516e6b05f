# What the rules share: the checked configuration, the hash of a command's code, the settings of each stage.
# No torch and no pydantic here: on a cluster every job parses this again.
import json
import os
import re
import shlex
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

from jsonschema.exceptions import best_match
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from contracts.fingerprint import canonical_json, code_fingerprint, sha256_text
from eval.registry import TASKS as KNOWN_TASKS

# The stages find the repository's packages from any working directory, and run in the Python that runs Snakemake
# unless Snakemake was told to make a conda environment for them.
if not workflow.deployment_settings.deployment_method:
    shell.prefix(f"set -euo pipefail; export PYTHONPATH={REPOSITORY} PATH={Path(sys.executable).parent}:$PATH; ")
else:
    shell.prefix(f"set -euo pipefail; export PYTHONPATH={REPOSITORY}; ")


def bad_configuration(message):
    """End with one line; no traceback helps to mend a configuration."""
    print(f"error: configuration: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def check_configuration():
    """Refuse what the schema does not know, fill in the defaults, and return the schema."""
    schema_file = REPOSITORY / "workflow/schemas/config.schema.json"
    try:
        validate(config, str(schema_file), set_default=False)
    except WorkflowError as error:
        complaint = best_match([error.__context__])
        place = "".join(f"{part}." for part in complaint.absolute_path).rstrip(".")
        known = complaint.schema.get("properties", {}) if complaint.validator == "additionalProperties" else {}
        hint = f"; known keys: {', '.join(known)}" if known else ""
        bad_configuration(f"{place or 'top level'}: {complaint.message}{hint}")
    schema = json.loads(schema_file.read_text())
    fill_defaults(config, schema, schema["$defs"])
    return schema


def fill_defaults(values, schema, definitions):
    """Put the schema's default where a key is absent, in nested objects too (Snakemake's own trips over nulls)."""
    for option in [schema, *schema.get("anyOf", [])]:
        if "$ref" in option:
            fill_defaults(values, definitions[option["$ref"].rsplit("/", 1)[-1]], definitions)
    for key, described in schema.get("properties", {}).items():
        if "default" in described:
            values.setdefault(key, deepcopy(described["default"]))
        if isinstance(values.get(key), dict):
            fill_defaults(values[key], described, definitions)


def check_places():
    """Stop where what the run starts from is absent; Snakemake would name a rule and a file, but no key."""
    places = {
        "corpus.path": (config["corpus"]["path"], "the corpus"),
        "tokenizer.path": (config["tokenizer"]["path"], "the tokenizer"),
        "model.hugging_face": (config["model"]["hugging_face"], "the model (config.json and safetensors)"),
    }
    for key, (place, content) in places.items():
        if place is not None and not Path(place).exists():
            bad_configuration(f"{key}: nothing at {place}; fetch {content} to there, or set {key} to where it is")


def check_across_sections():
    """Stop before the first job where two sections contradict each other."""
    command = [sys.executable, "-m", "workflow.configuration", canonical_json(config)]
    if (checked := subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})).returncode:
        sys.exit(checked.returncode)


SCHEMA = check_configuration()
check_places()
KNOWN_METHODS = SCHEMA["$defs"]["TrainSection"]["properties"]["methods"]["items"]["enum"]

METHODS = list(config["train"]["methods"])
TASKS = list(config["eval"]["tasks"])
LENGTHS = list(config["eval"]["lengths"])
GRADIENT_TASKS = [task for task in TASKS if KNOWN_TASKS[task].answer == "norms"]
BOOK_TASKS = ("perplexity", "longppl", "hops")
STAGE_FOLDERS = ["tokenizer", "tokens/train", "tokens/validation", "packs/train", "packs/validation", "start"]
PROCESSES = config["train"]["layout"]["processes"]
THREADS = PROCESSES * config["train"]["cpu_threads"]
# When files are written: these change no number of a run, so a run folder goes on under other values of them.
BOOKKEEPING = ("checkpoint_interval", "keep_checkpoints")


def any_of(names):
    """A wildcard's pattern: one of these names."""
    return "|".join(re.escape(name) for name in names)


@cache
def code_of(*modules):
    """Hash of the code behind a command: an edit of it reruns the command's jobs and what depends on them."""
    return code_fingerprint(*modules)


def books_of(split):
    """The files of one split of the corpus, each an input of its own: a touched, added or removed book is seen."""
    corpus = Path(config["corpus"]["path"])
    if not (corpus / split).is_dir():
        return [str(corpus)]
    return sorted(map(str, (corpus / split).glob("*.txt")))


def metadata_of_books():
    """The corpus's list of its books, where it has one."""
    return [str(path) for path in Path(config["corpus"]["path"]).glob("metadata.csv")]


def files_of(path):
    """A file, or the files of a folder: each an input of its own, since a folder's time says little."""
    return sorted(str(file) for file in Path(path).iterdir() if file.is_file()) if Path(path).is_dir() else [path]


def tokenizer_sources():
    """What the tokenizer is made from: the one that the configuration names, or the books to train it on."""
    given = config["tokenizer"]["path"]
    return {"given": files_of(given)} if given else {"books": books_of(config["tokenizer"]["split"])}


def given_model():
    """The files of the Hugging Face folder that the configuration starts from; nothing from scratch."""
    folder = config["model"]["hugging_face"]
    return {"hugging_face": files_of(folder)} if folder else {}


def train_settings(method):
    """The training settings of one method; another method's own section stays out of them."""
    of_others = set(KNOWN_METHODS) - {method} | {"methods"}
    return {key: value for key, value in config["train"].items() if key not in of_others} | {"method": method}


def run_folder(method):
    """Where a training keeps its checkpoints and metrics: one folder for each of its settings."""
    decisive = {key: value for key, value in train_settings(method).items() if key not in BOOKKEEPING}
    return f"results/{config['run']}/train/{method}/run-{sha256_text(canonical_json(decisive))[:12]}"


def model_folder(name):
    """The folder of a model: a method of this run by its name, else a path to a Hugging Face folder."""
    return f"results/{config['run']}/models/{name}" if name in METHODS else name


def task_settings(task, length):
    """The part of the evaluation's settings that the samples of one task and length depend on."""
    shared = {key: config["eval"][key] for key in ("seed", "begin_with_bos", task)}
    return {**shared, "tasks": [task], "lengths": [int(length)]}


def sample_sources(task):
    """What a task's samples are built from, besides the tokenizer: {option of `eval build`: files}."""
    sources = {}
    if task in BOOK_TASKS:
        sources["books"] = books_of("test")
    if task == "perplexity":
        sources["train_tokens"] = f"results/{config['run']}/tokens/train"
    if task == "longppl":
        sources["evaluator"] = model_folder(config["eval"]["longppl"]["evaluator"])
    return sources


def sample_options(task):
    """The same as options on the command line; books are named by their folder."""
    given = {**sample_sources(task), **({"books": config["corpus"]["path"]} if task in BOOK_TASKS else {})}
    return " ".join(f"--{option.replace('_', '-')} {shlex.quote(value)}" for option, value in given.items())


def cells(pattern):
    """One path for every model, task and length."""
    return expand(pattern, model=METHODS, task=TASKS, length=LENGTHS)


def pictured_cells(pattern):
    """One path for every model, of its shortest cell with gradients: the report colours the first text of it."""
    return expand(
        pattern, zip, model=METHODS, task=GRADIENT_TASKS[:1] * len(METHODS), length=[min(LENGTHS)] * len(METHODS)
    )


def picture_options(samples, predictions):
    """The same as options of `eval report`."""
    cells = zip(METHODS, samples, predictions)
    return " ".join(f"--detect {model} {shlex.quote(asked)} {shlex.quote(found)}" for model, asked, found in cells)
