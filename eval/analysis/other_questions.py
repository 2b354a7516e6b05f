"""Other questions to the same text: what a shift for one answer does to answers that it has not seen.

in : a row of hops and its tokenizer
out: rows with the same tokens up to the question, that ask where a person of an interference fact is (one hop), in the
     form in which the row is asked; `shared_tokens` is how many tokens are the row's own
The person of the row's own question is not asked about: the answer would be a part of the row's.
None where the row's question or answer, written and tokenized anew, does not give the row's tokens, where the question
has no line `Question:` (the published rows), or where no interference fact says where somebody went.
"""

import re

from contracts.tokenizer import Tokenizer
from eval.analysis.answers import answer_start
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.benchmarks.hops.score import FACT_KINDS
from eval.benchmarks.hops.stories import FORMS, QUESTIONS

MOVE = re.compile(
    r"(?P<person>\w+) (?:walked to|moved to|went to|went back to|journeyed to|travelled to) the (?P<place>\w+)\."
)
ASKED = "Question: "


def other_rows(row: dict, tokenizer: Tokenizer, most: int) -> list[dict]:
    """Rows of at most so many other questions, in the order of the persons' last moves."""
    question = next(span for span in row["spans"] if span["kind"] == "question")
    asked = tokenizer.decode(row["input_ids"][question["start"] : question["end"]])
    if ASKED not in asked or not rewritable(row, tokenizer, question):
        return []
    return [other_row(row, tokenizer, question, asked, move) for move in last_moves(row, tokenizer)[:most]]


def rewritable(row: dict, tokenizer: Tokenizer, question: dict) -> bool:
    """Whether question and answer, each decoded and tokenized again, give the row's own tokens."""
    ids, start = row["input_ids"], answer_start(row)
    return all(
        tokenizer.encode(tokenizer.decode(part)) == part
        for part in (ids[question["start"] : question["end"]], ids[start:])
    )


def last_moves(row: dict, tokenizer: Tokenizer) -> list[dict]:
    """{"person", "place", "text", "span"} of the last move of every person whom only interference facts name."""
    moves: dict[str, dict] = {}
    told = []
    for span in row["spans"]:
        if span["kind"] in FACT_KINDS:
            text = tokenizer.decode(row["input_ids"][span["start"] : span["end"]]).strip()
            if span["kind"] == "supporting":
                told.append(text.split()[0])
            elif match := MOVE.fullmatch(text):
                moves.pop(match["person"], None)
                moves[match["person"]] = {**match.groupdict(), "text": text, "span": span}
    return [move for person, move in moves.items() if person not in told]


def other_row(row: dict, tokenizer: Tokenizer, question: dict, asked: str, move: dict) -> dict:
    """The row that asks where the person of a move is."""
    ids, start = row["input_ids"], answer_start(row)
    before, _, rest = asked.partition(ASKED)
    ending = rest[rest.index("?") + 1 :]
    written = tokenizer.encode(f"{before}{ASKED}{QUESTIONS[1].format(person=move['person'])}{ending}")
    space = " " if tokenizer.decode(ids[start:]).startswith(" ") else ""
    answer = tokenizer.encode(space + (move["text"] if FORMS["chain"] in asked else move["place"]))
    kept, between = ids[: question["start"]], ids[question["end"] : start]
    inputs = [*kept, *written, *between, *answer]
    grown = len(kept) + len(written) - question["end"]
    spans = [
        {**span, "kind": other_kind(span, move["span"])} for span in row["spans"] if span["end"] <= question["start"]
    ]
    spans.append({"kind": "question", "start": len(kept), "end": question["end"] + grown})
    spans += [
        {**span, "start": span["start"] + grown, "end": span["end"] + grown}
        for span in row["spans"]
        if span["start"] >= question["end"] and span["kind"] != "answer"
    ]
    spans.append({"kind": "answer", "start": start + grown, "end": len(inputs)})
    labels = [IGNORED] * (start + grown) + answer
    return {"input_ids": inputs, "labels": labels, "spans": spans, "shared_tokens": len(kept)}


def other_kind(span: dict, asked: dict) -> str:
    """The kind of a span for another question: the fact that it asks for is supporting, other facts interfere."""
    if span["kind"] not in FACT_KINDS:
        return span["kind"]
    return "supporting" if span == asked else "interference"
