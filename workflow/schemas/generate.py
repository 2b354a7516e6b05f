"""Write config.schema.json, the JSON schema that Snakemake checks a configuration with, from the settings classes.

in : workflow/configuration.py and the settings of the rooms      out: config.schema.json beside this file
invariant: the classes are the only source; a test fails where the file is older than they are.
Run: python -m workflow.schemas.generate    (or `make schema`)
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from workflow.configuration import Configuration

SCHEMA = Path(__file__).with_name("config.schema.json")


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


if __name__ == "__main__":
    SCHEMA.write_text(config_schema(), encoding="utf-8")
