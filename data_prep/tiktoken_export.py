"""Write tiktoken ranks (Llama 3) as the Hugging Face files that transformers' AutoTokenizer reads.

in : a TiktokenTokenizer      out: the tokenizer.json object and the text of tokenizer_config.json
Invariant: text gives the ids that tiktoken gives; `same_ids` of data_prep.huggingface_export is the proof on text.
"""

import json

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from contracts.huggingface_tokenizer import byte_alphabet
from contracts.tiktoken_tokenizer import LLAMA3_PATTERN, TiktokenTokenizer


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
        known = [half for half in halves if half[0] in ranks and half[1] in ranks]
        merges += sorted(known, key=lambda half: (ranks[half[0]], ranks[half[1]]))
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
