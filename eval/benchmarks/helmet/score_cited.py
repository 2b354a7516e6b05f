"""Scores of answers with citations (ALCE): is the answer right, do the passages that it cites support what it says?

A statement is a sentence of the answer (ASQA) or one answer of a list (QAMPARI). It is recalled if the passages that
it cites, together, entail it. A citation is precise if its statement is recalled and it is needed: it entails the
statement alone, or the others together no longer do without it.
Whether a passage entails a claim is said by the model folder under `nli` in the facts, or by a stand-in; the published
numbers use google/t5_xxl_true_nli_mixture, which reads "premise: ... hypothesis: ..." and writes 1 or 0. Sentences are
those of nltk's Punkt, with its English parameters where they are installed; without them it knows no abbreviations
("Dr. Who" becomes two sentences). The names of both are in the metrics and the headline.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nltk.data import find
from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.benchmarks.helmet.outputs import field_of, flat, normalized, output_of, scored
from eval.benchmarks.helmet.tasks import TASKS
from eval.scoring.scored import Scored


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Rows hold question, documents, and qa_pairs (asqa) or aliases (qampari)."""
    entailment = load_entailment(facts.get("nli"))
    labels = {"nli": entailment.name}
    split = None
    if task == "asqa":
        labels["sentences"], split = sentence_splitter()
    names = TASKS[task].metrics
    values = []
    for row in rows:
        output = output_of(row)
        right = (
            string_presence(output, field_of(row, "qa_pairs"))
            if task == "asqa"
            else list_recall_top5(output, field_of(row, "aliases"))
        )
        citations = cited(
            statements(output, field_of(row, "question"), split), field_of(row, "documents"), entailment.entails
        )
        values.append(dict(zip(names, (right, citations.recall, citations.precision), strict=True)))
    return scored(values, names, rows, labels)


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
    present = [any(normalized(answer) in given for answer in each["short_answers"]) for each in questions]
    return sum(present) / len(present)


def list_recall_top5(output: str, answers: list[list[str]]) -> float:
    """How many of the wanted answers the list has, as a share of five (or of all, where they are fewer)."""
    given = {normalized(item.strip()) for item in listed(without_citations(one_line(output)))} - {""}
    recalled = sum(any(normalized(name) in given for name in flat(aliases)) for aliases in answers)
    return min(TOP, recalled) / min(TOP, len(answers))


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


# The stand-in calls a claim entailed where the passage has at least this share of its words.
WORDS_NEEDED = 0.8
ANSWER_TOKENS = 10


class Entailment(Protocol):
    """`name` goes into every table; `entails(passage, claim)` is the verdict."""

    name: str

    def entails(self, passage: str, claim: str) -> bool:
        """Whether whoever believes the passage must believe the claim."""


class WordOverlap:
    """The stand-in: counts words, understands nothing."""

    name = f"stand-in ({WORDS_NEEDED:.0%} of the claim's words)"

    def entails(self, passage: str, claim: str) -> bool:
        """Whether the passage has enough of the claim's different words."""
        wanted = set(normalized(claim).split())
        return bool(wanted) and len(wanted & set(normalized(passage).split())) >= WORDS_NEEDED * len(wanted)


@dataclass
class ModelEntailment:
    """A sequence-to-sequence model that writes 1 for entailment."""

    name: str
    model: object
    tokenizer: object

    def entails(self, passage: str, claim: str) -> bool:
        """The model's verdict, greedy."""
        text = f"premise: {passage} hypothesis: {claim}"
        inputs = self.tokenizer(text, return_tensors="pt").input_ids.to(self.model.device)
        written = self.model.generate(inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)[0]
        return self.tokenizer.decode(written, skip_special_tokens=True) == "1"


def load_entailment(folder: str | None) -> Entailment:
    """The model in `folder`, or the stand-in where there is none."""
    if folder is None:
        return WordOverlap()
    path = existing_folder(folder, "give --nli a Hugging Face sequence-to-sequence model, or leave it out")
    # Transformers takes seconds to import, and the stand-in needs none of it.
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(path, local_files_only=True, dtype="auto").eval()
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be loaded as an entailment model ({str(error).splitlines()[0]})") from None
    return ModelEntailment(f"model {Path(folder).resolve().name}", model, tokenizer)


TRAINED, UNTRAINED = "Punkt, English", "Punkt without its English parameters"


def sentence_splitter() -> tuple[str, Callable[[str], list[str]]]:
    """(its name for the tables, the splitter)."""
    try:
        find("tokenizers/punkt_tab/english/")
    except LookupError:
        return UNTRAINED, PunktSentenceTokenizer().tokenize
    return TRAINED, PunktTokenizer("english").tokenize
