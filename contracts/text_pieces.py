"""Cut a long text where no token can lie across, because libraries are more than twice as fast on short texts.

in : a text, and the places where its tokenizer lets it be cut      out: pieces whose ids, end to end, are the text's
Invariant: exact, not likely. Merges of a BPE vocabulary whose pieces have the space mark only at their beginning
never join a space to what stands before it, so the words before and after the cut do not know of each other.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

SPACE_MARK = "\u2581"  # how such vocabularies write a space
PIECE = 4096  # characters; a whole book no longer fits the processor's caches while its pairs are merged
BEFORE_SPACE = re.compile(f"[^ {SPACE_MARK}](?= )")
# Where a mark is put before every text, the mark of the next piece stands for the space, which is left out.
ACROSS_SPACE = re.compile(f"[^ {SPACE_MARK}] (?=[^ {SPACE_MARK}])")


def pieces_of(text: str, cut: re.Pattern[str] | None, size: int = PIECE) -> list[str]:
    """`text` in pieces of `size` characters and the rest of a word; whole where `cut` is None or never matches.

    A match of `cut` begins with the last character of a piece and ends where the next piece begins.
    """
    pieces, begin = [], 0
    while cut and len(text) - begin > size and (place := cut.search(text, begin + size)):
        pieces.append(text[begin : place.start() + 1])
        begin = place.end()
    return [*pieces, text[begin:]]


def encode_runs(
    pieces: Sequence[str | int], names: Mapping[int, str], encode: Callable[[str, bool], tuple[list[int], list]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Runs of text encoded by themselves with the special tokens between them; offsets as Tokenizer.encode_pieces says.

    `encode` gets a run and whether everything begins with it.
    """
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    place = 0
    for is_special, group in groupby(pieces, key=lambda piece: isinstance(piece, int)):
        for piece in group if is_special else ["".join(group)]:
            text = names[piece] if is_special else piece
            piece_ids, spans = ([piece], [(0, len(text))]) if is_special else encode(text, place == 0)
            ids += piece_ids
            offsets += [(place + begin, place + end) for begin, end in spans]
            place += len(text)
    return ids, offsets


def words_stand_alone(vocabulary: Iterable[str]) -> bool:
    """Whether no piece of a BPE vocabulary has a space mark behind another character, and the mark is one itself."""
    pieces = set(vocabulary)
    return SPACE_MARK in pieces and not any(SPACE_MARK in piece.lstrip(SPACE_MARK) for piece in pieces)
