"""Bad records that a run sets aside: one JSON line each, with the place, the reason and the record itself.

in : BadRecord      out: quarantine.jsonl: {"where", "reason", "detail", "record"}
Invariant: no path of this machine is written: places are relative to the corpus. A record that is not UTF-8 has its
bytes as \\xHH; of one that is longer than the excerpt, the beginning is kept.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from contracts.files import atomic_file
from data_prep.sources.source import BadRecord

QUARANTINE_NAME = "quarantine.jsonl"


def quarantine_line(bad: BadRecord, root: Path) -> str:
    """One line of the file."""
    fields = {
        "where": bad.where.removeprefix(f"{root}/"),
        "reason": bad.reason,
        "detail": bad.detail,
        "record": bad.content.decode("utf-8", "backslashreplace"),
    }
    return json.dumps(fields) + "\n"


@contextmanager
def quarantine_file(path: Path, root: Path) -> Iterator[Callable[[BadRecord], None]]:
    """A function that writes a bad record to `path`; without one there is no file, whole or not at all with some."""
    with ExitStack() as stack:
        opened: list[TextIO] = []

        def set_aside(bad: BadRecord) -> None:
            if not opened:
                temporary = stack.enter_context(atomic_file(path))
                opened.append(stack.enter_context(open(temporary, "w", encoding="utf-8")))
            opened[0].write(quarantine_line(bad, root))

        yield set_aside
