"""Reading a YAML (or JSON) file of settings: the mapping in it, or one line that says what is wrong with the file.

Invariant: a key stands once; the YAML library would keep the last of two and say nothing.
No pydantic here: the workflow reads its configuration in every job of a cluster.
"""

from collections.abc import Hashable
from pathlib import Path

import yaml

from contracts.errors import InputError
from contracts.files import shown_path

# `<<: *other`, which is no key.
MERGE = "tag:yaml.org,2002:merge"


class OnceLoader(yaml.SafeLoader):
    """YAML's safe loader, for which a key that stands twice in a mapping is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """The mapping; an error at the second place of a key."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands there twice", key_node.start_mark)
            seen.add(key if isinstance(key, Hashable) else id(key_node))
        return super().construct_mapping(node, deep)


def yaml_object(path: Path) -> dict:
    """The mapping in a YAML (or JSON) file, or one line that says what is wrong with the file."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), OnceLoader)
    except FileNotFoundError:
        raise InputError(f"{shown_path(path)}: no such settings file") from None
    except (ValueError, OSError) as error:
        reasons = {UnicodeDecodeError: "not UTF-8", ValueError: "no name of a file"}
        reason = reasons.get(type(error)) or getattr(error, "strerror", error)
        raise InputError(f"{shown_path(path)}: cannot be read ({reason}); name a YAML or JSON file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None)
        if isinstance(error, yaml.constructor.ConstructorError):
            raise InputError(f"{path}{where}: {reason}; leave one of them") from None
        raise InputError(f"{path}{where}: not valid YAML; check the indentation and the colons") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys and values at the top level")
    return values
