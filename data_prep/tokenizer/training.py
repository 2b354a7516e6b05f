"""Train a sentencepiece BPE model on the text of a corpus.

in : texts (their order does not matter) and TokenizerSettings      out: the bytes of a .model file
Invariant: the same documents and settings give the same bytes, whatever the machine's cores, the time, or
the order in which a folder lists its files; every text survives encode -> decode, whitespace included.
"""

import hashlib
import io
import string
from collections.abc import Iterable, Iterator

import sentencepiece

from contracts.errors import InputError
from data_prep.settings import TokenizerSettings
from data_prep.sources.source import with_line_ends

# A trainer's line longer than this would be left out silently by sentencepiece; its own default is 4,192 bytes.
LONGEST_LINE = 1 << 30
# sentencepiece writes the number of threads into the model file, so it is one number everywhere.
THREADS = 1
# Without these, rare ones (digits in a novel, brackets) would be spelled as bytes.
REQUIRED_CHARACTERS = "".join(character for character in string.printable if not character.isspace())


def train_sentencepiece(texts: Iterable[str], settings: TokenizerSettings, line_ends: str) -> bytes:
    """The bytes of a BPE model of `settings.vocab_size` pieces; InputError where the text is too little for it."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=training_lines(texts, settings.training_characters, line_ends),
            model_writer=model,
            model_type="bpe",
            vocab_size=settings.vocab_size,
            character_coverage=settings.character_coverage,
            max_sentencepiece_length=settings.max_piece_length,
            required_chars=REQUIRED_CHARACTERS,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            max_sentence_length=LONGEST_LINE,
            num_threads=THREADS,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).split(") ")[-1].strip() or "the text is too short"
        raise InputError(
            f"tokenizer: sentencepiece cannot make {settings.vocab_size} tokens of this text ({reason}); "
            "lower vocab_size or give it more text"
        ) from None
    return model.getvalue()


def training_lines(texts: Iterable[str], limit: int | None, line_ends: str) -> Iterator[str]:
    """The lines of the texts without their ends: newlines stay bytes of their own in every text."""
    characters = 0
    for text in texts:
        if limit is not None and characters >= limit:
            return
        characters += len(text)
        yield from (line for line in with_line_ends(text, line_ends).split("\n") if line)


def spread_order(name: str) -> bytes:
    """A sort key that spreads documents over the corpus the same way everywhere: the hash of the name."""
    return hashlib.sha256(name.encode()).digest()
