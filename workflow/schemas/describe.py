"""Write the tables of config/README.md, one row for every key of a configuration, from the schema.

in : config.schema.json beside this file      out: config/README.md, all after its marker line
invariant: the page names every key with its default and its meaning; a test fails where it is older than the schema.
Run: python -m workflow.schemas.describe    (or `make schema`)
"""

import json
from collections.abc import Iterator
from pathlib import Path

from workflow.schemas.generate import SCHEMA

PAGE = Path(__file__).resolve().parents[2] / "config/README.md"
MARKER = "<!-- Written by `make schema`: everything from here on. -->"


def described_page(page: str, schema: dict) -> str:
    """The page with fresh tables after its marker."""
    written_by_hand = page.partition(MARKER)[0]
    return written_by_hand + MARKER + "\n" + "".join(tables(schema))


def tables(schema: dict) -> Iterator[str]:
    """A heading and a table for each section, in the order of the workflow."""
    for name, section in schema["properties"].items():
        keys = list(rows(f"{name}.", fields_of(section, schema), schema))
        yield f"\n## `{name}`: {section['description']}\n"
        if keys:
            yield "\n| key | default | meaning |\n|---|---|---|\n" + "".join(keys)


def rows(prefix: str, fields: dict, schema: dict) -> Iterator[str]:
    """One table row for every key below `prefix`, nested ones by their dotted name."""
    for name, field in fields.items():
        inner = fields_of(field, schema)
        default = "" if inner else shown_default(field)
        yield f"| `{prefix}{name}` | {default} | {field['description'].replace('|', '/')}{choices(field)} |\n"
        yield from rows(f"{prefix}{name}.", inner, schema)


def fields_of(field: dict, schema: dict) -> dict:
    """The keys inside a field that is a mapping (or a mapping or null); none for a plain value."""
    for option in [field, *field.get("anyOf", [])]:
        if "$ref" in option:
            return schema["$defs"][option["$ref"].rsplit("/", 1)[-1]].get("properties", {})
    return {}


def shown_default(field: dict) -> str:
    """The default as YAML would write it; nothing where there is none and the key must be given."""
    return f"`{json.dumps(field['default'])}`" if "default" in field else "required"


def choices(field: dict) -> str:
    """The words that a key takes, where its description does not tell them."""
    words = field.get("enum", field.get("items", {}).get("enum", []))
    return "" if all(str(word) in field["description"] for word in words) else f" (one of {', '.join(words)})"


if __name__ == "__main__":
    PAGE.write_text(described_page(PAGE.read_text(encoding="utf-8"), json.loads(SCHEMA.read_text())), encoding="utf-8")
