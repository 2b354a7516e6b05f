"""Retrieval: which chunks are kept, and that nothing else of the prompt changes."""

import math
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from contracts.errors import InputError
from eval.building.prompts import PromptWriter
from eval.inference.rag import Contriever, Retriever, bm25_scores, chunks, opener, words
from eval.inference.settings import RagSettings

FACT = "Ada keeps the red lantern in the cellar."
NOISE = [f"On day {number} nothing much was said about the weather." for number in range(40)]


@pytest.fixture
def writer(tokenizer):
    plain = SimpleNamespace(begin_with_bos=False, chat_template=None, chat_date="2024-07-26")
    return PromptWriter(tokenizer, plain, Path("."))


def sample(place: int = 25, question: str = "Where is the red lantern?") -> dict:
    text = " ".join([*NOISE[:place], FACT, *NOISE[place:]])
    prompt = f"Read this.\n{text}\n{question}"
    start = len("Read this.\n")
    return {
        "id": "s",
        "input": prompt,
        "context": [start, start + len(text)],
        "question": question,
        "answer_prefix": " Answer:",
        "chat": True,
    }


def test_the_chunk_with_the_answer_is_kept_and_the_rest_of_the_prompt_stays(writer, tokenizer):
    retriever = opener(RagSettings(chunk_words=30, top_k=2), "cpu")(writer)
    tokens, done = retriever.shortened(sample())
    text = tokenizer.decode(tokens)
    assert FACT in text
    assert text.startswith("Read this.\n")
    assert text.endswith("\nWhere is the red lantern? Answer:")
    assert done["input_tokens"] == len(tokens) < 100 + len(tokenizer.encode(FACT)) * 4
    start, end = sample()["context"]
    parts = chunks(sample()["input"][start:end], 30)
    assert FACT in parts[done["retrieved"][0]]


def test_chunks_come_best_first_or_as_in_the_text(writer):
    scores = lambda question, parts: [float(len(parts) - number) * (-1) ** number for number in range(len(parts))]  # noqa: E731
    ranked = Retriever(RagSettings(chunk_words=10, top_k=3), scores, writer).kept("q", ["a"] * 6)
    ordered = Retriever(RagSettings(chunk_words=10, top_k=3, order="document"), scores, writer).kept("q", ["a"] * 6)
    assert ranked == [0, 2, 4]
    assert ordered == sorted(ranked)
    rising = Retriever(RagSettings(top_k=2), lambda question, parts: [1.0, 3.0, 2.0], writer)
    assert rising.kept("q", ["a", "b", "c"]) == [1, 2]


def test_a_text_of_few_chunks_stays_whole(writer, tokenizer):
    row = sample()
    tokens, done = opener(RagSettings(chunk_words=100, top_k=50, order="document"), "cpu")(writer).shortened(row)
    assert tokenizer.decode(tokens) == row["input"] + row["answer_prefix"]
    assert done["retrieved"] == list(range(len(done["retrieved"])))


def test_without_a_question_the_words_around_the_text_are_asked_for(writer):
    asked = []
    retriever = Retriever(RagSettings(), lambda question, parts: asked.append(question) or [0.0] * len(parts), writer)
    retriever.shortened({**sample(), "question": ""})
    assert asked == ["Read this.\n\nWhere is the red lantern?"]


def test_a_sample_without_a_context_is_refused(writer):
    row = sample()
    del row["context"]
    with pytest.raises(InputError, match="no context"):
        opener(RagSettings(), "cpu")(writer).shortened(row)


def test_bm25_is_the_textbook_formula():
    source = random.Random(0)
    parts = [" ".join(source.choice("abcdefgh") for _ in range(source.randrange(3, 30))) for _ in range(12)]
    question = "a c z a"
    counts = [Counter(words(part)) for part in parts]
    mean = sum(map(Counter.total, counts)) / len(parts)

    def score(count: Counter) -> float:
        total = 0.0
        for word in words(question):
            holding = sum(word in other for other in counts)
            inverse = math.log(1 + (len(parts) - holding + 0.5) / (holding + 0.5))
            total += inverse * count[word] / (count[word] + 1.5 * (1 - 0.75 + 0.75 * count.total() / mean))
        return total

    assert bm25_scores(question, parts) == pytest.approx([score(count) for count in counts], rel=1e-4)
    assert bm25_scores("", parts) == [0.0] * 12
    assert bm25_scores("zzz", parts) == [0.0] * 12


@pytest.fixture(scope="module")
def contriever_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("contriever")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "red", "lantern", "weather", "day", "cellar"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
    ).save_pretrained(folder)
    return folder


def test_contriever_scores_are_dot_products_of_mean_states(contriever_folder):
    scorer = Contriever(contriever_folder, torch.device("cpu"))
    model = BertModel.from_pretrained(contriever_folder).eval()
    texts = ["the red lantern", "weather day day", "cellar " * 600]
    batch = scorer.tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
    assert batch["input_ids"].shape == (3, 512)
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    means = (states * mask).sum(1) / mask.sum(1)
    assert scorer(texts[0], texts) == pytest.approx((means @ means[0]).tolist(), rel=1e-4)


def test_a_folder_without_a_retriever_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="null for BM25"):
        Contriever(tmp_path / "absent", torch.device("cpu"))
    with pytest.raises(InputError, match="not a Contriever model"):
        Contriever(tmp_path, torch.device("cpu"))
