"""Which cells a configuration asks for, and which part of it each depends on.

A cell is (benchmark, task, length); every model answers each of them by every method of inference that suits it.
invariant: the settings of a cell hold nothing that only other tasks or other benchmarks read.
Plain dictionaries, defaults filled in: Snakemake reads this on every node, without pydantic.
"""

from itertools import product

from eval.registry import BENCHMARKS, known_task

SHARED_KEYS = ("seed", "begin_with_bos", "chat_template", "chat_date")


def chosen_benchmarks(settings: dict) -> dict[str, dict]:
    """{benchmark: its settings} of those that the configuration names, in the registry's order."""
    sections = settings["benchmarks"]
    return {name: sections[name] for name in BENCHMARKS if sections.get(name) is not None}


def lengths_of(settings: dict, benchmark: str) -> list[int]:
    """The lengths at which a benchmark is run (tokens)."""
    return list(settings["benchmarks"][benchmark].get("lengths") or settings["lengths"])


def cells_of(settings: dict) -> list[tuple[str, str, int]]:
    """Every (benchmark, task, length) of an `eval` section, in order."""
    return [
        (benchmark, task, length)
        for benchmark, section in chosen_benchmarks(settings).items()
        for task in section["tasks"]
        for length in lengths_of(settings, benchmark)
    ]


def cell_settings(settings: dict, benchmark: str, task: str, length: int) -> dict:
    """The part of an `eval` section that the samples of one cell depend on, as `build --settings` takes it."""
    others = set(BENCHMARKS[benchmark].tasks) - {task}
    section = {key: value for key, value in settings["benchmarks"][benchmark].items() if key not in others}
    own = {**section, "tasks": [task], "lengths": [int(length)]}
    return {**{key: settings[key] for key in SHARED_KEYS}, "benchmarks": {benchmark: own}}


def suits(benchmark: str, task: str, inference: str) -> bool:
    """Whether a method of inference can answer a task: gradients are dense, and retrieval needs a question."""
    answer = known_task(benchmark, task).answer
    return inference == "dense" or answer == "text" or (answer == "losses" and inference != "rag")


def planned_parts(settings: dict, models: list[str], results: str) -> dict[str, list[list[tuple[str, str]]]]:
    """{MODEL/INFERENCE/BENCHMARK: parts of (samples file, predictions file)}: which cells share a loaded model.

    A part has at most `generation.cells_per_job` cells; `results` is the run's folder.
    """
    cells: dict[str, list[tuple[str, str]]] = {}
    for model, inference in product(models, settings["inference"]["methods"]):
        for benchmark, task, length in cells_of(settings):
            if suits(benchmark, task, inference) and known_task(benchmark, task).answer != "norms":
                group, place = f"{model}/{inference}/{benchmark}", f"{task}/{length}"
                pair = (
                    f"{results}/samples/{benchmark}/{place}.jsonl",
                    f"{results}/eval/{group}/{place}/predictions.jsonl",
                )
                cells.setdefault(group, []).append(pair)
    together = settings["generation"]["cells_per_job"]
    return {
        group: [found[start : start + together] for start in range(0, len(found), together)]
        for group, found in cells.items()
    }
