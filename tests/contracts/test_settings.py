"""Settings: what is no number is refused, and a text in place of a path is told in one line."""

from typing import Any

import pytest

from contracts.chat_template import template_text
from contracts.errors import InputError
from contracts.files import existing_file, existing_folder
from contracts.settings import Settings, load_settings


class Inner(Settings):
    rate: float = 0.5


class Outer(Settings):
    steps: int = 3
    fast: bool = False
    maybe: bool | None = None
    anything: Any = None
    inner: Inner = Inner()


@pytest.mark.parametrize("text", ['{"steps": true}', '{"inner": {"rate": false}}'])
def test_a_truth_value_is_no_number(text):
    with pytest.raises(InputError, match=r"(steps|rate): (true|false) is neither a number nor a text"):
        load_settings(Outer, text)


def test_a_truth_value_is_one_where_it_is_meant():
    settings = load_settings(Outer, '{"fast": true, "maybe": false, "anything": true}')
    assert (settings.fast, settings.maybe, settings.anything) == (True, False, True)


TEMPLATE = "{% for message in messages %}" + "[{{ message.role }}] {{ message.content }}\n" * 20 + "{% endfor %}"


@pytest.mark.parametrize("text", [TEMPLATE, "a" * 5000, "a\0b"])
@pytest.mark.parametrize(
    "read",
    [
        lambda text: load_settings(Outer, text),
        lambda text: existing_file(text, "name a file"),
        lambda text: existing_folder(text, "name a folder"),
        lambda text: template_text(text, None),
    ],
    ids=["settings", "file", "folder", "template"],
)
def test_a_text_in_place_of_a_path_is_told_in_one_line(read, text):
    with pytest.raises(InputError) as caught:
        read(text)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_settings_files_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_bytes("steps: 5\n".encode("utf-8-sig"))
    assert load_settings(Outer, path).steps == 5
