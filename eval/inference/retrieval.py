"""How well chunks suit a question: Contriever's dot products, or BM25 without a model.

in : the question and the chunks of one sample
out: a score for every chunk; higher is better
invariant: a sample's scores depend on nothing but its own question and chunks.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.inference.chunks import words
from eval.models import choose_device

# rank(question, chunks) -> scores
Scorer = Callable[[str, list[str]], list[float]]
# What Contriever was trained to read (tokens); the rest of a longer chunk is not looked at.
CONTRIEVER_TOKENS = 512


def bm25_scores(question: str, chunks: list[str]) -> list[float]:
    """BM25 (Lucene's form, k1 1.5, b 0.75) over the words, no stop words; zeros where no word is shared."""
    import bm25s

    asked = words(question)
    texts = [words(chunk) for chunk in chunks]
    if not asked or not any(texts):
        return [0.0] * len(chunks)
    index = bm25s.BM25()
    index.index(texts, show_progress=False)
    return index.get_scores(asked).tolist()


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
        asked = self.embedding(question)
        return [float(self.embedding(chunk) @ asked) for chunk in chunks]

    @torch.no_grad()
    def embedding(self, text: str) -> torch.Tensor:
        """fp32 [width]: the mean of the last states; one text at a time, so that nothing is padded."""
        tokens = self.tokenizer(text, truncation=True, max_length=CONTRIEVER_TOKENS, return_tensors="pt")
        return self.model(**tokens.to(self.model.device)).last_hidden_state[0].mean(0)


def scorer(retriever: str | None, device: str) -> Scorer:
    """Contriever from the folder `retriever`; BM25 where there is none."""
    return Contriever(retriever, choose_device(device)) if retriever else bm25_scores
