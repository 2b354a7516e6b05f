"""One packed row as one context-parallel rank sees it: tokens, targets, and what is real.

Invariants: a token's target is the next token of its own segment; padding is never a token nor a target;
targets are shifted before the row is cut, so that no rank loses one at a border.

# N tokens of the row, T local tokens of this rank
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from contracts.packs import PackRow
from megatron_cdt.engine.device import device
from megatron_cdt.engine.model import packed_row
from megatron_cdt.engine.zigzag import local_token_indices

NO_LABEL = -100


@dataclass(frozen=True)
class WholeRow:
    """One row before it is cut, the same on every rank."""

    input_ids_N: np.ndarray  # int
    labels_N: np.ndarray  # int64, the token to predict here, or NO_LABEL
    real_N: np.ndarray  # bool, False for padding
    segment_lengths: Sequence[int]  # tokens, padding included
    answers_only: bool = False  # the labels are chosen spans (answers), not every token

    def segments(self) -> Iterator[tuple[int, int]]:
        """(start, real tokens) of every segment, in row order."""
        start = 0
        for length in self.segment_lengths:
            yield start, int(self.real_N[start : start + length].sum())
            start += length


@dataclass(frozen=True)
class LocalRow:
    """A rank's share of one row. The two counts are of the whole row, the same on every rank."""

    whole: WholeRow
    input_ids_T: Tensor  # int64
    labels_T: Tensor  # int64, the token to predict here, or NO_LABEL
    real_T: Tensor  # bool, False for padding
    indices_T: Tensor  # int64, position in the row
    packing: PackedSeqParams
    num_labels: int  # labelled tokens of the whole row
    num_tokens: int  # real tokens of the whole row


def cut_row(whole: WholeRow, groups: ProcessGroupCollection) -> LocalRow:
    """This context-parallel rank's zigzag share of a row, on its device."""
    indices_T = local_token_indices(whole.segment_lengths, groups.cp.size(), groups.cp.rank())
    local = indices_T.numpy()
    return LocalRow(
        whole=whole,
        input_ids_T=torch.from_numpy(whole.input_ids_N[local].astype(np.int64)).to(device()),
        labels_T=torch.from_numpy(whole.labels_N[local]).to(device()),
        real_T=torch.from_numpy(whole.real_N[local]).to(device()),
        indices_T=indices_T,
        packing=packed_row(whole.segment_lengths, groups),
        num_labels=int((whole.labels_N != NO_LABEL).sum()),
        num_tokens=int(whole.real_N.sum()),
    )


def local_row(pack_row: PackRow, groups: ProcessGroupCollection) -> LocalRow:
    """This rank's share of a row of a pack."""
    return cut_row(whole_row(pack_row), groups)


def whole_row(pack_row: PackRow) -> WholeRow:
    """A row of a pack with the labels of every position."""
    lengths = pack_row.segment_lengths.tolist()
    labels_N = next_tokens(pack_row.input_ids, pack_row.target_mask())
    real_N = pack_row.positions() < np.repeat(pack_row.segment_tokens, pack_row.segment_lengths)
    answers_only = pack_row.label_spans is not None
    return WholeRow(pack_row.input_ids, labels_N, real_N, lengths, answers_only)


def labelled_row(input_ids: Sequence[int], labels: Sequence[int], groups: ProcessGroupCollection) -> LocalRow:
    """This rank's share of one document with Hugging Face labels (own token or -100; shifted here).

    The row is padded at its end to a multiple of lcm(2*cp, cp*tp); padding has no target and is not real.
    """
    length = padded_length(len(input_ids), groups)
    input_ids_N, labels_N = np.zeros(length, dtype=np.int64), np.full(length, NO_LABEL, dtype=np.int64)
    input_ids_N[: len(input_ids)] = input_ids
    labels_N[: len(labels) - 1] = labels[1:]
    return cut_row(WholeRow(input_ids_N, labels_N, np.arange(length) < len(input_ids), [length]), groups)


def padded_length(tokens: int, groups: ProcessGroupCollection) -> int:
    """The shortest segment length of at least `tokens` that every rank can hold an even share of."""
    divisor = math.lcm(2 * groups.cp.size(), groups.cp.size() * groups.tp.size())
    return -(-tokens // divisor) * divisor


def next_tokens(input_ids_N: np.ndarray, target_mask_N: np.ndarray) -> np.ndarray:
    """The token that follows each position where it is a target, else NO_LABEL: int64 [N]."""
    return np.where(target_mask_N, np.append(input_ids_N[1:], 0), NO_LABEL).astype(np.int64)
