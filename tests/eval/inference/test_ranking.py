"""Chunks of training samples: cut after so many words or tokens, scored in batches as one by one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertModel, BertTokenizer

from contracts.errors import InputError
from eval.inference.rag import Contriever, words
from eval.inference.ranking import BatchedContriever, chunks_of, ranking_of
from eval.inference.settings import RankSettings

TEXTS = ["red lantern", "a the cellar keeps red ada", "the " * 30, "ada"]


@pytest.fixture(scope="module")
def contriever(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("contriever")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "lantern", "the", "cellar", "ada", "keeps", "a"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_scores_of_a_batch_are_those_of_each_chunk_alone(contriever, batch):
    alone = Contriever(contriever, torch.device("cpu"))("the red lantern", TEXTS)
    settings = RankSettings(retriever=contriever, batch=batch)
    together = BatchedContriever(settings, torch.device("cpu")).score("the red lantern", TEXTS, "here")
    assert together == pytest.approx(alone, rel=1e-5)
    assert len(set(alone)) == len(TEXTS)


def test_a_chunk_that_is_longer_than_the_retriever_reads_is_told(contriever):
    scorer = BatchedContriever(RankSettings(retriever=contriever), torch.device("cpu"))
    scorer.score("red", ["the " * 510], "here")
    with pytest.raises(InputError, match="here: chunk 1 has 513 tokens of the retriever, which reads 512; lower"):
        scorer.score("red", ["red", "the " * 511], "here")


@given(begin=st.integers(0, 2000), length=st.integers(1, 400), size=st.integers(1, 60))
def test_chunks_tile_the_text_and_each_but_the_last_has_as_many_words_or_tokens(
    tokenizer, book_text, begin, length, size
):
    ids = np.array(tokenizer.encode(book_text[begin : begin + length]))
    middle = len(ids) // 3
    stretches = np.array([[0, middle], [middle, len(ids)]] if middle else [[0, len(ids)]])
    for unit in ("tokens", "words"):
        chunks = chunks_of(tokenizer, ids, stretches, RankSettings(chunk_length=size, chunk_unit=unit))
        assert chunks[:, 0].tolist() == [0, *chunks[:-1, 1].tolist()]
        assert chunks[-1, 1] == len(ids)
        assert (chunks[:, 0] < chunks[:, 1]).all()
        assert set(stretches[:, 1].tolist()) <= set(chunks[:, 1].tolist())
        for start, end in chunks.tolist():
            text = "".join(tokenizer.piece(token) for token in ids[start:end].tolist())
            # A word may begin in the last token of the chunk before.
            count = end - start if unit == "tokens" else len(words(text))
            assert count <= size + (unit == "words")
            if end not in stretches[:, 1]:
                assert count >= size - (unit == "words")


def test_a_character_that_grows_in_lower_case_moves_no_border():
    text = "\u0130 " * 6 + "one two three four"
    characters = SimpleNamespace(piece=lambda token: text[token])
    settings = RankSettings(chunk_length=2, chunk_unit="words")
    chunks = chunks_of(characters, np.arange(len(text)), np.array([[0, len(text)]]), settings)
    assert [text[begin:end] for begin, end in chunks.tolist()][-2:] == ["one two ", "three four"]


def test_a_sample_whose_evidence_is_in_no_chunk_is_told(tokenizer):
    ids = np.array(tokenizer.encode("It was the best of times, it was the worst of times. Which times?"))
    spans = {"question_spans": [[len(ids) - 4, len(ids)]], "context_spans": [[0, 10]], "evidence_spans": [[11, 13]]}
    reader = SimpleNamespace(
        folder="tokens",
        id=lambda index: "s",
        tokens=lambda index: ids,
        spans=lambda name, index: np.array(spans[name]),
    )

    def score(question, chunks, where):
        return [float(len(chunk)) for chunk in chunks]

    with pytest.raises(InputError, match="sample s: no chunk holds what its answer rests on"):
        ranking_of(reader, 0, tokenizer, RankSettings(), score)
    spans["evidence_spans"] = [[9, 13]]
    ranking = ranking_of(reader, 0, tokenizer, RankSettings(chunk_length=4, chunk_unit="tokens"), score)
    assert ranking.chunks.tolist() == [[0, 4], [4, 8], [8, 10]]
    assert ranking.best(3).tolist() == [0, 1, 2]
