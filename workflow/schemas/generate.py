"""What a configuration may say, written from the settings classes: a schema for Snakemake, a page for people.

in : workflow/configuration.py and the settings of the rooms
out: config.schema.json beside this file; the tables of config/README.md, all after its marker line
invariants: the classes are the only source; the page names every key with its default and its meaning; a test fails
where either is older than the classes.
Run: python -m workflow.schemas.generate    (or `make schema`)
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from workflow.configuration import Configuration

SCHEMA = Path(__file__).with_name("config.schema.json")
PAGE = Path(__file__).resolve().parents[2] / "config/README.md"
MARKER = "<!-- Written by `make schema`: everything from here on. -->"


class SchemaWithDefaults(GenerateJsonSchema):
    """pydantic leaves the values of default factories out of a schema; Snakemake is to fill them in."""

    def get_default_value(self, schema: Any) -> Any:
        """The default of a field, made where a factory makes it."""
        value = schema["default_factory"]() if "default_factory" in schema else super().get_default_value(schema)
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def config_schema() -> str:
    """The schema as the text of its file."""
    schema = Configuration.model_json_schema(schema_generator=SchemaWithDefaults)
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **schema}, indent=1) + "\n"


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
    return "" if all(str(word) in field["description"] for word in words) else f" (one of {', '.join(map(str, words))})"


if __name__ == "__main__":
    SCHEMA.write_text(config_schema(), encoding="utf-8")
    PAGE.write_text(described_page(PAGE.read_text(encoding="utf-8"), json.loads(config_schema())), encoding="utf-8")
