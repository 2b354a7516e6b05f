"""The benchmarks and their tasks: who builds the samples, who scores them, what a model must produce for them.

Functions are named, not imported ("module:function"), so that an edit of one task leaves the code hash of the others
alone. Nothing heavy is imported here: Snakemake reads this on every node.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contracts.errors import InputError
from eval.benchmarks.helmet.tasks import TASKS as HELMET_TASKS
from eval.detection.detectors import DETECTORS

Answer = Literal["losses", "text", "detection"]
# Data that the workflow makes or knows by itself; every other key is one of `eval.data`.
WORKFLOW_DATA = ("books", "train_tokens", "evaluator")


@dataclass(frozen=True)
class Task:
    """One task: `build` and `score` are the functions of its samples and of its scores, as module:function; `answer` is
    what a prediction holds: losses, a text, or a detector's score of every token (eval.detection.detectors).

    `needs` are the data that its samples cannot be built without, `takes` those that are used where they are given:
    keys of `eval.data`, or WORKFLOW_DATA. `judges` are the models that its scorer asks, where `eval.data` gives them.
    """

    build: str
    score: str
    answer: Answer = "text"
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: its tasks by name, and the function that makes its tables' numbers from the scores.

    `optional_ending` is what published files add to the names of tasks, and a person may: qasper_e. `scoring` is the
    class of the settings that its scorer reads, as module:class; nothing where it has none.
    """

    tasks: dict[str, Task]
    aggregate: str = "eval.scoring.scored:aggregate"
    optional_ending: str = ""
    scoring: str = ""


NEEDLES_IN_LINES = ("niah_single_1", "niah_multikey_2", "niah_multikey_3")
NEEDLES_IN_ESSAYS = ("niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multivalue", "niah_multiquery")
LONGBENCH_TASKS = (
    *("qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "gov_report", "multi_news"),
    *("trec", "triviaqa", "samsum", "lcc", "repobench-p", "passage_count", "passage_retrieval_en"),
)


def loss_task(benchmark: str, text: str, **more: tuple[str, ...]) -> Task:
    """A task that measures the loss on books or reports."""
    package = f"eval.benchmarks.{benchmark}"
    return Task(f"{package}.build:{text}", f"{package}.score:score", "losses", **more)


def ruler_task(module: str, **more: tuple[str, ...]) -> Task:
    """One RULER task, by the module that builds it."""
    return Task(f"eval.benchmarks.ruler.{module}:build", "eval.benchmarks.ruler.score:score", **more)


def question_task(benchmark: str) -> Task:
    """A task whose samples come from the benchmark's published file, eval.data.BENCHMARK."""
    package = f"eval.benchmarks.{benchmark}"
    return Task(f"{package}.build:build", f"{package}.score:score", needs=(benchmark,))


def helmet_task(name: str) -> Task:
    """One HELMET task as its own table has it."""
    package, described = "eval.benchmarks.helmet", HELMET_TASKS[name]
    files = ("helmet",)
    return Task(
        f"{package}.{described.build}",
        f"{package}.{described.score}",
        needs=files if described.needs_files else (),
        takes=(*(() if described.needs_files else files), *(("reference_tokenizer",) * described.counts_documents)),
        judges=(described.judge,) if described.judge else (),
    )


BENCHMARKS = {
    "perplexity": Benchmark(
        {
            "books": loss_task("perplexity", "books", needs=("books",), takes=("train_tokens",)),
            "govreport": loss_task("perplexity", "govreport", needs=("govreport",), takes=("reference_tokenizer",)),
        }
    ),
    "longppl": Benchmark(
        {
            "books": loss_task("longppl", "books", needs=("books", "evaluator")),
            "govreport": loss_task(
                "longppl", "govreport", needs=("govreport", "evaluator"), takes=("reference_tokenizer",)
            ),
        }
    ),
    "ruler": Benchmark(
        {
            **{name: ruler_task("niah") for name in NEEDLES_IN_LINES},
            **{name: ruler_task("niah", takes=("essays", "books")) for name in NEEDLES_IN_ESSAYS},
            "vt": ruler_task("vt"),
            "cwe": ruler_task("cwe", takes=("english_words",)),
            "fwe": ruler_task("fwe"),
            "qa_1": ruler_task("qa", needs=("squad",)),
            "qa_2": ruler_task("qa", needs=("hotpotqa",)),
        }
    ),
    "babilong": Benchmark(
        {
            f"qa{number}": Task(
                "eval.benchmarks.babilong.build:build",
                "eval.benchmarks.babilong.score:score",
                needs=("books", "babi"),
                takes=("babilong_subset",),
            )
            for number in range(1, 11)
        }
    ),
    "helmet": Benchmark(
        {name: helmet_task(name) for name in HELMET_TASKS}, "eval.benchmarks.helmet.aggregate:aggregate"
    ),
    "longbench": Benchmark(
        {name: question_task("longbench") for name in LONGBENCH_TASKS},
        "eval.benchmarks.longbench.aggregate:aggregate",
        optional_ending="_e",
        scoring="eval.benchmarks.longbench:LongBenchScoring",
    ),
    "quality": Benchmark({"quality": question_task("quality")}),
    "qasper": Benchmark({"qasper": question_task("qasper")}),
    "nq": Benchmark({"nq": question_task("nq")}),
    "stories": Benchmark(
        {
            f"{hops}hop": Task(
                "eval.benchmarks.stories.build:build", "eval.benchmarks.stories.score:score", needs=("books",)
            )
            for hops in (1, 2, 3, 4)
        }
    ),
    "hops": Benchmark(
        {
            f"{hops}hop": Task(
                "eval.benchmarks.hops.build:build",
                "eval.benchmarks.hops.score:score",
                "detection",
                needs=("books",),
                takes=("needles", "babi"),
            )
            for hops in (2, 3, 4)
        }
    ),
}


def function_at(place: str) -> Callable:
    """The function or class that `module:name` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def known_benchmark(name: str) -> Benchmark:
    """The benchmark called `name`, or one line that lists the names."""
    if name not in BENCHMARKS:
        raise InputError(f"benchmark '{name}' is unknown; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def known_task(benchmark: str, name: str) -> Task:
    """The task called `name` of a benchmark, or one line that lists the names."""
    described = known_benchmark(benchmark)
    tasks, plain = described.tasks, name if name in described.tasks else name.removesuffix(described.optional_ending)
    if plain not in tasks:
        raise InputError(
            outdated_task(benchmark, name)
            or f"task '{name}' of {benchmark} is unknown; choose one of {', '.join(tasks)}"
        )
    return tasks[plain]


def outdated_task(benchmark: str, name: str) -> str | None:
    """What to write instead of a name of before, `3hop_attention`; None for every other name."""
    task, _, detector = name.partition("_")
    if task not in BENCHMARKS[benchmark].tasks or detector not in DETECTORS:
        return None
    return f"'{name}' is a task and a detector now: write {task}, and eval.detection.methods: [{detector}]"
