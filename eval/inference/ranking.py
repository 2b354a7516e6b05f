"""Chunks of the long texts of training samples, and how well each suits its sample's question.

in : the tokens of a sample with the spans of its question and of its long text
out: Ranking: chunks as spans of its tokens, a score for each
Invariants: the chunks tile every stretch of the long text, and none crosses from one stretch into the next; each but
the last of a stretch has chunk_length words or tokens; a sample's scores depend on its own question and chunks only.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from contracts.errors import InputError
from contracts.ranks import Ranking, touching
from contracts.token_files import TokensReader
from contracts.tokenizer import Tokenizer
from eval.backends.models import choose_device
from eval.inference.rag import CONTRIEVER_TOKENS, WORD, Contriever, bm25_scores
from eval.inference.settings import RankSettings

# score(question, chunks, what they are chunks of) -> scores
ChunkScorer = Callable[[str, list[str], str], Sequence[float]]


class BatchedContriever(Contriever):
    """Contriever over many chunks at a time: the padding is in no mean."""

    def __init__(self, settings: RankSettings, device: torch.device) -> None:
        super().__init__(settings.retriever, device)
        self.batch = settings.batch

    def score(self, question: str, chunks: list[str], where: str) -> list[float]:
        """The scores of the chunks; InputError for one that is longer than Contriever reads."""
        self.refuse_too_long(chunks, where)
        asked = self.embedding(question)
        starts = range(0, len(chunks), self.batch)
        return torch.cat([self.embeddings(chunks[start : start + self.batch]) @ asked for start in starts]).tolist()

    @torch.no_grad()
    def embeddings(self, texts: list[str]) -> torch.Tensor:
        """fp32 [texts, width]: the mean of each text's last states."""
        tokens = self.tokenizer(texts, padding=True, return_tensors="pt").to(self.model.device)
        states = self.model(**tokens).last_hidden_state
        real = tokens["attention_mask"].unsqueeze(-1)
        return states.mul(real).sum(1) / real.sum(1)

    def refuse_too_long(self, chunks: list[str], where: str) -> None:
        """InputError that names the first chunk beyond Contriever's reach."""
        # transformers warns of long texts, which is what is looked for here.
        lengths = [len(ids) for ids in self.tokenizer(chunks, verbose=False)["input_ids"]]
        for number, length in enumerate(lengths):
            if length > CONTRIEVER_TOKENS:
                raise InputError(
                    f"{where}: chunk {number} has {length} tokens of the retriever, which reads {CONTRIEVER_TOKENS}; "
                    "lower chunk_length"
                )


def chunk_scorer(settings: RankSettings, device: str) -> ChunkScorer:
    """Contriever from the settings' folder; BM25 where there is none."""
    if settings.retriever:
        return BatchedContriever(settings, choose_device(device)).score
    return lambda question, chunks, where: bm25_scores(question, chunks)


def ranking_of(
    reader: TokensReader, index: int, tokenizer: Tokenizer, settings: RankSettings, score: ChunkScorer
) -> Ranking:
    """The chunks of sample `index` and their scores; InputError where the evidence of an answer is in none of them."""
    name, ids = reader.id(index), reader.tokens(index)
    where = f"{reader.folder}: sample {name}"
    question = "".join(text_of(tokenizer, ids, span) for span in reader.spans("question_spans", index))
    chunks = chunks_of(tokenizer, ids, reader.spans("context_spans", index), settings)
    evidence = reader.spans("evidence_spans", index)
    if evidence is not None and len(evidence) and not touching(chunks, evidence).any():
        raise InputError(f"{where}: no chunk holds what its answer rests on; remove the sample, or tokenize again")
    scores = score(question, [text_of(tokenizer, ids, chunk) for chunk in chunks], where)
    return Ranking(name, chunks, np.array(scores, dtype=np.float64))


def text_of(tokenizer: Tokenizer, ids: np.ndarray, span: Sequence[int]) -> str:
    """The text of some tokens of a sample."""
    return tokenizer.decode(ids[span[0] : span[1]].tolist())


def chunks_of(tokenizer: Tokenizer, ids: np.ndarray, stretches: np.ndarray, settings: RankSettings) -> np.ndarray:
    """The chunks of all stretches in turn: int64 [chunks, 2], in tokens of the sample."""
    edges = []
    for begin, end in stretches.tolist():
        starts = chunk_starts(tokenizer, ids[begin:end], settings)
        edges += zip([begin + start for start in starts], [begin + start for start in starts[1:]] + [end], strict=True)
    return np.array(edges, dtype=np.int64).reshape(-1, 2)


def chunk_starts(tokenizer: Tokenizer, ids: np.ndarray, settings: RankSettings) -> list[int]:
    """The first token of every chunk of one stretch: the first of all, then where a chunk_length has gone by.

    Words are counted in the tokens as they are written; one belongs to the chunk of its first character.
    """
    if settings.chunk_unit == "tokens":
        return list(range(0, len(ids), settings.chunk_length))
    pieces = [tokenizer.piece(token) for token in ids.tolist()]
    ends = np.cumsum([len(piece) for piece in pieces])
    words = [word.start() for word in WORD.finditer("".join(pieces))]
    firsts = np.searchsorted(ends, words[settings.chunk_length :: settings.chunk_length], side="right")
    return [0, *dict.fromkeys(first for first in firsts.tolist() if first)]
