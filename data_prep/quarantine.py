"""Bad records that a run sets aside: one JSON line each, with the place, the reason and the record itself.

in : BadRecord      out: quarantine.jsonl: {"where", "reason", "detail", "record"}
Invariant: no path of this machine is written: places are relative to the corpus. A record that is not UTF-8 has its
bytes as \\xHH; of one that is longer than the excerpt, the beginning is kept.
"""

import json
from pathlib import Path

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
