"""The tokenizer that counts and cuts documents, so that models with tokenizers of their own read the same text.

The published numbers count in tokens of Llama 2. It is `eval.data.reference_tokenizer`; where none is given, the
models' own tokenizer counts, and `counted_by` says so in the samples' manifest.
"""

from contracts.tokenizer import Tokenizer, load_tokenizer
from eval.building.build_context import BuildContext

KEY = "reference_tokenizer"


def reference_tokenizer(context: BuildContext) -> Tokenizer:
    """The tokenizer that is given, else the models' own."""
    return load_tokenizer(context.data(KEY)) if context.has(KEY) else context.tokenizer


def counted_by(context: BuildContext) -> str:
    """What counted, for the manifest and the protocol of a number."""
    return f"{KEY} {reference_tokenizer(context).digest[:16]}" if context.has(KEY) else "the models' own tokenizer"
