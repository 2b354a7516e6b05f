"""Counts of records, characters and tokens: in = out + dropped, with a reason for everything dropped.

in : what each record became      out: nested dicts of whole numbers that add up over shards
"""

from collections.abc import Mapping

from data_prep.tokens.encode import Encoded


class Counts:
    """The counts of one shard."""

    def __init__(self) -> None:
        self.values: dict = {
            "documents": {"in": 0, "out": 0, "dropped": {}},
            "characters": {"in": 0, "out": 0, "dropped": {}},
            "tokens": {"in": 0, "out": 0, "dropped": {}, "text": 0, "added": 0},
        }

    def keep(self, encoded: Encoded) -> None:
        """Count a record that is written."""
        self.take_in(encoded)
        lost = sum(encoded.dropped_characters.values())
        add(self.values["documents"], "out", 1)
        add(self.values["characters"], "out", encoded.characters - lost)
        add(self.values["tokens"], "out", len(encoded.ids))
        add(self.values["tokens"], "text", len(encoded.ids) - encoded.added)
        add(self.values["tokens"], "added", encoded.added)
        for reason, count in encoded.dropped_characters.items():
            add(self.values["characters"]["dropped"], reason, count)

    def leave_out(self, encoded: Encoded) -> None:
        """Count a record that the settings do not want, under their reason."""
        self.take_in(encoded)
        for name, count in (("documents", 1), ("characters", encoded.characters), ("tokens", len(encoded.ids))):
            add(self.values[name]["dropped"], encoded.left_out, count)

    def reject(self, reason: str) -> None:
        """Count a record that could not be read: nobody knows its characters."""
        add(self.values["documents"], "in", 1)
        add(self.values["documents"]["dropped"], reason, 1)

    def take_in(self, encoded: Encoded) -> None:
        """Count a record that could be read."""
        for name, count in (("documents", 1), ("characters", encoded.characters), ("tokens", len(encoded.ids))):
            add(self.values[name], "in", count)


def add(counts: dict, key: str, count: int) -> None:
    """Add to a count; a reason without anything is not written down."""
    if count:
        counts[key] = counts.get(key, 0) + count


def summed(first: Mapping, second: Mapping) -> dict:
    """Two nested counts added up, key by key."""
    total = dict(first)
    for key, value in second.items():
        total[key] = summed(first.get(key, {}), value) if isinstance(value, Mapping) else first.get(key, 0) + value
    return total
