"""Take typed fields out of a record, and tell what is wrong with it.

in : a Record      out: text, passages, an id; RecordError where a field is missing or of another kind
"""

from data_prep.sources.record_files import Record
from data_prep.sources.source import BadRecord


class RecordError(Exception):
    """A fault of one record; `bad` is the record that tells it. Never leaves the sources."""

    def __init__(self, record: Record, reason: str, detail: str, cure: str) -> None:
        super().__init__(detail)
        self.bad = BadRecord(
            record.where, reason, detail, cure, repr(record.fields)[:100_000].encode("utf-8", "replace")
        )


def text_of(record: Record, name: str, cure: str = "correct or remove the record") -> str:
    """A field that must be text, and Unicode that can be written as UTF-8."""
    if name not in record.fields:
        names = ", ".join(map(str, record.fields)) or "none"
        raise RecordError(record, "missing field", f"no field {name!r} (fields here: {names})", cure)
    value = record.fields[name]
    if not isinstance(value, str):
        raise RecordError(record, "field of another type", f"{name!r} is {type(value).__name__}, expected text", cure)
    return unicode_of(record, name, value)


def unicode_of(record: Record, name: str, value: str) -> str:
    """`value`, refused where it holds half of a surrogate pair (JSON can spell one, UTF-8 cannot)."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        detail = f"{name!r} holds the lone surrogate \\u{ord(value[error.start]):04x}"
        raise RecordError(record, "lone surrogate", detail, "correct or remove the record") from None
    return value


def passages_of(record: Record, name: str) -> list[str]:
    """The `content` of each passage in a list of objects."""
    values = record.fields.get(name)
    if name not in record.fields:
        raise RecordError(record, "missing field", f"no field {name!r}", "correct or remove the record")
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RecordError(record, "field of another type", f"{name!r} is no list of objects", "correct the record")
    return [text_of(Record(record.where, record.name, value), "content") for value in values]


def id_of(record: Record, name: str) -> str:
    """The record's id: its own where it has one, else file:number."""
    value = record.fields.get(name)
    if value is None or value == "":
        return record.name
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = type(value).__name__
        raise RecordError(
            record, "field of another type", f"{name!r} is {kind}, expected text or a number", "correct it"
        )
    return unicode_of(record, name, str(value))
