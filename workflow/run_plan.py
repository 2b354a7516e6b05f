"""The plan of one run: what each rule reads, which settings reach which command, which code stands behind it.

in : a checked configuration with its defaults (workflow/run_config.py)
out: `RunPlan`, of which the rules ask everything that is more than a path
Invariant: what a job is given as settings holds nothing that only other jobs read: a change reruns what reads it.
Plain dictionaries, no torch and no pydantic: on a cluster every job makes this again.
`wildcards` have Snakemake's attributes: model, way (a method of inference, or a detector), benchmark, task, length.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from contracts.fingerprint import canonical_json, sha256_text
from eval.cells import (
    all_ways,
    answer_settings,
    answered_by_trainer,
    answering_modules,
    cell_settings,
    cells_of,
    decisive_answer_settings,
    planned_parts,
    scoring_settings,
    ways_of,
)
from eval.detection.detectors import DETECTORS
from eval.registry import BENCHMARKS, Task, known_task
from megatron_cdt.objectives.registry import METHODS
from workflow.analysis_plan import AnalysisPlan, filled
from workflow.command_code import code_digest
from workflow.data_plan import DataPlan, files_of
from workflow.devices import on_devices
from workflow.run_config import chat_template_file, drawn_sets
from workflow.study import merged

STAGE_FOLDERS = ("tokenizer", "tokens/train", "tokens/validation", "packs/train", "packs/validation", "start")


def any_of(names: Iterable[str]) -> str:
    """A wildcard's pattern: one of these names; where there is none, a pattern that nothing matches."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def launcher(resources: Any, threads: int) -> str:
    """What starts a training on every node of its Slurm job: `srun`, where a profile gives the training `mpi`.

    Snakemake then leaves the job's only step to this `srun`, which is also where Slurm's signals arrive. Without `mpi`
    it is what gives the training GPUs of its own, where it asks for some.
    """
    if "mpi" not in resources.keys():  # noqa: SIM118 (Snakemake's resources are no mapping)
        return on_devices(resources)
    nodes, processors = resources.get("nodes", 1), resources.get("cpus_per_task", threads)
    devices = f"--gres={resources.gres} " if resources.get("gres") else ""
    return (
        f"srun --nodes={nodes} --ntasks={nodes} --cpus-per-task={processors} {devices}"
        "--kill-on-bad-exit=1 --cpu-bind=quiet "
    )


def data_options(paths: Mapping[str, str]) -> str:
    """Paths by key, as the option of a command line."""
    return " ".join(["--data", *(shlex.quote(f"{key}={path}") for key, path in paths.items())]) if paths else ""


class RunPlan:
    """One run. Everything that is asked for every cell is looked up once."""

    def __init__(self, config: dict, schema: dict, record_code: bool = False) -> None:
        self.config = config
        self.train_keys = schema["$defs"]["TrainSection"]["properties"]
        self.record_code = record_code
        self.run = config["run"]
        self.results = f"results/{self.run}"
        self.methods = [*config["train"]["methods"], *config["train"]["variants"]]
        self.models = self.methods + list(config["eval"]["models"])
        self.ways = all_ways(config["eval"])
        self.cells = cells_of(config["eval"])
        self.sets = list(drawn_sets(config))
        self.data = DataPlan(config)
        self.analysis = AnalysisPlan(config, self.results, self.methods, self.cells)

    # What the stages are told

    def code(self, *roots: str) -> str:
        """Hash of the code behind a command: an edit of it reruns the command's jobs and what depends on them."""
        return code_digest(roots, self.record_code)

    def section(self, name: str) -> str:
        """One section of the configuration, as a command takes it."""
        return canonical_json(self.config[name])

    def method_of(self, name: str) -> str:
        """The method of one training; most bear its name."""
        return self.config["train"]["variants"].get(name, {}).get("method", name)

    def train_settings(self, name: str) -> dict:
        """The settings of one training; the sections of other methods stay out of them."""
        method, section = self.method_of(name), self.config["train"]
        others = {*self.train_keys["methods"]["items"]["enum"], "methods", "variants"} - {method}
        settings = merged(section, section["variants"].get(name)) | {"method": method}
        return {key: value for key, value in settings.items() if key not in others}

    def decisive_train_settings(self, method: str) -> dict:
        """Those of them that decide a number of the run.

        What only says when and where files are written ("bookkeeping" in the schema) does not.
        """
        return {
            key: value
            for key, value in self.train_settings(method).items()
            if not self.train_keys.get(key, {}).get("bookkeeping")
        }

    def code_of_training(self, method: str) -> str:
        """The code behind one training: the command's, and its method's."""
        return self.code("megatron_cdt.training.train_command", METHODS[self.method_of(method)].module)

    def packs_of(self, name: str) -> str:
        """The rows that a training reads: the pairs, where its method learns from pairs; validation has no twins."""
        return f"{self.results}/{'paired_packs' if METHODS[self.method_of(name)].pairs else 'packs'}/train"

    def run_folder(self, method: str) -> str:
        """Where a training keeps its checkpoints and metrics: one folder for each of its settings."""
        decisive = canonical_json(self.decisive_train_settings(method))
        return f"{self.results}/train/{method}/run-{sha256_text(decisive)[:12]}"

    @property
    def train_threads(self) -> int:
        """Processors of one training."""
        return self.config["train"]["layout"]["processes"] * self.config["train"]["cpu_threads"]

    # What a training starts from

    def given_model(self) -> dict[str, list[str]]:
        """The files of the Hugging Face folder, and of the adapter, that the configuration starts from."""
        given = {key: self.config["model"][key] for key in ("hugging_face", "adapter")}
        return {key: files_of(folder) for key, folder in given.items() if folder}

    def start_settings(self) -> str:
        """What the start of all trainings is made from; a given model has no weights to draw."""
        unread = ("seed",) if self.config["model"]["hugging_face"] else ()
        return canonical_json({key: value for key, value in self.config["model"].items() if key not in unread})

    def code_of_tokenizer(self) -> str:
        """The code behind the tokenizer."""
        source = f"data_prep.sources.{self.config['corpus']['source']}"
        return self.code("data_prep.commands.tokenizer", *([source] if self.data.trains_tokenizer else []))

    # What a cell reads

    def task(self, wildcards: Any) -> Task:
        """What the registry says of a cell's task."""
        return known_task(wildcards.benchmark, wildcards.task)

    def model_of(self, wildcards: Any) -> str:
        """The folder of the model that answers a cell."""
        return self.model_folder(wildcards.model)

    def model_folder(self, name: str | None) -> str | None:
        """The folder of a model: a method of this run or a further model by its name, else a path to a folder."""
        return (
            f"{self.results}/models/{name}" if name in self.methods else self.config["eval"]["models"].get(name, name)
        )

    def data_paths(self, wildcards: Any) -> dict[str, str]:
        """{key: place} of the data that a task reads, those left out that are optional and not given."""
        task, given = self.task(wildcards), self.config["eval"]["data"]
        longppl = self.config["eval"]["benchmarks"].get("longppl") or {}
        own = {
            "books": self.config["corpus"]["path"],
            "train_tokens": f"{self.results}/tokens/train",
            "evaluator": self.model_folder(longppl.get("evaluator")),
        }
        keys = [*task.needs, *(key for key in task.takes if key in ("books", "train_tokens") or given.get(key))]
        return {key: own.get(key) or given[key] for key in keys}

    def sample_sources(self, wildcards: Any) -> dict[str, list[str] | str]:
        """What the samples of a task are built from, besides the tokenizer: {key: files}."""
        sources: dict[str, list[str] | str] = {}
        for key, place in self.data_paths(wildcards).items():
            if key == "books":
                sources[key] = self.data.books("test")
            else:
                made_by_the_run = key in ("train_tokens", "evaluator")
                sources[key] = place if made_by_the_run else self.data.files_below(Path(place))
        template = chat_template_file(self.config["eval"]["chat_template"])
        if template and self.task(wildcards).answer != "losses":
            sources["chat_template"] = template
        return sources

    def sample_options(self, wildcards: Any) -> str:
        """The same as an option on the command line."""
        return data_options(self.data_paths(wildcards))

    def sample_settings(self, wildcards: Any) -> str:
        """The part of the evaluation's settings that the samples of one cell depend on."""
        cell = (wildcards.benchmark, wildcards.task, int(wildcards.length))
        return canonical_json(cell_settings(self.config["eval"], *cell))

    def code_of_samples(self, wildcards: Any) -> str:
        """The code behind the samples of a task."""
        return self.code("eval.commands.build", self.task(wildcards).build)

    # What answers and scores a cell

    @cached_property
    def settings_by_way(self) -> dict[str, str]:
        """By the way of answering: the part of the evaluation's settings that its answers depend on."""
        return {way: canonical_json(answer_settings(self.config["eval"], way)) for way in self.ways}

    def answer_settings(self, wildcards: Any) -> str:
        """The part of the evaluation's settings that the answers of a cell depend on."""
        return self.settings_by_way[wildcards.way]

    @cached_property
    def decisive_by_way(self) -> dict[tuple[str, str], str]:
        """By the way of answering and what is asked for: those settings that decide the bytes of the answers."""
        asked = {
            (way, known_task(name, task).answer) for name, task, _ in self.cells for way in self.ways_of(name, task)
        }
        return {pair: canonical_json(decisive_answer_settings(self.config["eval"], *pair)) for pair in asked}

    def decisive_answer_settings(self, wildcards: Any) -> str:
        """Those of them that decide the bytes of a cell's answers."""
        return self.decisive_by_way[wildcards.way, self.task(wildcards).answer]

    def way_option(self, wildcards: Any) -> str:
        """The option of `eval generate` that names the way of answering."""
        return f"--{'detector' if wildcards.way in DETECTORS else 'inference'} {wildcards.way}"

    def code_of_answers(self, wildcards: Any) -> str:
        """The code behind the answers of a task in a way."""
        modules = answering_modules(wildcards.way, self.config["eval"]["generation"]["backend"])
        return self.code("eval.commands.generate", *modules)

    def judges(self, wildcards: Any) -> dict[str, str]:
        """{key: model folder} of the models that score a task's answers, those that the configuration gives."""
        given = self.config["eval"]["data"]
        return {key: given[key] for key in self.task(wildcards).judges if given.get(key)}

    @cached_property
    def has_judges(self) -> bool:
        """Whether the configuration gives any model that scores answers."""
        given = self.config["eval"]["data"]
        return any(given.get(key) for name, task, _ in self.cells for key in known_task(name, task).judges)

    def judge_files(self, wildcards: Any) -> list[str]:
        """The files of the models that score a task's answers."""
        return [file for path in self.judges(wildcards).values() for file in files_of(path)]

    def judge_options(self, wildcards: Any) -> str:
        """Those models as an option on the command line."""
        return data_options(self.judges(wildcards))

    def code_of_score(self, wildcards: Any) -> str:
        """The code behind the score of a task."""
        return self.code("eval.commands.score", self.task(wildcards).score)

    def scoring_options(self, wildcards: Any) -> str:
        """The settings of the benchmark's scorer, where it has some, as an option on the command line."""
        settings = scoring_settings(self.config["eval"], wildcards.benchmark)
        return f"--settings {shlex.quote(canonical_json(settings))}" if settings else ""

    def code_of_average(self, wildcards: Any) -> str:
        """The code behind the averages of a benchmark."""
        return self.code("eval.commands.aggregate", BENCHMARKS[wildcards.benchmark].aggregate)

    # Which files there are

    def shared_models(self) -> str:
        """Which cells share a loaded model, as JSON. It decides when an answer is computed, and nothing about it."""
        return canonical_json(planned_parts(self.config["eval"], self.models, self.results))

    def ways_of(self, benchmark: str, task: str) -> list[str]:
        """The ways in which models answer a task's cells."""
        return ways_of(self.config["eval"], benchmark, task)

    def ways_by(self, *, trainer: bool) -> str:
        """A wildcard's pattern: the ways of answering that are the trainer's, or those that are `eval generate`'s."""
        return any_of(way for way in self.ways if answered_by_trainer(way) == trainer)

    def cell_paths(self, pattern: str) -> list[str]:
        """One path for every (model, way, benchmark, task, length)."""
        return [
            filled(pattern, model=model, way=way, benchmark=benchmark, task=task, length=length)
            for benchmark, task, length in self.cells
            for way in self.ways_of(benchmark, task)
            for model in self.models
        ]

    def scores_of(self, wildcards: Any) -> list[str]:
        """The scores of one model, answered in one way, on one benchmark."""
        place = f"{self.results}/eval/{wildcards.model}/{wildcards.way}/{wildcards.benchmark}"
        return [
            f"{place}/{task}/{length}/score.json"
            for benchmark, task, length in self.cells
            if benchmark == wildcards.benchmark and wildcards.way in self.ways_of(benchmark, task)
        ]

    def aggregate_paths(self, pattern: str) -> list[str]:
        """One path for every (model, way, benchmark) that has a score."""
        return [
            filled(pattern, model=model, way=way, benchmark=benchmark)
            for model in self.models
            for way in self.ways
            for benchmark in dict.fromkeys(name for name, task, _ in self.cells if way in self.ways_of(name, task))
        ]

    def sample_paths(self, pattern: str) -> list[str]:
        """One path for every (benchmark, task, length)."""
        return [filled(pattern, benchmark=name, task=task, length=length) for name, task, length in self.cells]

    # What the report is told besides

    def records_of_training(self, name: str) -> list[str]:
        """METHOD=FILE for one of the records in every training's run folder."""
        return [f"{method}={self.run_folder(method)}/{name}" for method in self.methods]

    def pictured_cells(self, pattern: str) -> list[str]:
        """One path for every model, of its shortest cell with gradients: the report colours the first text of it."""
        cells = [cell for cell in self.cells if "gradient" in self.ways_of(*cell[:2])]
        if not cells:
            return []
        benchmark, task, length = min(cells, key=lambda cell: cell[2])
        cell = {"way": "gradient", "benchmark": benchmark, "task": task, "length": length}
        return list(dict.fromkeys(filled(pattern, model=model, **cell) for model in self.models))

    def picture_options(self, samples: list[str], predictions: list[str]) -> str:
        """The pictured cells as options of `eval report`; all models answered the same samples."""
        cells = zip(self.models, samples * len(self.models), predictions, strict=False)
        return " ".join(f"--detect {' '.join(map(shlex.quote, cell))}" for cell in cells)
