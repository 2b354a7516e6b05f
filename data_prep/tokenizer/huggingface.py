"""Write a sentencepiece BPE model, or tiktoken ranks (Llama 3), as the files that transformers' AutoTokenizer reads.

in : a sentencepiece BPE .model file, or a TiktokenTokenizer
out: the tokenizer.json object and the text of tokenizer_config.json
Invariant: the exported tokenizer gives the ids that sentencepiece or tiktoken gives. `same_ids` is the proof on text:
models that do more than the export can say (charsmaps, trimmed whitespace, unigram) fail it and are not exported.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from contracts.huggingface_tokenizer import byte_alphabet
from contracts.tiktoken_tokenizer import LLAMA3_PATTERN, TiktokenTokenizer
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


def sentencepiece_to_huggingface(path: Path) -> tokenizers.Tokenizer:
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


def sentencepiece_config(path: Path) -> str:
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


def ranks_to_huggingface(tokenizer: TiktokenTokenizer) -> tokenizers.Tokenizer:
    """The `tokenizers` object that merges bytes as the ranks do, with the same special tokens."""
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    ordered = tokenizer.encoding.token_byte_values()
    ranks = {token: tokenizer.encoding.encode_single_token(token) for token in ordered}
    vocabulary = {spelled(token, letters): rank for token, rank in ranks.items()}
    merges = [(spelled(left, letters), spelled(right, letters)) for left, right in merges_of_ranks(ranks)]
    # Llama 3 takes a whole word that is a token at once, without merging its bytes.
    exported = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    words = pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated")
    letters_of_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    exported.pre_tokenizer = pre_tokenizers.Sequence([words, letters_of_bytes])
    exported.decoder = decoders.ByteLevel()
    names = sorted(tokenizer.special_tokens, key=tokenizer.special_tokens.__getitem__)
    exported.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    return exported


def spelled(token: bytes, letters: dict[int, str]) -> str:
    """A token in GPT-2's alphabet of bytes."""
    return "".join(letters[byte] for byte in token)


def merges_of_ranks(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Every split of every token into two tokens, in the order in which tiktoken would join them."""
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        halves = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        mergeable = [half for half in halves if half[0] in ranks and half[1] in ranks]
        merges += sorted(mergeable, key=lambda half: (ranks[half[0]], ranks[half[1]]))
    return merges


def ranks_config(tokenizer: TiktokenTokenizer, given: dict) -> str:
    """tokenizer_config.json: what lay beside the ranks, and BOS and EOS by name; nothing is added to a text."""
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    fixed = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[tokenizer.bos_id],
        "eos_token": names[tokenizer.eos_id],
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
    }
    return json.dumps({"model_max_length": 1 << 30} | given | fixed, indent=1, sort_keys=True) + "\n"
