"""Opening a packed set of 2.6 GB, and random rows of it, beside megatron-core's IndexedDataset of the same tokens.

in : an empty folder      out: seconds to open and read the first row in a fresh process, microseconds a random row
A row is 64,000 tokens; "read" sums it, "look" only makes the view.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.token_files import TokensReader
from contracts.tokens import TokensMetadata, tokens_schema
from data_prep.arrow_columns import list_column, number_column, text_column
from data_prep.packs.plan import plan_rows
from data_prep.packs.writer import PackMetadata, rows_per_batch, write_packs
from data_prep.settings import PackSettings

ROW = 64_000
FRESH = """
import json, sys, time
{imports}
start, used = time.perf_counter(), time.process_time()
{opened}
first = int({row}.sum())
opened, used = time.perf_counter() - start, time.process_time() - used
import numpy as np
order = np.random.default_rng(0).integers(0, {count}, 2000).tolist()
for index in order: {row_index}.sum()
times = []
for work in ({look!r}, {read!r}):
    code = compile(f"for index in order: {{work}}", "bench", "exec")
    best = 1e9
    for _ in range(5):
        start = time.perf_counter(); exec(code); best = min(best, time.perf_counter() - start)
    times.append(best / len(order) * 1e6)
print(json.dumps([opened, used, *times]))
"""


def write_sets(folder: Path, rows: int) -> int:
    """The same tokens as packs and as an IndexedDataset; the bytes of the packs."""
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    generator = np.random.default_rng(0)
    schema = tokens_schema(TokensMetadata("digest", 128_256, "source", "versions"))
    (folder / "tokens").mkdir()
    nulls = pa.nulls(1, schema.field("label_spans").type)
    with pa.OSFile(str(folder / "tokens" / "tokens-00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
        for number in range(-(-rows // 100)):
            ids = generator.integers(0, 128_256, 100 * ROW, dtype=np.int32)
            names = [text_column([str(number)]), text_column(["bench"]), number_column(np.zeros(1, np.int64))]
            arrays = [*names, list_column([ids], number_column(ids)), nulls, nulls]
            out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    reader = TokensReader(folder / "tokens")
    plan = plan_rows(reader.lengths, PackSettings(length=ROW, alignment=8, shuffle_seed=None))
    metadata = PackMetadata(ROW, 8, 0, 128_256, rows_per_batch(ROW), True, "digest", "fingerprint")
    (folder / "packs").mkdir()
    builder = IndexedDatasetBuilder(str(folder / "indexed.bin"), dtype=np.int32)
    for _ in write_packs(folder / "packs", reader, plan, metadata):
        pass
    for segment in range(len(plan)):
        view = reader.tokens(int(plan.documents[segment]), int(plan.starts[segment]), int(plan.starts[segment]) + ROW)
        builder.data_file.write(view.tobytes())
        builder.sequence_lengths.append(ROW)
        builder.document_indices.append(len(builder.sequence_lengths))
        if segment % 100 == 0:
            reader.release()
    builder.finalize(str(folder / "indexed.idx"))
    return sum(path.stat().st_size for path in (folder / "packs").iterdir())


def fresh(**parts: object) -> dict:
    """Figures from a process that has imported, but not opened."""
    told = subprocess.run([sys.executable, "-c", FRESH.format(**parts)], capture_output=True, text=True, check=True)
    opened, used, look, read = json.loads(told.stdout.splitlines()[-1])
    opening = {"open_and_first_row_seconds": opened, "open_and_first_row_cpu_seconds": used}
    return opening | {"look_microseconds": look, "read_microseconds": read}


def measure(folder: Path, rows: int = 10_160) -> dict:
    """{packs: ..., indexed: ..., bytes: n}"""
    size = write_sets(folder, rows)
    packs = fresh(
        imports="from contracts.packs import PackReader",
        opened=f"reader = PackReader({str(folder / 'packs')!r})",
        row="reader.input_ids(0)",
        row_index="reader.input_ids(index)",
        count=rows // 100 * 100,
        look="reader.input_ids(index)",
        read="reader.input_ids(index).sum()",
    )
    indexed = fresh(
        imports="from megatron.core.datasets.indexed_dataset import IndexedDataset",
        opened=f"reader = IndexedDataset({str(folder / 'indexed')!r}, mmap=True)",
        row="reader[0]",
        row_index="reader[index]",
        count=rows // 100 * 100,
        look="reader[index]",
        read="reader[index].sum()",
    )
    return {"bytes": size, "packs": packs, "indexed": indexed}
