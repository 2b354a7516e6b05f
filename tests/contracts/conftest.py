"""Small tokenizers of all file formats, trained once a session on a few lines of text."""

import base64
import io
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from contracts.huggingface_tokenizer import byte_alphabet

LINES = [
    "It was the best of times, it was the worst of times,",
    "    it was the age of wisdom,   it was the age of foolishness --- 1859",
    "naïve café: the years 1775 and 1859",
] * 20


@pytest.fixture(scope="session")
def sentencepiece_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentencepiece BPE model of 400 pieces with byte fallback."""
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=proto,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    path = tmp_path_factory.mktemp("sentencepiece") / "tokenizer.model"
    path.write_bytes(proto.getvalue())
    return path


@pytest.fixture(scope="session")
def huggingface_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE tokenizer.json of at most 400 tokens whose companion file names </s> as EOS."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    path = tmp_path_factory.mktemp("huggingface") / "tokenizer.json"
    tokenizer.save(str(path))
    path.with_name("tokenizer_config.json").write_text('{"eos_token": {"content": "</s>"}}')
    return path


@pytest.fixture(scope="session")
def tiktoken_file(huggingface_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ranks in the format of Llama 3's tokenizer.model: the bytes, and what the byte-level tokenizer merges."""
    alphabet = byte_alphabet()
    vocabulary = tokenizers.Tokenizer.from_file(str(huggingface_file)).get_vocab(with_added_tokens=False)
    spelled = [name for name in sorted(vocabulary, key=vocabulary.__getitem__) if alphabet.keys() >= set(name)]
    tokens = [bytes(alphabet[letter] for letter in name) for name in spelled]
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
    path = tmp_path_factory.mktemp("tiktoken") / "tokenizer.model"
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="session", params=["sentencepiece", "huggingface", "tiktoken"])
def tokenizer_file(request: pytest.FixtureRequest) -> Path:
    """Each of the small tokenizers in turn."""
    return request.getfixturevalue(f"{request.param}_file")
