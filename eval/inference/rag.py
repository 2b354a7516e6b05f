"""Retrieval in front of the model: the long text of a prompt gives way to the chunks that suit its question.

in : a text sample with its `context` span, `question` and the prompt's other parts
out: the sample's tokens with only the best chunks in that span, and which chunks those are
How well a chunk suits a question: Contriever's dot products, or BM25 without a model.
invariants: the chunks joined are the text; a chunk holds at most `chunk_words` words, unless one sentence alone has
more. Template, question and answer's beginning stay as they were; a text of at most top_k chunks stays whole where the
order is that of the document. A sample's scores depend on nothing but its own question and chunks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.backends.models import choose_device
from eval.building.prompts import PromptWriter
from eval.inference.settings import RagSettings

# The full-width full stop, question mark, exclamation mark and semicolon, then the common ones and the line's end.
ENDS = r"[\u3002\uff1f\uff01\uff1b\n.!?;]"
SENTENCE = re.compile(rf"(?:(?!{ENDS}).)*(?:{ENDS}\s*|$)", re.DOTALL)
WORD = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+")


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


def chunks(text: str, most_words: int) -> list[str]:
    """The text as chunks of at most `most_words` words, cut after a sentence's punctuation or a line's end."""
    pieces: list[str] = []
    held = most_words
    for sentence in SENTENCE.findall(text):
        count = len(words(sentence))
        if pieces and (not count or held + count <= most_words):
            pieces[-1] += sentence
            held += count
        elif sentence:
            pieces.append(sentence)
            held = count
    return pieces


# rank(question, chunks) -> scores
Scorer = Callable[[str, list[str]], list[float]]
# What Contriever was trained to read (tokens); the rest of a longer chunk is not looked at.
CONTRIEVER_TOKENS = 512


def bm25_scores(question: str, chunks: list[str]) -> list[float]:
    """BM25 (Lucene's form, k1 1.5, b 0.75) over the words, no stop words; zeros where no word is shared."""
    import bm25s

    question_words = words(question)
    texts = [words(chunk) for chunk in chunks]
    if not question_words or not any(texts):
        return [0.0] * len(chunks)
    index = bm25s.BM25()
    index.index(texts, show_progress=False)
    return index.get_scores(question_words).tolist()


class Contriever:
    """A BERT whose mean token state stands for a text (arXiv 2112.09118): dot products, no normalisation."""

    def __init__(self, folder: str | Path, device: torch.device) -> None:
        """Loads the model; InputError where the folder holds none."""
        from transformers import AutoModel, AutoTokenizer

        folder = existing_folder(folder, "give the folder of a Contriever model, or null for BM25")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder}: not a Contriever model ({str(error).splitlines()[0]})") from None
        self.model = model.to(device).eval().requires_grad_(False)

    def __call__(self, question: str, chunks: list[str]) -> list[float]:
        """The scores of the chunks."""
        question_embedding = self.embedding(question)
        return [float(self.embedding(chunk) @ question_embedding) for chunk in chunks]

    @torch.no_grad()
    def embedding(self, text: str) -> torch.Tensor:
        """fp32 [width]: the mean of the last states; one text at a time, so that nothing is padded."""
        tokens = self.tokenizer(text, truncation=True, max_length=CONTRIEVER_TOKENS, return_tensors="pt")
        return self.model(**tokens.to(self.model.device)).last_hidden_state[0].mean(0)


def scorer(retriever: str | None, device: str) -> Scorer:
    """Contriever from the folder `retriever`; BM25 where there is none."""
    return Contriever(retriever, choose_device(device)) if retriever else bm25_scores


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
