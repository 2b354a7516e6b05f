# What the rules share: the checked configuration, the hash of a command's code, the settings of each stage.
# No torch and no pydantic here: on a cluster every job parses this again.
import inspect
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

from contracts.files import atomic_text
from contracts.fingerprint import canonical_json, sha256_text
from eval.cells import (
    all_ways,
    answer_settings,
    answered_by_trainer,
    answering_modules,
    cell_settings,
    cells_of,
    outdated_hops,
    planned_parts,
    scoring_settings,
    ways_of,
)
from eval.detection.detectors import DETECTORS
from eval.registry import BENCHMARKS as KNOWN_BENCHMARKS
from eval.registry import WORKFLOW_DATA, known_task
from workflow.command_code import code_digest
from workflow.sole_run import claim_folder

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
    refuse_what_is_outdated()
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


def refuse_what_is_outdated():
    """Stop at keys and names of before with what to write instead, which the schema can not know."""
    section = config.get("eval")
    for key in ("benchmarks", "hops"):
        section = section.get(key) if isinstance(section, dict) else None
    if isinstance(section, dict) and (complaint := outdated_hops(section)):
        bad_configuration(f"eval.benchmarks.hops.{complaint}")


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


def reads_books():
    """Whether a chosen task takes its texts from the held-back books."""
    return any("books" in known_task(benchmark, task).needs for benchmark, task, _ in cells_of(config["eval"]))


def models_template():
    """The file with the evaluated models' chat template; None where there is none, or where it is the tokenizer's own."""
    template = config["eval"]["chat_template"]
    return None if template == "tokenizer" else template


def check_places():
    """Stop where what the run starts from is absent; Snakemake would name a rule and a file, but no key."""
    books = not config["mix"] or not config["tokenizer"]["path"] or reads_books()
    places = {
        "corpus.path": (config["corpus"]["path"] if books else None, "the corpus"),
        "tokenizer.path": (config["tokenizer"]["path"], "the tokenizer"),
        "model.hugging_face": (config["model"]["hugging_face"], "the model (config.json and safetensors)"),
        "eval.chat_template": (models_template(), "the models' chat template"),
        **{
            f"mix.{name}.path": (part["path"], "the samples")
            for name, part in (config["mix"] or {}).items()
            if isinstance(part, dict) and part["samples"] + part["validation_samples"]
        },
    }
    for benchmark, task, _ in cells_of(config["eval"]):
        for key in known_task(benchmark, task).needs:
            if key not in WORKFLOW_DATA and not config["eval"]["data"].get(key):
                bad_configuration(
                    f"eval.benchmarks.{benchmark}: task {task} needs eval.data.{key}; name its file or folder, or leave the "
                    "task out"
                )
    for key, (place, content) in places.items():
        fetched = place in config["fetch"] or any(Path(str(place)) in Path(name).parents for name in config["fetch"])
        if place is not None and not Path(place).exists() and not fetched:
            bad_configuration(f"{key}: nothing at {place}; fetch {content} to there, or set {key} to where it is")


def check_across_sections():
    """Stop before the first job where two sections contradict each other."""
    command = [sys.executable, "-m", "workflow.configuration", canonical_json(config)]
    if (checked := subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})).returncode:
        sys.exit(checked.returncode)


SCHEMA = check_configuration()
check_places()
# A dry run only looks, and a job belongs to the Snakemake that submitted it.
CLAIM = claim_folder() if workflow.is_main_process and not workflow.output_settings.dryrun else None
# Every command leaves a record of itself here (contracts/job_record.py); no rule declares or reads it.
os.environ.update(MEGATRON_CDT_RECORDS=f"results/{config['run']}/records")
KNOWN_METHODS = SCHEMA["$defs"]["TrainSection"]["properties"]["methods"]["items"]["enum"]

METHODS = list(config["train"]["methods"])
MODELS = METHODS + list(config["eval"]["models"])
# How models answer: methods of inference, and detectors where a task asks for tokens.
WAYS = all_ways(config["eval"])
CELLS = cells_of(config["eval"])
# Which cells share a loaded model. No job's input: it decides when an answer is computed, and nothing about it.
PLAN = f"results/{config['run']}/eval/plan.json"
if CLAIM:
    atomic_text(PLAN, canonical_json(planned_parts(config["eval"], MODELS, f"results/{config['run']}")))
STAGE_FOLDERS = ["tokenizer", "tokens/train", "tokens/validation", "packs/train", "packs/validation", "start"]
PROCESSES = config["train"]["layout"]["processes"]
THREADS = PROCESSES * config["train"]["cpu_threads"]
# When files are written: these change no number of a run, so a run folder goes on under other values of them.
BOOKKEEPING = ("checkpoint_interval", "checkpoint_async", "keep_checkpoints", "sinks")


def any_of(names):
    """A wildcard's pattern: one of these names; where there is none, a pattern that nothing matches."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def code_of(*modules):
    """Hash of the code behind a command: an edit of it reruns the command's jobs and what depends on them."""
    return code_digest(modules, bool(CLAIM))


def asked_often(function):
    """A function that is asked for every cell: its signature lies ready.

    Snakemake looks at the signature four times a call, and to make it out takes longer than these functions do.
    """
    function.__signature__ = inspect.signature(function)
    return function


@asked_often
def more_at_each_attempt(wildcards, attempt):
    """The memory of a job that reads texts of any length (MB)."""
    return 2500 * attempt


@cache
def books_of(split):
    """The files of one split of the corpus, each an input of its own: a touched, added or removed book is seen."""
    corpus, kind = Path(config["corpus"]["path"]), config["corpus"]["source"]
    if kind == "pg19" and not (corpus / split).is_dir() and not fetched_below(corpus):
        return [str(corpus)]
    return files_below(corpus / split if kind == "pg19" or (corpus / split).is_dir() else corpus)


@cache
def files_below(path):
    """The files of a set of data that are there or are to be fetched; the path itself where there are none."""
    there = {str(file) for file in path.rglob("*") if file.is_file() and not file.name.endswith(".partial")}
    return sorted(there | fetched_below(path)) or [str(path)]


def fetched_below(path):
    """The files that the configuration fetches to a place in a folder."""
    return {name for name in config["fetch"] if path in Path(name).parents}


def metadata_of_books():
    """The corpus's list of its books, where it has one."""
    return [str(path) for path in Path(config["corpus"]["path"]).glob("metadata.csv")]


@cache
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


def launcher(resources, threads):
    """What starts a training on every node of its Slurm job: `srun`, where a profile gives the training `mpi`.

    Snakemake then leaves the job's only step to this `srun`, which is also where Slurm's signals arrive.
    """
    if "mpi" not in resources.keys():
        return ""
    nodes, processors = resources.get("nodes", 1), resources.get("cpus_per_task", threads)
    devices = f"--gres={resources.gres} " if resources.get("gres") else ""
    return (
        f"srun --nodes={nodes} --ntasks={nodes} --cpus-per-task={processors} {devices}"
        "--kill-on-bad-exit=1 --cpu-bind=quiet "
    )


@asked_often
def asked_model(wildcards):
    """The folder of the model that answers a cell."""
    return model_folder(wildcards.model)


def model_folder(name):
    """The folder of a model: a method of this run or a further model by its name, else a path to a folder."""
    return f"results/{config['run']}/models/{name}" if name in METHODS else config["eval"]["models"].get(name, name)


def data_of(benchmark, task):
    """The keys of the data that a task reads, those left out that are optional and not given."""
    known, given = known_task(benchmark, task), config["eval"]["data"]
    return [*known.needs, *(key for key in known.takes if key in ("books", "train_tokens") or given.get(key))]


def data_path(key):
    """Where one of a task's data lies."""
    places = {
        "books": config["corpus"]["path"],
        "train_tokens": f"results/{config['run']}/tokens/train",
        "evaluator": model_folder((config["eval"]["benchmarks"].get("longppl") or {}).get("evaluator")),
    }
    return places.get(key) or config["eval"]["data"][key]


@asked_often
def sample_sources(wildcards):
    """What the samples of a task are built from, besides the tokenizer: {key: files}."""
    made = ("train_tokens", "evaluator")
    sources = {
        key: (
            books_of("test") if key == "books" else data_path(key) if key in made else files_below(Path(data_path(key)))
        )
        for key in data_of(wildcards.benchmark, wildcards.task)
    }
    asked = known_task(wildcards.benchmark, wildcards.task).answer != "losses"
    return sources | ({"chat_template": template} if asked and (template := models_template()) else {})


@asked_often
def sample_options(wildcards):
    """The same as an option on the command line."""
    pairs = [shlex.quote(f"{key}={data_path(key)}") for key in data_of(wildcards.benchmark, wildcards.task)]
    return " ".join(["--data", *pairs]) if pairs else ""


def has_judges():
    """Whether the configuration gives any model that scores answers."""
    return any(config["eval"]["data"].get(key) for name, task, _ in CELLS for key in known_task(name, task).judges)


def judges_of(wildcards):
    """{key: model folder} of the models that score a task's answers, those that the configuration gives."""
    given = config["eval"]["data"]
    return {key: given[key] for key in known_task(wildcards.benchmark, wildcards.task).judges if given.get(key)}


@asked_often
def judge_files(wildcards):
    """The files of those models."""
    return [file for path in judges_of(wildcards).values() for file in files_of(path)]


@asked_often
def judge_options(wildcards):
    """The same as an option on the command line."""
    pairs = [shlex.quote(f"{key}={path}") for key, path in judges_of(wildcards).items()]
    return " ".join(["--data", *pairs]) if pairs else ""


@asked_often
def settings_of(wildcards):
    """The part of the evaluation's settings that the samples of one cell depend on."""
    return canonical_json(cell_settings(config["eval"], wildcards.benchmark, wildcards.task, int(wildcards.length)))


# By the way of answering: the part of the evaluation's settings that its answers depend on.
ANSWER_OPTIONS = {way: canonical_json(answer_settings(config["eval"], way)) for way in WAYS}


@asked_often
def answer_options(wildcards):
    """The part of the evaluation's settings that the answers of a cell depend on."""
    return ANSWER_OPTIONS[wildcards.way]


@asked_often
def way_option(wildcards):
    """The option of `eval generate` that names the way of answering."""
    return f"--{'detector' if wildcards.way in DETECTORS else 'inference'} {wildcards.way}"


@asked_often
def code_of_answers(wildcards):
    """The code behind the answers of a task in a way."""
    modules = answering_modules(wildcards.way, config["eval"]["generation"]["backend"])
    return code_of("eval.commands.generate", *modules)


@asked_often
def code_of_samples(wildcards):
    """The code behind the samples of a task."""
    return code_of("eval.commands.build", known_task(wildcards.benchmark, wildcards.task).build)


@asked_often
def code_of_score(wildcards):
    """The code behind the score of a task."""
    return code_of("eval.commands.score", known_task(wildcards.benchmark, wildcards.task).score)


@asked_often
def scoring_options(wildcards):
    """The settings of the benchmark's scorer, where it has some, as an option on the command line."""
    settings = scoring_settings(config["eval"], wildcards.benchmark)
    return f"--settings {shlex.quote(canonical_json(settings))}" if settings else ""


def cell_paths(pattern):
    """One path for every (model, way, benchmark, task, length)."""
    return [
        path
        for benchmark, task, length in CELLS
        for way in ways_of(config["eval"], benchmark, task)
        for path in expand(pattern, model=MODELS, way=way, benchmark=benchmark, task=task, length=length)
    ]


def scores_of(model, way, benchmark):
    """The scores of one model, answered in one way, on one benchmark."""
    return [
        f"results/{config['run']}/eval/{model}/{way}/{benchmark}/{task}/{length}/score.json"
        for name, task, length in CELLS
        if name == benchmark and way in ways_of(config["eval"], benchmark, task)
    ]


def aggregate_paths(pattern):
    """One path for every (model, way, benchmark) that has a score."""
    return [
        pattern.format(model=model, way=way, benchmark=benchmark)
        for model in MODELS
        for way in WAYS
        for benchmark in dict.fromkeys(name for name, task, _ in CELLS if way in ways_of(config["eval"], name, task))
    ]


def sample_paths(pattern):
    """One path for every (benchmark, task, length)."""
    return [pattern.format(benchmark=benchmark, task=task, length=length) for benchmark, task, length in CELLS]


def ways_by(trainer):
    """A wildcard's pattern: the ways of answering that are the trainer's, or those that are `eval generate`'s."""
    return any_of(way for way in WAYS if answered_by_trainer(way) == trainer)


def pictured_cells(pattern):
    """One path for every model, of its shortest cell with gradients: the report colours the first text of it."""
    cells = [cell for cell in CELLS if "gradient" in ways_of(config["eval"], *cell[:2])]
    if not cells:
        return []
    benchmark, task, length = min(cells, key=lambda cell: cell[2])
    return expand(pattern, model=MODELS, way="gradient", benchmark=benchmark, task=task, length=length)


def picture_options(samples, predictions):
    """The same as options of `eval report`."""
    cells = zip(MODELS, samples * len(MODELS), predictions)
    return " ".join(f"--detect {model} {shlex.quote(asked)} {shlex.quote(found)}" for model, asked, found in cells)


# The sets of samples that the configuration draws from; none where it trains on the corpus.
SETS = [
    name
    for name, part in (config["mix"] or {}).items()
    if isinstance(part, dict) and part["samples"] + part["validation_samples"]
]


def set_files(dataset):
    """The files of one set of samples, each an input of its own."""
    return files_below(Path(config["mix"][dataset]["path"]))


def set_corpus(dataset):
    """How one set of samples is read: as the corpus, but for its format and its place."""
    return {**config["corpus"], "source": dataset, "path": config["mix"][dataset]["path"]}


def set_tokenize(dataset):
    """The tokenize settings of one set, with its own shortest sample where it has one."""
    least = config["mix"][dataset]["min_tokens"]
    samples = {**config["tokenize"]["samples"], **({"min_tokens": least} if least else {})}
    return {**config["tokenize"], "samples": samples}


def mix_settings():
    """What decides the mix; where its sets lie does not."""
    places = ("path", "min_tokens")
    return {
        name: {key: value for key, value in part.items() if key not in places} if isinstance(part, dict) else part
        for name, part in config["mix"].items()
    }


def chat_template_file():
    """The chat template that the configuration names, as an input; nothing where it is the tokenizer's own."""
    template = config["tokenize"]["samples"]["chat_template"]
    return [template] if template else []
