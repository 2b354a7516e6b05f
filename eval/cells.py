"""Which cells a configuration asks for, and which part of it each depends on.

A cell is (benchmark, task, length); every model answers each of them in every way that suits it: by methods of
inference, or where it asks for tokens by detectors.
invariant: the settings of a cell hold nothing that only other tasks or other benchmarks read.
Plain dictionaries, defaults filled in: Snakemake reads this on every node, without pydantic.
"""

from itertools import product

from eval.detection.detectors import DETECTORS
from eval.inference.methods import inference_modules
from eval.registry import BENCHMARKS, known_task, outdated_task

# The sub-section of a benchmark that only its scorer reads.
SCORING = "scoring"
CHAT_KEYS = ("chat_template", "chat_date")
SHARED_KEYS = ("seed", "begin_with_bos", *CHAT_KEYS)
# The task on reports, whose number its own sub-section holds.
REPORTS = "govreport"


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
    # A text whose tokens are judged is no conversation, and the first reports of a file are not drawn.
    unread = CHAT_KEYS if known_task(benchmark, task).answer == "losses" else ()
    unread += ("seed", "samples") if task == REPORTS else ()
    others = {*BENCHMARKS[benchmark].tasks, SCORING, *unread} - {task}
    section = {key: value for key, value in settings["benchmarks"][benchmark].items() if key not in others}
    own = {**section, "tasks": [task], "lengths": [int(length)]}
    shared = {key: settings[key] for key in SHARED_KEYS if key not in unread}
    return {**shared, "benchmarks": {benchmark: own}}


def scoring_settings(settings: dict, benchmark: str) -> dict:
    """The part of an `eval` section that the scores of a benchmark depend on, as `score --settings` takes it."""
    return settings["benchmarks"][benchmark].get(SCORING) or {}


def suits(benchmark: str, task: str, inference: str) -> bool:
    """Whether a method of inference can answer a task: detectors read a dense model, and retrieval needs a question."""
    answer = known_task(benchmark, task).answer
    return inference == "dense" or answer == "text" or (answer == "losses" and inference != "rag")


def ways_of(settings: dict, benchmark: str, task: str) -> list[str]:
    """The ways in which a model answers a task's cells: detectors, or the methods of inference that suit it (names)."""
    if known_task(benchmark, task).answer == "detection":
        return list(settings["detection"]["methods"])
    return [inference for inference in settings["inference"]["methods"] if suits(benchmark, task, inference)]


def all_ways(settings: dict) -> list[str]:
    """Every way in which a run answers cells, methods of inference first."""
    used = {way for benchmark, task, _ in cells_of(settings) for way in ways_of(settings, benchmark, task)}
    return [way for way in (*settings["inference"]["methods"], *settings["detection"]["methods"]) if way in used]


def answered_by_trainer(way: str) -> bool:
    """Whether `megatron_cdt detect` answers by this way; all others are `generate`'s."""
    return way in DETECTORS and not DETECTORS[way].module


def answering_modules(way: str, backend: str) -> tuple[str, ...]:
    """The modules behind the answers by a way on a backend, besides the command's own."""
    return (DETECTORS[way].module,) if way in DETECTORS else inference_modules(way, backend)


def answer_settings(settings: dict, way: str) -> dict:
    """The part of an `eval` section that the answers by a way depend on, as `generate --settings` takes it."""
    kind, more = ("detection", {}) if way in DETECTORS else ("inference", {"generation": settings["generation"]})
    own = {way: settings[kind][way]} if way in settings[kind] else {}
    return {kind: {"methods": [way], **own}, **more}


def decisive_answer_settings(settings: dict, way: str, answer: str) -> dict:
    """Those of them that decide the bytes of answers of a kind; the others decide when they come."""
    told = answer_settings(settings, way)
    if "generation" in told:
        told["generation"] = {key: told["generation"][key] for key in decisive_generation(told["generation"], answer)}
    return told


def decisive_generation(generation: dict, answer: str) -> list[str]:
    """The keys of the `generation` section that decide the bytes of answers of a kind."""
    keys, by_vllm = ["backend", "dtype"], generation["backend"] == "vllm"
    if answer != "text":
        return keys
    # In bfloat16 the number of rows of a step decides how sums are rounded (see eval.backends.decoding).
    by_transformers = not by_vllm or generation["cross_check"]
    batches = ["batch_rows", "batch_tokens"] if by_transformers and generation["dtype"] != "float32" else []
    return [*keys, *(["cross_check"] if by_vllm else []), *batches]


def planned_parts(settings: dict, models: list[str], results: str) -> dict[str, list[list[tuple[str, str]]]]:
    """{MODEL/WAY/BENCHMARK: parts of (samples file, predictions file)}: which cells share a loaded model.

    A part has at most `generation.cells_per_job` cells; `results` is the run's folder.
    """
    cells: dict[str, list[tuple[str, str]]] = {}
    for model, way in product(models, all_ways(settings)):
        for benchmark, task, length in cells_of(settings):
            if way in ways_of(settings, benchmark, task) and not answered_by_trainer(way):
                group, place = f"{model}/{way}/{benchmark}", f"{task}/{length}"
                pair = (
                    f"{results}/samples/{benchmark}/{place}.jsonl",
                    f"{results}/eval/{group}/{place}/predictions.jsonl",
                )
                cells.setdefault(group, []).append(pair)
    together = settings["generation"]["cells_per_job"]
    return {
        group: [planned[start : start + together] for start in range(0, len(planned), together)]
        for group, planned in cells.items()
    }


def outdated_hops(section: dict) -> str | None:
    """What to write instead of what the section `eval.benchmarks.hops` held before; None where nothing is outdated."""
    for key in section:
        if key.startswith("longppl_"):
            return f"{key}: the detector LongPPL has a section of its own now; write eval.detection.longppl.{key[8:]}"
    tasks = section.get("tasks") or ()
    return next((f"tasks: {told}" for task in tasks if (told := outdated_task("hops", str(task)))), None)
