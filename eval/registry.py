"""The benchmarks and their tasks: who builds the samples, who scores them, what a model must produce for them.

The modules are named, not imported, so that an edit of one task leaves the code hash of the others alone. Nothing
heavy is imported here: Snakemake reads this on every node.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.errors import InputError

Answer = Literal["losses", "text", "norms", "token_scores"]
# Data that the workflow makes or knows by itself; every other key is one of `eval.data`.
WORKFLOW_DATA = ("books", "train_tokens", "evaluator")


@dataclass(frozen=True)
class Task:
    """One task: `answer` is what a prediction holds (norms come from `megatron_cdt detect`, all else from `generate`;
    token scores from the task's own `answer_module`: opened(folder, device, settings) -> what answers a row).

    `needs` are the data that its samples cannot be built without, `takes` those that are used where they are given:
    keys of `eval.data`, or WORKFLOW_DATA. `judges` are the models that its scorer asks, where `eval.data` gives them.
    """

    build_module: str
    score_module: str
    answer: Answer = "text"
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    answer_module: str = ""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: its tasks by name, and the module that makes its tables' numbers from the scores.

    `optional_ending` is what published files add to the names of tasks, and a person may: qasper_e.
    """

    tasks: dict[str, Task]
    aggregate_module: str = "eval.aggregates.task_mean"
    optional_ending: str = ""


def helmet(build: str, score: str, takes: tuple[str, ...] = (), judges: tuple[str, ...] = ()) -> Task:
    """One HELMET task, by its builder and its scorer in eval.benchmarks.helmet."""
    package = "eval.benchmarks.helmet"
    return Task(f"{package}.{build}", f"{package}.{score}", needs=("helmet",), takes=takes, judges=judges)


HELMET_TASKS = {
    **dict.fromkeys(("niah_mk_2", "niah_mk_3", "niah_mv"), helmet("recall", "score_answers")),
    "json_kv": Task("eval.benchmarks.helmet.json_kv", "eval.benchmarks.helmet.score_answers", takes=("helmet",)),
    **dict.fromkeys(("nq", "triviaqa", "hotpotqa", "popqa"), helmet("rag", "score_answers")),
    "msmarco": helmet("rerank", "score_ranking"),
    **dict.fromkeys(("trec_coarse", "trec_fine", "banking77", "clinc150", "nlu"), helmet("icl", "score_answers")),
    "narrativeqa": helmet("narrativeqa", "score_judged", ("reference_tokenizer",), ("judge",)),
    **dict.fromkeys(("infbench_qa", "infbench_choice"), helmet("infbench", "score_answers", ("reference_tokenizer",))),
    "infbench_sum": helmet("infbench", "score_judged", ("reference_tokenizer",), ("judge",)),
    "multi_lexsum": helmet("multi_lexsum", "score_judged", ("reference_tokenizer",), ("judge",)),
    **dict.fromkeys(("asqa", "qampari"), helmet("cite", "score_cited", judges=("nli",))),
}

RULER_SCORE = "eval.benchmarks.ruler.score"
NEEDLES_IN_LINES = ("niah_single_1", "niah_multikey_2", "niah_multikey_3")
NEEDLES_IN_ESSAYS = ("niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multivalue", "niah_multiquery")
LONGBENCH_TASKS = (
    *("qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "gov_report", "multi_news"),
    *("trec", "triviaqa", "samsum", "lcc", "repobench-p", "passage_count", "passage_retrieval_en"),
)


def question_task(benchmark: str) -> Task:
    """A task whose samples come from the benchmark's published file, eval.data.BENCHMARK."""
    return Task(f"eval.benchmarks.{benchmark}.build", f"eval.benchmarks.{benchmark}.score", needs=(benchmark,))


def hops_task(answer: Answer, answer_module: str = "") -> Task:
    """One task of the multi-hop probe, by what detects its tokens."""
    return Task(
        "eval.benchmarks.hops.compose",
        "eval.benchmarks.hops.score",
        answer,
        needs=("books",),
        takes=("needles", "babi"),
        answer_module=answer_module,
    )


BENCHMARKS = {
    "perplexity": Benchmark(
        {
            "books": Task(
                "eval.benchmarks.perplexity.books",
                "eval.benchmarks.perplexity.score",
                "losses",
                needs=("books",),
                takes=("train_tokens",),
            ),
            "govreport": Task(
                "eval.benchmarks.perplexity.govreport",
                "eval.benchmarks.perplexity.score",
                "losses",
                needs=("govreport",),
                takes=("reference_tokenizer",),
            ),
        }
    ),
    "longppl": Benchmark(
        {
            "books": Task(
                "eval.benchmarks.longppl.books",
                "eval.benchmarks.longppl.score",
                "losses",
                needs=("books", "evaluator"),
            ),
            "govreport": Task(
                "eval.benchmarks.longppl.govreport",
                "eval.benchmarks.longppl.score",
                "losses",
                needs=("govreport", "evaluator"),
                takes=("reference_tokenizer",),
            ),
        }
    ),
    "ruler": Benchmark(
        {
            **{name: Task("eval.benchmarks.ruler.niah", RULER_SCORE) for name in NEEDLES_IN_LINES},
            **{
                name: Task("eval.benchmarks.ruler.niah", RULER_SCORE, takes=("essays", "books"))
                for name in NEEDLES_IN_ESSAYS
            },
            "vt": Task("eval.benchmarks.ruler.vt", RULER_SCORE),
            "cwe": Task("eval.benchmarks.ruler.cwe", RULER_SCORE, takes=("english_words",)),
            "fwe": Task("eval.benchmarks.ruler.fwe", RULER_SCORE),
            "qa_1": Task("eval.benchmarks.ruler.qa", RULER_SCORE, needs=("squad",)),
            "qa_2": Task("eval.benchmarks.ruler.qa", RULER_SCORE, needs=("hotpotqa",)),
        }
    ),
    "babilong": Benchmark(
        {
            f"qa{number}": Task(
                "eval.benchmarks.babilong.compose",
                "eval.benchmarks.babilong.score",
                needs=("books", "babi"),
                takes=("babilong_subset",),
            )
            for number in range(1, 11)
        }
    ),
    "helmet": Benchmark(HELMET_TASKS, "eval.benchmarks.helmet.aggregate"),
    "longbench": Benchmark(
        {name: question_task("longbench") for name in LONGBENCH_TASKS},
        "eval.benchmarks.longbench.aggregate",
        optional_ending="_e",
    ),
    "quality": Benchmark({"quality": question_task("quality")}),
    "qasper": Benchmark({"qasper": question_task("qasper")}),
    "nq": Benchmark({"nq": question_task("nq")}),
    "hops": Benchmark(
        {
            **{f"{hops}hop": hops_task("norms") for hops in (2, 3, 4)},
            **{
                f"{hops}hop_{detector}": hops_task("token_scores", f"eval.benchmarks.hops.{detector}")
                for detector in ("attention", "longppl")
                for hops in (2, 3, 4)
            },
        }
    ),
}


def known_benchmark(name: str) -> Benchmark:
    """The benchmark called `name`, or one line that lists the names."""
    if name not in BENCHMARKS:
        raise InputError(f"benchmark '{name}' is unknown; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def known_task(benchmark: str, name: str) -> Task:
    """The task called `name` of a benchmark, or one line that lists the names."""
    known = known_benchmark(benchmark)
    tasks, name = known.tasks, name if name in known.tasks else name.removesuffix(known.optional_ending)
    if name not in tasks:
        raise InputError(f"task '{name}' of {benchmark} is unknown; choose one of {', '.join(tasks)}")
    return tasks[name]
