import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from eval.benchmarks.perplexity.build import cross_entropy, entropy, token_counts, tokens_folder_counts

tokens = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@given(tokens)
def test_entropy_is_the_mean_surprise_of_the_tokens_themselves(ids):
    counts = Counter(ids)
    naive = -sum(math.log(counts[token] / len(ids)) for token in ids) / len(ids)
    assert entropy(token_counts([np.array(ids)], 10)) == pytest.approx(naive, abs=1e-12)


@given(tokens, tokens)
def test_cross_entropy_equals_a_naive_sum_with_one_added(train, held_back):
    counts = Counter(train)
    naive = -sum(math.log((counts[token] + 1) / (len(train) + 10)) for token in held_back) / len(held_back)
    given_counts = token_counts([np.array(train)], 10)
    assert cross_entropy(given_counts, np.array(held_back)) == pytest.approx(naive, abs=1e-12)


@given(tokens, tokens)
def test_no_frequencies_beat_the_tokens_own_entropy(train, held_back):
    own = entropy(token_counts([np.array(held_back)], 10))
    assert cross_entropy(token_counts([np.array(train)], 10), np.array(held_back)) >= own - 1e-12


def write_tokens(path, documents, digest):
    kinds = [("id", pa.string()), ("source", pa.string()), ("input_ids", pa.list_(pa.int32()))]
    schema = pa.schema(kinds, metadata={"tokenizer_digest": digest})
    with pa.ipc.new_file(str(path), schema) as writer:
        for index, ids in enumerate(documents):
            writer.write_batch(pa.record_batch([[str(index)], ["pg19"], [ids]], schema=schema))


def test_a_tokens_folder_is_counted_whole_and_a_foreign_one_refused(tmp_path):
    write_tokens(tmp_path / "tokens-00000.arrow", [[0, 1, 1], [2]], "mine")
    write_tokens(tmp_path / "tokens-00001.arrow", [[1]], "mine")
    assert tokens_folder_counts(tmp_path, 4, "mine").tolist() == [1, 3, 1, 0]
    with pytest.raises(InputError, match="another tokenizer"):
        tokens_folder_counts(tmp_path, 4, "yours")
    with pytest.raises(InputError, match="data_prep tokenize"):
        tokens_folder_counts(tmp_path.parent, 4, "mine")
