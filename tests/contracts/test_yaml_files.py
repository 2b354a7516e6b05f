"""A settings file says a key once; the line of the second is told."""

import pytest

from contracts.errors import InputError
from contracts.yaml_files import yaml_object


def read(folder, text: str) -> dict:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return yaml_object(path)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a"),
        ("train:\n  steps: 1\n  seed: 2\n  steps: 3\n", 4, "steps"),
        ("list:\n- {a: 1}\n- {b: 1, b: 2}\n", 3, "b"),
        ('{"a": 1,\n "a": 2}', 2, "a"),
        ("1: x\n1: y\n", 2, "1"),
    ],
)
def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path, text, line, key):
    with pytest.raises(InputError, match=rf"settings.yaml line {line}: {key} stands there twice; leave one of them"):
        read(tmp_path, text)


def test_equal_keys_of_different_mappings_and_merged_ones_are_fine(tmp_path):
    text = "base: &base {a: 1, b: 2}\nmore: &more {c: 3}\nboth:\n  <<: *base\n  <<: *more\n  a: 4\n"
    assert read(tmp_path, text)["both"] == {"a": 4, "b": 2, "c": 3}


@pytest.mark.parametrize("text", ["a: [1,\n", "a: b: c\n", "\ta: 1\n"])
def test_what_is_no_yaml_is_told_in_one_line(tmp_path, text):
    with pytest.raises(InputError, match="not valid YAML; check the indentation and the colons"):
        read(tmp_path, text)
