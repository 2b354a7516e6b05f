"""HELMET's tasks: category, builder, scorer, how long an answer may be, how it is asked. Their names stand here alone.

Light: imports nothing but the standard library, so that the settings and the registry can read it.
"""

from dataclasses import dataclass

# The lengths that HELMET publishes, in tokens: 4k to 128k.
LENGTHS = (4096, 8192, 16384, 32768, 65536, 131072)


@dataclass(frozen=True)
class HelmetTask:
    """One task: `shots` worked examples at most, `sizes` what its file or sample holds at each of LENGTHS.

    `build` and `score` are functions in modules of this package, as module:function. `needs_files`: it can not be built
    without HELMET's data folder. `counts_documents`: the reference tokenizer counts its texts. `judge`: the key of
    `eval.data` of the model that its scorer asks.
    """

    category: str
    build: str
    tokens_to_generate: int
    score: str = "score_answers:score"
    shots: int = 2
    chat: bool = False
    stop_at_newline: bool = False
    metrics: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    needs_files: bool = True
    counts_documents: bool = False
    judge: str | None = None

    def size_at(self, length: int) -> int:
        """The entry of `sizes` for the longest published length that `length` reaches, or for the shortest one."""
        reached = [size for published, size in zip(LENGTHS, self.sizes, strict=True) if published <= length]
        return reached[-1] if reached else self.sizes[0]


KILT_DOCUMENTS = (20, 50, 105, 220, 440, 1000)
CITED_DOCUMENTS = (8, 30, 75, 165, 345, 700)


def needle(tokens_to_generate: int) -> HelmetTask:
    """One of RULER's needle tasks, from its file."""
    return HelmetTask("Recall", "recall:needles", tokens_to_generate, shots=0, metrics=("ruler_recall",), sizes=LENGTHS)


def rag() -> HelmetTask:
    """A question over retrieved passages: 20 tokens, two worked examples, one line."""
    return HelmetTask(
        "RAG", "passages:rag", 20, stop_at_newline=True, metrics=("substring_exact_match",), sizes=KILT_DOCUMENTS
    )


def icl(*shots: int) -> HelmetTask:
    """Label ids by example: as many examples as the length holds, one line."""
    return HelmetTask("ICL", "icl:build", 20, shots=0, stop_at_newline=True, metrics=("exact_match",), sizes=shots)


def long_question(build: str, tokens_to_generate: int, metric: str, **more: str) -> HelmetTask:
    """A question about one long text."""
    return HelmetTask("LongQA", build, tokens_to_generate, chat=True, metrics=(metric,), counts_documents=True, **more)


def summary(build: str, tokens_to_generate: int) -> HelmetTask:
    """A summary that a judge reads."""
    return HelmetTask(
        "Summ",
        build,
        tokens_to_generate,
        "score_judged:score",
        chat=True,
        metrics=("judged_f1",),
        counts_documents=True,
        judge="judge",
    )


def cited(metric: str) -> HelmetTask:
    """An answer with citations of numbered passages."""
    return HelmetTask(
        "Cite",
        "passages:cite",
        300,
        "score_cited:score",
        chat=True,
        metrics=(metric, "citation_recall", "citation_precision"),
        sizes=CITED_DOCUMENTS,
        judge="nli",
    )


TASKS = {
    "niah_mk_2": needle(50),
    "niah_mk_3": needle(100),
    "niah_mv": needle(50),
    "json_kv": HelmetTask(
        "Recall",
        "recall:json_kv",
        100,
        metrics=("substring_exact_match",),
        sizes=(50, 105, 220, 440, 900, 1800),
        needs_files=False,
    ),
    "nq": rag(),
    "triviaqa": rag(),
    "hotpotqa": rag(),
    "popqa": rag(),
    "msmarco": HelmetTask(
        "Re-rank",
        "passages:rerank",
        200,
        "score_answers:score_ranking",
        stop_at_newline=True,
        metrics=("NDCG@10",),
        sizes=(14, 50, 130, 285, 600, 1000),
    ),
    "trec_coarse": icl(200, 400, 800, 1600, 3300, 6600),
    "trec_fine": icl(200, 400, 800, 1600, 3200, 6400),
    "banking77": icl(180, 360, 720, 1450, 2900, 5900),
    "clinc150": icl(220, 440, 880, 1750, 3525, 7050),
    "nlu": icl(250, 510, 1020, 2040, 4080, 8296),
    "narrativeqa": long_question(
        "documents:narrativeqa", 100, "judged_quality", score="score_judged:score", judge="judge"
    ),
    "infbench_qa": long_question("documents:infbench", 10, "rougeL_f1"),
    "infbench_choice": long_question("documents:infbench", 10, "exact_match"),
    "infbench_sum": summary("documents:infbench", 1200),
    "multi_lexsum": summary("documents:multi_lexsum", 400),
    "asqa": cited("str_em"),
    "qampari": cited("qampari_recall_top5"),
}

# In the order in which the paper's table has them.
CATEGORIES = ("Recall", "RAG", "ICL", "Re-rank", "LongQA", "Summ", "Cite")


def tasks_of(category: str) -> list[str]:
    """The tasks of a category, in order."""
    return [name for name, task in TASKS.items() if task.category == category]
