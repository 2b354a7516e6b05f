"""Does a passage entail a claim? The model that ALCE uses, from a folder, or a stand-in that says so in every table.

The published numbers use google/t5_xxl_true_nli_mixture: it reads "premise: ... hypothesis: ..." and writes 1 or 0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.benchmarks.helmet.text_metrics import normalized

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
