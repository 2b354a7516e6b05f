"""Generation with citations (ALCE): is what the answer says in the passages that it cites?

A statement is a sentence of the answer (ASQA) or one answer of a list (QAMPARI). It is recalled if the passages that
it cites, together, entail it. A citation is precise if its statement is recalled and it is needed: it entails the
statement alone, or the others together no longer do without it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from eval.benchmarks.helmet.text_metrics import flat, normalized

# At most this many citations of a statement are looked at.
CITATIONS_PER_STATEMENT = 3
# Shorter "sentences" are numbers of a list.
SHORTEST_SENTENCE = 5
TOP = 5

Entails = Callable[[str, str], bool]


@dataclass(frozen=True)
class Cited:
    """One answer: share of statements that are recalled, share of citations that are precise; None of no statement."""

    recall: float | None
    precision: float | None


def one_line(output: str) -> str:
    """The answer as it is scored: line ends as spaces, a chat model's end mark taken out."""
    return re.sub(r"\n+", " ", output).replace("<|im_end|>", "")


def without_citations(text: str) -> str:
    """The text without its [1][2]."""
    return re.sub(r"\[\d+", "", re.sub(r" \[\d+", "", text)).replace(" |", "").replace("]", "")


def string_presence(output: str, questions: list[dict]) -> float:
    """The share of the sub-questions one of whose short answers occurs in the answer (`str_em`)."""
    given = normalized(without_citations(one_line(output)))
    found = [any(normalized(answer) in given for answer in each["short_answers"]) for each in questions]
    return sum(found) / len(found)


def list_recall_top5(output: str, answers: list[list[str]]) -> float:
    """How many of the wanted answers the list has, as a share of five (or of all, where they are fewer)."""
    given = {normalized(item.strip()) for item in listed(without_citations(one_line(output)))} - {""}
    found = sum(any(normalized(name) in given for name in flat(aliases)) for aliases in answers)
    return min(TOP, found) / min(TOP, len(answers))


def listed(output: str) -> list[str]:
    """The parts between commas, a full stop or comma at the end left out."""
    return output.rstrip().rstrip(".").rstrip(",").split(",")


def statements(output: str, question: str, split: Callable[[str], list[str]] | None) -> list[str]:
    """What the answer states: its sentences, or without `split` every listed answer behind the question."""
    text = one_line(output)
    if split is None:
        return [f"{question} {part.strip()}" for part in listed(text)]
    return [sentence for sentence in split(text) if len(sentence.strip()) >= SHORTEST_SENTENCE]


def cited(stated: list[str], documents: list[dict], entails: Entails) -> Cited:
    """Recall and precision of the citations in the statements; documents are {"title", "text"}."""
    if not stated:
        return Cited(None, None)
    judged = [judged_statement(statement, documents, entails) for statement in stated]
    recalled, precise, citations = (sum(each[part] for each in judged) for part in range(3))
    return Cited(recalled / len(stated), precise / citations if citations else 0.0)


def judged_statement(statement: str, documents: list[dict], entails: Entails) -> tuple[int, int, int]:
    """(1 if recalled, precise citations, citations) of one statement; a passage that was not shown supports nothing."""
    cites = [int(mark[1:]) - 1 for mark in re.findall(r"\[\d+", statement)]
    if not cites or any(index >= len(documents) for index in cites):
        return 0, 0, 0
    cites = cites[:CITATIONS_PER_STATEMENT]
    claim = without_citations(statement).strip()

    def supported_by(chosen: list[int]) -> bool:
        return entails("\n".join(passage(documents[index]) for index in chosen), claim)

    if not supported_by(cites):
        return 0, 0, len(cites)
    if len(cites) == 1:
        return 1, 1, 1
    return 1, sum(is_needed(place, cites, supported_by) for place in range(len(cites))), len(cites)


def is_needed(place: int, cites: list[int], supported_by: Callable[[list[int]], bool]) -> bool:
    """Whether the citation supports the claim alone, or the claim falls without it."""
    others = list(cites)
    others.remove(cites[place])
    return supported_by([cites[place]]) or not supported_by(others)


def passage(document: dict) -> str:
    """A passage as the entailment model reads it."""
    return f"Title: {document['title']}\n{document.get('sent', document['text'])}"
