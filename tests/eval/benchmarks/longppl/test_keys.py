import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.errors import InputError
from contracts.tokenizer import load_tokenizer
from eval.backends.models import load_model
from eval.benchmarks.longppl import LongPPLSettings
from eval.benchmarks.longppl import build as longppl
from eval.benchmarks.longppl.build import are_key, key_tokens, merged, tokens_inside


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, torch.device("cpu"))


def loss_of_last(model, ids: list[int]) -> float:
    """-ln p of the last token given those before it, by a forward pass of its own."""
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]])).logits[0, -1].double()
    return (torch.logsumexp(logits, 0) - logits[ids[-1]]).item()


def naive_keys(model, ids, settings) -> list[int]:
    found = []
    for token in range(settings.window, len(ids)):
        # Which window predicts it: starts 0, d, 2d, ..., each responsible for the d tokens after its first K.
        start = (token - settings.window) // settings.stride * settings.stride
        short, long = loss_of_last(model, ids[start : token + 1]), loss_of_last(model, ids[: token + 1])
        if short - long > settings.alpha and long < -settings.beta:
            found.append(token)
    return found


@pytest.mark.parametrize(("length", "window", "stride"), [(60, 16, 8), (61, 16, 8), (40, 39, 5), (50, 7, 50)])
def test_key_tokens_equal_a_double_loop_over_the_definition(model, length, window, stride):
    ids = torch.randint(3, 512, (length,), generator=torch.Generator().manual_seed(length)).tolist()
    settings = LongPPLSettings(window=window, stride=stride, alpha=0.01, beta=-8.0)
    expected = naive_keys(model, ids, settings)
    assert key_tokens(model, ids, settings) == expected
    # The last case has one window from position 0, whose short context is the whole row: nothing can be key.
    assert bool(expected) == (window + stride < length)


def test_no_token_before_the_window_is_key(model):
    ids = torch.randint(3, 512, (80,), generator=torch.Generator().manual_seed(1)).tolist()
    settings = LongPPLSettings(window=20, stride=4, alpha=-100.0, beta=-100.0)
    assert key_tokens(model, ids, settings) == list(range(20, 80))


@pytest.mark.parametrize(
    ("short", "long", "key"),
    [
        (3.5, 1.5, False),  # the gain is alpha: not above it
        (3.5 + 2**-20, 1.5, True),
        (9.0, 2.0, False),  # the log-probability is beta: not above it
        (9.0, 2.0 - 2**-20, True),
        (1.0, 1.5, False),  # the short context predicts better
        (9.0, 5.0, False),  # a large gain on a token that stays unlikely
    ],
)
def test_a_token_on_a_threshold_is_not_key(short, long, key):
    settings = LongPPLSettings(alpha=2.0, beta=-2.0)
    assert are_key(torch.tensor([short]), torch.tensor([long]), settings).tolist() == [key]


spans = st.lists(st.integers(0, 5), min_size=1, max_size=30).map(
    lambda widths: [(sum(widths[:i]), sum(widths[: i + 1])) for i in range(len(widths))]
)


@given(spans, st.data())
def test_tokens_inside_equal_a_naive_search(found, data):
    chosen = sorted(data.draw(st.sets(st.integers(0, len(found) - 1))))
    intervals = merged([found[index] for index in chosen])
    naive = [
        index
        for index, (start, end) in enumerate(found)
        if start < end and any(begin <= start and end <= stop for begin, stop in intervals)
    ]
    assert tokens_inside(found, intervals) == naive
    assert {index for index in chosen if found[index][0] < found[index][1]} <= set(naive)


def build(context_of, model_folder, **longppl_settings):
    settings = {"samples": 3, "window": 32, "stride": 16, "alpha": 0.05, "beta": -20.0} | longppl_settings
    return longppl.books(context_of("longppl", "books", 128, settings, data={"evaluator": model_folder}))


def test_intervals_spell_the_key_tokens_of_the_row(context_of, model_folder, tokenizer):
    rows = build(context_of, model_folder).rows
    assert sum(len(row["key_positions"]) for row in rows) > 0
    for row in rows:
        spelled = "".join(row["text"][start:end] for start, end in row["key_intervals"])
        assert tokenizer.decode([row["input_ids"][position] for position in row["key_positions"]]) == spelled
        assert all(position >= 32 for position in row["key_positions"])


def test_an_evaluator_with_another_tokenizer_marks_the_same_text(context_of, tokenizer, model_folder, monkeypatch):
    same = build(context_of, model_folder).rows

    class Renamed:
        """The same tokenizer under another digest, so that the evaluator tokenizes the text again."""

        digest = "another"

        def __getattr__(self, name):
            return getattr(load_tokenizer(model_folder), name)

    monkeypatch.setattr(longppl, "load_tokenizer", lambda _: Renamed())
    again = build(context_of, model_folder).rows
    # A row that begins inside a word may be tokenized otherwise there; the rest must agree.
    overlap = [
        len(set(a["key_positions"]) & set(b["key_positions"])) / max(1, len(a["key_positions"]))
        for a, b in zip(same, again, strict=True)
    ]
    assert math.fsum(overlap) / len(overlap) > 0.5


def test_a_window_as_long_as_the_row_and_a_missing_evaluator_are_refused(context_of, model_folder):
    with pytest.raises(ValidationError, match="window"):
        build(context_of, model_folder, window=128)
    with pytest.raises(InputError, match="--data evaluator"):
        longppl.books(context_of("longppl", "books", 128, {"window": 32}))


def test_an_evaluator_that_cannot_read_a_whole_row_is_refused(context_of, model_folder):
    options = {"samples": 1, "window": 64}
    with pytest.raises(InputError, match="longer window"):
        longppl.books(context_of("longppl", "books", 513, options, data={"evaluator": model_folder}))
