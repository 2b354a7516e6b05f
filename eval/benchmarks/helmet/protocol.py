"""What HELMET fixes for every task: its category, how long an answer may be, and how it is asked.

Light: imports nothing but the standard library, so that the settings and the registry can read it.
"""

from dataclasses import dataclass

# The lengths that HELMET publishes, in tokens: 4k to 128k.
LENGTHS = (4096, 8192, 16384, 32768, 65536, 131072)


@dataclass(frozen=True)
class Protocol:
    """One task: `shots` worked examples at most, `sizes` what its file or sample holds at each of LENGTHS."""

    category: str
    tokens_to_generate: int
    shots: int = 2
    chat: bool = False
    stop_at_newline: bool = False
    metrics: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()

    def size_at(self, length: int) -> int:
        """The entry of `sizes` for the longest published length that `length` reaches, or for the shortest one."""
        reached = [size for published, size in zip(LENGTHS, self.sizes, strict=True) if published <= length]
        return reached[-1] if reached else self.sizes[0]


KILT_DOCUMENTS = (20, 50, 105, 220, 440, 1000)
CITED_DOCUMENTS = (8, 30, 75, 165, 345, 700)


def rag() -> Protocol:
    """A question over retrieved passages: 20 tokens, two worked examples, one line."""
    return Protocol("RAG", 20, stop_at_newline=True, metrics=("substring_exact_match",), sizes=KILT_DOCUMENTS)


def icl(*shots: int) -> Protocol:
    """Label ids by example: as many examples as the length holds, one line."""
    return Protocol("ICL", 20, shots=0, stop_at_newline=True, metrics=("exact_match",), sizes=shots)


TASKS = {
    "niah_mk_2": Protocol("Recall", 50, shots=0, metrics=("ruler_recall",), sizes=LENGTHS),
    "niah_mk_3": Protocol("Recall", 100, shots=0, metrics=("ruler_recall",), sizes=LENGTHS),
    "niah_mv": Protocol("Recall", 50, shots=0, metrics=("ruler_recall",), sizes=LENGTHS),
    "json_kv": Protocol("Recall", 100, metrics=("substring_exact_match",), sizes=(50, 105, 220, 440, 900, 1800)),
    "nq": rag(),
    "triviaqa": rag(),
    "hotpotqa": rag(),
    "popqa": rag(),
    "msmarco": Protocol(
        "Re-rank", 200, stop_at_newline=True, metrics=("NDCG@10",), sizes=(14, 50, 130, 285, 600, 1000)
    ),
    "trec_coarse": icl(200, 400, 800, 1600, 3300, 6600),
    "trec_fine": icl(200, 400, 800, 1600, 3200, 6400),
    "banking77": icl(180, 360, 720, 1450, 2900, 5900),
    "clinc150": icl(220, 440, 880, 1750, 3525, 7050),
    "nlu": icl(250, 510, 1020, 2040, 4080, 8296),
    "narrativeqa": Protocol("LongQA", 100, chat=True, metrics=("judged_quality",)),
    "infbench_qa": Protocol("LongQA", 10, chat=True, metrics=("rougeL_f1",)),
    "infbench_choice": Protocol("LongQA", 10, chat=True, metrics=("exact_match",)),
    "infbench_sum": Protocol("Summ", 1200, chat=True, metrics=("judged_f1",)),
    "multi_lexsum": Protocol("Summ", 400, chat=True, metrics=("judged_f1",)),
    "asqa": Protocol(
        "Cite", 300, chat=True, metrics=("str_em", "citation_recall", "citation_precision"), sizes=CITED_DOCUMENTS
    ),
    "qampari": Protocol(
        "Cite",
        300,
        chat=True,
        metrics=("qampari_recall_top5", "citation_recall", "citation_precision"),
        sizes=CITED_DOCUMENTS,
    ),
}

# In the order in which the paper's table has them.
CATEGORIES = ("Recall", "RAG", "ICL", "Re-rank", "LongQA", "Summ", "Cite")


def tasks_of(category: str) -> list[str]:
    """The tasks of a category, in order."""
    return [name for name, protocol in TASKS.items() if protocol.category == category]
