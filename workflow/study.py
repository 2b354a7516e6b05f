"""A study: several settings with several models, written as one configuration and expanded into runs.

in : study: NAME
     settings: {name: a configuration file}     what is trained and evaluated
     models:   {name: keys to change}           what another model changes in it (model, tokenizer)
     changes:  keys to change                   in every run
out: {run: configuration} with one run for each setting and model, called NAME-SETTING-MODEL
Invariant: a run of a study is a run: alone, with its expanded configuration, it has the same files and fingerprints.
Plain dictionaries: Snakemake reads this on every node, without pydantic.
"""

import re
from copy import deepcopy
from pathlib import Path

from contracts.errors import InputError
from contracts.yaml_files import yaml_object

KEYS = ("study", "settings", "models", "changes")


def is_study(config: dict) -> bool:
    """Whether a configuration describes several runs."""
    return "study" in config


def rule_prefix(run: str) -> str:
    """What the names of a run's rules begin with in a study."""
    return f"{re.sub('[^A-Za-z0-9]', '_', run)}_"


def runs_of_study(config: dict) -> dict[str, dict]:
    """The configuration of every run, by its name; InputError names the key that is wrong."""
    if unknown := sorted(set(config) - set(KEYS)):
        raise InputError(f"{unknown[0]}: no key of a study; known keys: {', '.join(KEYS)}")
    for key in ("settings", "models"):
        if not isinstance(config.get(key), dict) or not config[key]:
            raise InputError(f"{key}: a study needs at least one; write {key}: {{name: ...}}")
    runs = {}
    for setting, path in config["settings"].items():
        base = read_setting(f"settings.{setting}", path)
        for model, changes in config["models"].items():
            run = f"{config['study']}-{setting}-{model}"
            runs[run] = merged(merged(merged(base, changes), config.get("changes")), {"run": run})
    return runs


def runs_in(path: str) -> dict[str, dict]:
    """The runs of a configuration file by name: one, or those of a study; InputError where there is no such file."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; name a configuration")
    values = yaml_object(Path(path))
    return runs_of_study(values) if is_study(values) else {values.get("run", path): values}


def read_setting(key: str, path: str) -> dict:
    """A configuration file that a study names."""
    if not Path(path).is_file():
        raise InputError(f"{key}: no file {path}; name a configuration file")
    return yaml_object(Path(path))


def merged(values: dict, changes: dict | None) -> dict:
    """`values` with `changes` put in, descending where both hold a mapping."""
    result = deepcopy(values)
    for key, value in (changes or {}).items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else deepcopy(value)
    return result
