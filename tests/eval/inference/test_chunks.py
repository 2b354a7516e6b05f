import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.inference.rag import chunks, words

TEXT = st.text(alphabet="ab 1.!?;\n。中文", max_size=200)


@given(TEXT, st.integers(1, 20))
def test_joined_the_chunks_are_the_text(text, most):
    assert "".join(chunks(text, most)) == text


@given(TEXT, st.integers(1, 20))
def test_a_chunk_is_longer_than_allowed_only_where_one_sentence_is(text, most):
    for chunk in chunks(text, most):
        longest = max(len(words(sentence)) for sentence in chunks(chunk, 1))
        assert len(words(chunk)) <= max(most, longest)


@given(TEXT, st.integers(1, 20))
def test_no_chunk_would_have_fitted_onto_the_one_before(text, most):
    found = chunks(text, most)
    for earlier, later in itertools.pairwise(found):
        first_sentence = chunks(later, 1)[0]
        assert len(words(earlier)) + len(words(first_sentence)) > most


def test_sentences_are_joined_as_long_as_they_fit():
    text = "One two. Three four five! Six?\nSeven eight nine ten eleven; twelve."
    assert chunks(text, 5) == ["One two. Three four five! ", "Six?\n", "Seven eight nine ten eleven; ", "twelve."]
    assert chunks(text, 3) == [
        "One two. ",
        "Three four five! ",
        "Six?\n",
        "Seven eight nine ten eleven; ",
        "twelve.",
    ]
    assert chunks(text, 200) == [text]


@pytest.mark.parametrize(("text", "count"), [("It's 42 degrees_C.", 4), ("中文 text 一", 4), ("", 0), ("...", 0)])
def test_chinese_characters_and_runs_of_letters_are_words(text, count):
    assert len(words(text)) == count
