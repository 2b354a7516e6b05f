"""Books and lawsuits, all cut to the same beginning, whichever model reads them.

HELMET takes only texts that are long in tokens of Llama 2 (`eval.data.reference_tokenizer`) and cuts them to the length
less the answer and a margin, so that every model sees the same text; what a model's own tokenizer then still finds too
long is cut like any prompt.
"""

from dataclasses import dataclass, field

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.sampling import part
from eval.building.build_context import BuildContext
from eval.building.reference_tokenizer import reference_tokenizer

# Room for the rest of the prompt (tokens).
MARGIN, LAWSUIT_MARGIN = 200, 300
# HELMET counts with the tokenizer's BOS.
BOS = 1


@dataclass
class Documents:
    """Cuts texts to `most` reference tokens; every different text is tokenized once."""

    tokenizer: Tokenizer
    least: int
    most: int
    cuts: dict[str, str | None] = field(default_factory=dict)

    def cut(self, text: str) -> str | None:
        """The beginning of a text; None where the text is shorter than `least` reference tokens."""
        if text not in self.cuts:
            self.cuts[text] = self.new_cut(text)
        return self.cuts[text]

    def new_cut(self, text: str) -> str | None:
        """The same, without looking whether it is known."""
        spans = self.tokenizer.encode_with_offsets(text)[1]
        if len(spans) + BOS < self.least:
            return None
        if len(spans) + BOS <= self.most:
            return text
        mark = part("cut_mark")
        last = self.most - (len(self.tokenizer.encode(mark)) + BOS) - BOS
        if last < 0:
            raise InputError(f"helmet: {self.most} tokens hold no text; choose a longer length")
        return text[: spans[last][1]] + mark


def documents(context: BuildContext, least: int, margin: int = MARGIN) -> Documents:
    """The cutter of a cell: by the reference tokenizer where one is given, else by the models' own."""
    most = context.length - margin - TASKS[context.task].tokens_to_generate
    return Documents(reference_tokenizer(context), least, most)


def long_enough(context: BuildContext, records: list[dict], cutter: Documents, key: str) -> list[dict]:
    """The cell's drawn records, each with its text cut; InputError where no text is long enough."""
    order = list(range(len(records)))
    context.generator("choice").shuffle(order)
    found: list[dict] = []
    for index in order:
        if len(found) == context.options.samples:
            break
        text = cutter.cut(records[index][key])
        if text is not None:
            found.append({**records[index], key: text})
    if not found:
        raise InputError(
            f"helmet {context.task}: no text has {cutter.least} reference tokens; lower book_tokens or document_tokens"
        )
    return found
