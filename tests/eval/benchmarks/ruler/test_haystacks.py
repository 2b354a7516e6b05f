"""The essay haystack is the official generator's text: its sentences, joined by one space."""

import hashlib
import json
import re
from pathlib import Path

import nltk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks.ruler.haystacks import EssayWords, essay_text, joined_sentences
from tests.real_records import REAL_RECORDS

REAL = REAL_RECORDS / "ruler/PaulGrahamEssays.json"
# sha256 of `" ".join(sentences)` of the first 300,000 characters of the essays (spaces as the official generator makes
# them, whole words), the sentences parted by nltk's trained English Punkt: 98 more spaces than the text has.
TRAINED, MORE_SPACES = "627f43dfec6b0ce331e43974abfd045fd9d62eb6d13c66b15e705ccf30399924", 98


def first_words(text: str, characters: int) -> str:
    return re.sub(r"\s+", " ", text).strip()[:characters].rsplit(" ", 1)[0]


def test_the_published_essays_get_the_spaces_of_the_trained_sentence_tokenizer():
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not here")
    text = first_words(essay_text(REAL), 300_000)
    joined, *_ = joined_sentences(text)
    assert len(joined) - len(text) == MORE_SPACES
    assert hashlib.sha256(joined.encode()).hexdigest() == TRAINED


def test_a_sentence_without_a_space_before_it_gets_one_and_an_abbreviation_none():
    text = 'Ask investors.[2] Startups (e.g. ours) wait. "Who?" Edgar v. MITE Corp.; the court said no.*'
    expected = 'Ask investors. [2] Startups (e.g. ours) wait. "Who?" Edgar v. MITE Corp.; the court said no. *'
    assert joined_sentences(text)[0] == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet='ab.?!)("[]*', max_size=5).map("a{}".format), min_size=1, max_size=30), st.data())
def test_a_cut_text_is_what_the_official_generator_joins(tokenizer, words, data):
    essay = EssayWords(tokenizer, " ".join(words), 1)
    units = data.draw(st.integers(1, essay.words))
    plain = (" ".join(words * (1 + units // len(words)))).split(" ")[:units]
    # The official rule, with the tokenizer that is at hand.
    official = " ".join(nltk.PunktSentenceTokenizer().tokenize(" ".join(plain)))
    assert essay.hide(units, [], []) == official


def test_the_predicted_tokens_are_those_of_the_text(tokenizer, book_text, ruler_files):
    text = json.loads(Path(ruler_files["essays"]).read_text())["text"].replace(". ", ".[1] ")
    essay = EssayWords(tokenizer, text, 2000)
    for units in (1, 2, 50, 333, essay.words):
        shown = essay.hide(units, [], [])
        assert abs(essay.tokens(units, "\nWhat") - len(tokenizer.encode(shown + "\nWhat"))) <= 2
