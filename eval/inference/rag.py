"""Retrieval in front of the model: the long text of a prompt gives way to the chunks that suit its question.

in : a text sample with its `context` span, `question` and the prompt's other parts
out: the sample's tokens with only the best chunks in that span, and which chunks those are
invariant: template, question and answer's beginning stay as they were; a text of at most top_k chunks stays whole
where the order is that of the document.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.errors import InputError
from eval.building.prompt_writer import PromptWriter
from eval.inference.chunks import chunks
from eval.inference.retrieval import Scorer, scorer
from eval.inference.settings import RagSettings


@dataclass(frozen=True)
class Retriever:
    """Shortens the prompts of a cell."""

    settings: RagSettings
    scorer: Scorer
    writer: PromptWriter

    def shortened(self, row: dict) -> tuple[list[int], dict]:
        """(input tokens, {"retrieved": numbers of the chunks in their order, "input_tokens"}) of one sample."""
        if "context" not in row:
            raise InputError(f"sample {row['id']}: has no context to retrieve from; leave out the method rag here")
        start, end = row["context"]
        text = row["input"]
        parts = chunks(text[start:end], self.settings.chunk_words)
        kept = self.kept(row["question"] or text[:start] + text[end:], parts)
        shorter = text[:start] + joined([parts[number] for number in kept]) + text[end:]
        tokens = self.writer.tokens(shorter, row["answer_prefix"], row["chat"])
        return tokens, {"retrieved": kept, "input_tokens": len(tokens)}

    def kept(self, question: str, parts: list[str]) -> list[int]:
        """Numbers of the best chunks, in the order of the settings; among equals the earlier one."""
        scores = self.scorer(question, parts)
        best = sorted(range(len(parts)), key=lambda number: -scores[number])[: self.settings.top_k]
        return sorted(best) if self.settings.order == "document" else best


def joined(parts: list[str]) -> str:
    """The chunks as one text; a space where two would otherwise touch."""
    text = ""
    for part in parts:
        text += part if not text or text[-1].isspace() or part[0].isspace() else " " + part
    return text


def opener(settings: RagSettings, device: str) -> Callable[[PromptWriter], Retriever]:
    """opened(writer) -> the retriever of a cell whose prompts are written by `writer`; the scorer is shared."""
    score = scorer(settings.retriever, device)
    return lambda writer: Retriever(settings, score, writer)
