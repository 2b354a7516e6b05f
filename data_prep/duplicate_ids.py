"""Which documents of a tokens folder repeat the id of an earlier one.

in : a TokensReader      out: their indices in order
Memory: 8 bytes per document for hashes; the ids themselves are compared only where hashes agree.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from contracts.errors import InputError
from data_prep.tokens_reader import TokensReader


def repeated_ids(reader: TokensReader) -> list[int]:
    """The indices of the documents whose id an earlier document has."""
    hashes = np.fromiter((id_hash(name) for _, name in all_ids(reader)), dtype=np.uint64, count=len(reader))
    ordered = np.sort(hashes)
    shared = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not shared:
        return []
    seen: set[str] = set()
    repeated = []
    for index, name in all_ids(reader):
        if int(hashes[index]) in shared:
            if name in seen:
                repeated.append(index)
            seen.add(name)
    return repeated


def refuse_repeated_ids(reader: TokensReader, cure: str = "give every document its own id") -> None:
    """InputError that names the first id that two documents share."""
    for index in repeated_ids(reader):
        raise InputError(f"{reader.folder}: two documents have the id {reader.id(index)}; {cure}")


def all_ids(reader: TokensReader) -> Iterator[tuple[int, str]]:
    """(index, id) of every document."""
    for batch in reader.batches:
        yield from enumerate(batch.batch.column("id").to_pylist(), batch.first)


def id_hash(name: str) -> int:
    """64 bits of a hash that is the same everywhere."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
