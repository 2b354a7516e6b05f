"""Texts with special tokens between them have the ids that transformers gives to the whole text."""

import io
import json
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from contracts.tokenizer import Tokenizer, load_tokenizer
from data_prep.tokenizer.huggingface import sentencepiece_to_huggingface

BOS, EOS = "<s>", "</s>"
TEXT = "it was the best of times, it was the worst of times: caf\u00e9, 1775 [user] a.b\n"
MARKS = normalizers.Replace(" ", "\u2581")
PREFIXED = normalizers.Sequence([normalizers.Prepend("\u2581"), MARKS])
LLAMA3_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
WORDS_OF_BYTES = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3_WORDS), behavior="isolated"), BYTES])


def metaspace(scheme: str) -> pre_tokenizers.Metaspace:
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)


# {name: (normalizer, pre-tokenizer, flags of the special tokens, keys of tokenizer_config.json)}
LLAMA = {"tokenizer_class": "LlamaTokenizer"}
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
FAMILIES = {
    "llama, legacy unset": (PREFIXED, None, {}, LLAMA),
    "llama, legacy": (PREFIXED, None, {}, LLAMA | {"legacy": True}),
    "llama, not legacy": (PREFIXED, None, {}, LLAMA | {"legacy": False}),
    "llama without a prefix": (MARKS, None, {}, LLAMA | {"legacy": True, "add_prefix_space": False}),
    "open_llama, special tokens normalized": (PREFIXED, None, {"normalized": True}, LLAMA),
    "prefixed, special tokens normalized": (PREFIXED, None, {"normalized": True}, FAST),
    "prefixed": (PREFIXED, None, {}, FAST),
    "first text prefixed": (None, metaspace("first"), {}, FAST),
    "every text prefixed": (None, metaspace("always"), {}, FAST),
    "gemma": (MARKS, None, {}, FAST),
    "phi, special tokens that strip": (PREFIXED, None, {"rstrip": True, "lstrip": True}, FAST),
    "single words": (MARKS, None, {"single_word": True}, FAST),
    "llama 3": (None, WORDS_OF_BYTES, {}, FAST),
    "qwen": (normalizers.NFC(), WORDS_OF_BYTES, {}, FAST),
    "gpt-2 with a first space": (None, pre_tokenizers.ByteLevel(add_prefix_space=True), {}, FAST),
}
words = st.sampled_from(["it was", " ", "\n", "caf\u00e9", "e\u0301", "\U0001f600", "1775", "  ", "[user]", "a", "."])
texts = st.lists(words, min_size=1, max_size=4).map("".join)
spelled = st.lists(st.one_of(words, st.sampled_from([BOS, EOS])), min_size=1, max_size=4).map("".join)
special = st.sampled_from([1, 2])


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    normalizer, pre_tokenizer, flags, config = FAMILIES[request.param]
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    of_bytes = pre_tokenizers.ByteLevel.alphabet() if "ByteLevel" in str(pre_tokenizer) else []
    tokenizer.decoder = decoders.ByteLevel() if of_bytes else decoders.Replace("\u2581", " ")
    names = ["<unk>", BOS, EOS] + ([] if of_bytes else [f"<0x{byte:02X}>" for byte in range(256)])
    trainer = trainers.BpeTrainer(
        vocab_size=len(names) + 400, special_tokens=names, initial_alphabet=of_bytes, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT] * 20, trainer)
    written = json.loads(tokenizer.to_str())
    # The bytes are pieces of the vocabulary, and no special tokens.
    kept = ({"special": True, "normalized": False} | token for token in written["added_tokens"][:3])
    written["added_tokens"] = [token | ({} if token["content"] == "<unk>" else flags) for token in kept]
    place = tmp_path_factory.mktemp("family")
    (place / "tokenizer.json").write_text(json.dumps(written), encoding="utf-8")
    fixed = {"bos_token": BOS, "eos_token": EOS, "unk_token": "<unk>", "clean_up_tokenization_spaces": False}
    (place / "tokenizer_config.json").write_text(json.dumps(config | fixed), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def ours(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> transformers.PreTrainedTokenizerBase:
    return transformers.AutoTokenizer.from_pretrained(folder)


def rendered(tokenizer: Tokenizer, pieces: list[str | int]) -> str:
    return "".join(piece if isinstance(piece, str) else tokenizer.names[piece] for piece in pieces)


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.one_of(texts, special), max_size=7))
def test_pieces_have_the_ids_that_transformers_gives_to_the_whole_text(ours, theirs, pieces) -> None:
    text = rendered(ours, pieces)
    ids, offsets = ours.encode_pieces(pieces)
    assert ids == theirs(text, add_special_tokens=False)["input_ids"]
    assert len(offsets) == len(ids)
    assert all(0 <= begin <= end <= len(text) for begin, end in offsets)
    # The way that is taken where a text spells a special token gives the same where none does.
    assert ours.encode_marked(pieces)[0] == ids


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(texts, min_size=1, max_size=4))
def test_a_chat_has_the_ids_of_apply_chat_template(ours, theirs, messages) -> None:
    template = "{% for message in messages %}<s>[{{ message['role'] }}] {{ message['content'] }}</s>\n{% endfor %}"
    roles = ["user", "assistant"] * 2
    chat = [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]
    pieces = [piece for turn in chat for piece in (1, f"[{turn['role']}] ", turn["content"], 2, "\n")]
    assert ours.encode_pieces(pieces)[0] == theirs.apply_chat_template(chat, chat_template=template, return_dict=False)


@settings(max_examples=60, deadline=None)
@given(before=texts, message=spelled, after=texts)
def test_a_text_that_spells_a_special_token_stays_text(ours, before, message, after) -> None:
    ids, _ = ours.encode_pieces([before, 1, message, 2, after])
    harmless = message.replace(BOS, "[b]").replace(EOS, "[/b]")
    expected, _ = ours.encode_pieces([before, 1, harmless, 2, after])
    assert [token for token in ids if token in (1, 2)] == [token for token in expected if token in (1, 2)]


@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_plain_text_has_the_ids_that_transformers_gives(ours, theirs, text) -> None:
    assert ours.encode(text) == ours.encode_array(text).tolist() == theirs(text, add_special_tokens=False)["input_ids"]


LEGACIES = {
    name: config
    for name, (_, _, _, config) in FAMILIES.items()
    if config["tokenizer_class"] != "PreTrainedTokenizerFast"
}


@pytest.fixture(scope="module", params=LEGACIES)
def llama(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, object]:
    """A sentencepiece model beside a tokenizer_config.json, and what transformers makes of the same vocabulary."""
    model, place = io.BytesIO(), tmp_path_factory.mktemp("llama")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT] * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=340,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (place / "ours").mkdir()
    (place / "ours/tokenizer.model").write_bytes(model.getvalue())
    (place / "theirs").mkdir()
    sentencepiece_to_huggingface(place / "ours/tokenizer.model").save(str(place / "theirs/tokenizer.json"))
    fixed = {"bos_token": BOS, "eos_token": EOS, "unk_token": "<unk>", "clean_up_tokenization_spaces": False}
    for folder in ("ours", "theirs"):
        config = json.dumps(LEGACIES[request.param] | fixed)
        (place / folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    return load_tokenizer(place / "ours"), transformers.AutoTokenizer.from_pretrained(place / "theirs")


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.one_of(texts, special), max_size=7))
def test_a_sentencepiece_model_of_llama_puts_marks_where_transformers_does(llama, pieces) -> None:
    ours, theirs = llama
    ids, offsets = ours.encode_pieces(pieces)
    assert ids == theirs(rendered(ours, pieces), add_special_tokens=False)["input_ids"]
    assert len(offsets) == len(ids)
