"""Write a sentencepiece BPE model as the Hugging Face files that transformers' AutoTokenizer reads.

in : a sentencepiece BPE .model file      out: the texts of tokenizer.json and tokenizer_config.json
Invariant: the exported tokenizer gives the ids that sentencepiece gives. `same_ids` is the proof on text: models
that do more than the export can say (charsmaps, trimmed whitespace, unigram) fail it and are not exported.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers

from contracts.tokenizer import Tokenizer

SPACE_MARK = "\u2581"
# Text that tells tokenizers apart: runs of spaces, all line ends, control bytes, digits, other scripts, specials.
PROBES = (
    "It was the best of times,  it was the   worst of times.",
    " leading and trailing ",
    "\n\n\t tabs\tand\r\nCRLF\r and    runs        of spaces\n",
    "1859 3.14159 1,000,000 007",
    "na\u00efve caf\u00e9 \u201cquotes\u201d \u2014 \u00c6neid \u0152uvre \ufb01 \uff21 e\u0301",
    "\u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0639\u0631\u0628\u064a",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\x00\x01\x7f\u00a0\u200b\ufeff\ufffd\u2028",
    "<s> </s> <unk> <|begin_of_text|> <|eot_id|> <0x0A> [INST] ------- ******* ....... aaaaaaa",
    "",
)


def to_huggingface(path: Path) -> tokenizers.Tokenizer:
    """The `tokenizers` object that merges as the sentencepiece BPE model at `path` does."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = [processor.id_to_piece(token) for token in range(processor.vocab_size())]
    vocabulary = {piece: token for token, piece in enumerate(pieces)}
    special = [token for token in range(len(pieces)) if processor.is_control(token) or processor.is_unknown(token)]
    plain = {piece for piece, token in vocabulary.items() if token not in set(special) and not processor.is_byte(token)}
    scores = {piece: processor.get_score(vocabulary[piece]) for piece in plain}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=ranked_merges(scores),
            unk_token=pieces[processor.unk_id()],
            fuse_unk=True,
            byte_fallback=any(processor.is_byte(token) for token in range(len(pieces))),
        )
    )
    prefixed = processor.encode("a", out_type=str)[0].startswith(SPACE_MARK)
    add_spaces(tokenizer, prefixed)
    tokenizer.add_special_tokens([AddedToken(pieces[token], normalized=False, special=True) for token in special])
    return tokenizer


def add_spaces(tokenizer: tokenizers.Tokenizer, prefixed: bool) -> None:
    """Spaces as sentencepiece writes them, with its dummy prefix where the model has one, and back."""
    spaces = normalizers.Replace(" ", SPACE_MARK)
    prefix = normalizers.Sequence([normalizers.Prepend(SPACE_MARK), spaces])
    tokenizer.normalizer = prefix if prefixed else spaces
    steps = [decoders.Replace(SPACE_MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefixed else steps)


def ranked_merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Every split of every piece into two pieces, the best-scored piece first.

    sentencepiece joins the two neighbours whose union scores best, whatever the split; so each split of a
    piece is a merge rule of that piece's rank.
    """
    merges = []
    for piece in sorted(scores, key=lambda piece: (-scores[piece], piece)):
        halves = ((piece[:cut], piece[cut:]) for cut in range(len(piece) - 1, 0, -1))
        merges += [(left, right) for left, right in halves if left in scores and right in scores]
    return merges


def tokenizer_config(path: Path) -> str:
    """tokenizer_config.json: BOS, EOS and unknown by name; nothing is added to a text, specials in it stay text."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    roles = {"bos_token": processor.bos_id(), "eos_token": processor.eos_id(), "unk_token": processor.unk_id()}
    config = {role: processor.id_to_piece(token) for role, token in roles.items() if token >= 0}
    fixed = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
        "model_max_length": 1 << 30,
    }
    return json.dumps(config | fixed, indent=1, sort_keys=True) + "\n"


def same_ids(tokenizer: Tokenizer, exported: tokenizers.Tokenizer, texts: Iterable[str] = PROBES) -> bool:
    """Whether both tokenizers give the same ids on every one of `texts`."""
    exported.encode_special_tokens = True
    same = all(exported.encode(text, add_special_tokens=False).ids == tokenizer.encode(text) for text in texts)
    exported.encode_special_tokens = False
    return same
