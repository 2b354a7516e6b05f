"""Records with the same keys as CSV."""

import csv
import io


def csv_text(records: list[dict]) -> str:
    """A header line and a line a record; nothing of no records."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
