"""The last steps of tokenizing: add up the counts, set repeated ids aside, join the quarantine files.

in : a Job whose shards are all written      out: the counts of the manifest, and the files that stay
Invariants: documents, characters and tokens in = out + dropped; a run that is ended in here starts over, because the
key that says what its shards are is gone before one of them changes.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from contracts.errors import InputError
from contracts.files import atomic_file
from contracts.token_files import TokensReader, open_tokens, repeated_ids
from contracts.tokenizer import Tokenizer
from data_prep.sources.source import RECORD_EXCERPT, BadRecord, Shard
from data_prep.tokens.counting import Counts, summed
from data_prep.tokens.quarantine import QUARANTINE_NAME, quarantine_line
from data_prep.tokens.shard import Job, counts_path, quarantine_path, shard_path

KEY_NAME = "key.json"
REASON = "id of an earlier document"


def finish_shards(job: Job, shards: Sequence[Shard], tokenizer: Tokenizer) -> dict:
    """The counts of all shards, after repeated ids were refused or set aside and the quarantine was written."""
    total = Counts().values
    for shard in shards:
        total = summed(total, json.loads(counts_path(job.folder, shard.number).read_text()))
    reader = TokensReader(job.folder)
    aside: list[str] = []
    if job.corpus.on_bad_record == "stop":
        for index in repeated_ids(reader):
            raise repeated_id(job, shards, reader.id(index))
    elif repeated := repeated_ids(reader):
        (job.folder / KEY_NAME).unlink(missing_ok=True)
        total = summed(total, set_aside(job, reader, repeated, tokenizer, aside))
    write_quarantine(job, shards, aside)
    return total


def repeated_id(job: Job, shards: Sequence[Shard], name: str) -> InputError:
    """The complaint about an id that two documents have. The corpus is read once more to tell where they lie."""
    records = (record for shard in shards for record in job.source.records(shard) if not isinstance(record, BadRecord))
    first, second = itertools.islice((record.where for record in records if record.id == name), 2)
    cure = "give every document its own id, or set on_bad_record: quarantine"
    return InputError(f"{second}: the id {name} is already that of {first}; {cure}")


def set_aside(job: Job, reader: TokensReader, repeated: list[int], tokenizer: Tokenizer, aside: list[str]) -> dict:
    """Write the shards again without the documents `repeated`; what that changes in the counts."""
    change: dict = {}
    for number, places in by_shard(job, repeated):
        for index, _ in places:
            change = summed(change, moved(reader, index, tokenizer))
            text = tokenizer.decode(reader.tokens(index)[:RECORD_EXCERPT].tolist())
            detail = f"the id {reader.id(index)} is that of an earlier document"
            bad = BadRecord(f"document {reader.id(index)}", REASON, detail, "", text.encode("utf-8", "replace"))
            aside.append(quarantine_line(bad, job.source.root))
        rewrite_without(job, number, {place for _, place in places})
    return change


def by_shard(job: Job, repeated: list[int]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """(shard, [(document, its row in the shard)]) of the documents, in order."""
    counts = []
    for number in range(len(list(job.folder.glob("tokens-*.arrow")))):
        reader = open_tokens(shard_path(job.folder, number))[0].reader
        counts.append(sum(reader.get_batch(batch).num_rows for batch in range(reader.num_record_batches)))
    firsts = np.cumsum([0, *counts])
    shard_of = {index: int(np.searchsorted(firsts, index, side="right")) - 1 for index in repeated}
    for number, indices in groupby(repeated, shard_of.__getitem__):
        yield number, [(index, index - int(firsts[number])) for index in indices]


def moved(reader: TokensReader, index: int, tokenizer: Tokenizer) -> dict:
    """What setting one document aside changes: out less, dropped more."""
    tokens, characters = reader.tokens(index), int(reader.characters[index])
    # Text never becomes a special token, so the special ones are those that were added.
    added = int(np.isin(tokens, list(tokenizer.special_tokens.values())).sum())
    return {
        "documents": {"out": -1, "dropped": {REASON: 1}},
        "characters": {"out": -characters, "dropped": {REASON: characters}},
        "tokens": {
            "out": -len(tokens),
            "dropped": {REASON: len(tokens)},
            "text": added - len(tokens),
            "added": -added,
        },
    }


def rewrite_without(job: Job, number: int, places: set[int]) -> None:
    """One tokens file again, without the rows `places`."""
    path = shard_path(job.folder, number)
    reader = open_tokens(path)[0].reader
    first = 0
    with (
        atomic_file(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, reader.schema) as out,
    ):
        for batch in (reader.get_batch(index) for index in range(reader.num_record_batches)):
            keep = [place not in places for place in range(first, first + batch.num_rows)]
            first += batch.num_rows
            if any(keep):
                out.write_batch(batch.filter(pa.array(keep)))


def write_quarantine(job: Job, shards: Sequence[Shard], aside: list[str]) -> None:
    """One quarantine file of all shards, in their order; none where no record was bad."""
    paths = [path for shard in shards if (path := quarantine_path(job.folder, shard.number)).is_file()]
    if not paths and not aside:
        return
    with atomic_file(job.folder / QUARANTINE_NAME) as temporary, open(temporary, "wb") as out:
        for path in paths:
            with open(path, "rb") as handle:
                shutil.copyfileobj(handle, out)
        out.write("".join(aside).encode())
