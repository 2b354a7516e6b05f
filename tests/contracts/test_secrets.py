"""Secrets are taken out of what is written down; what only looks like one stays."""

import pytest

from contracts.secrets import REDACTED, is_secret_name, scrub_arguments, scrub_text, scrub_value

HARMLESS = (
    "tokens_to_generate",
    "tokenizer",
    "max_tokens",
    "padding_tokens",
    "keyboard",
    "monkey",
    "sentence_tokens_max",
)
SECRET = ("HF_TOKEN", "--token", "wandb-api-key", "AWS_SECRET_ACCESS_KEY", "password", "hub_token", "private_key")


@pytest.mark.parametrize("name", HARMLESS)
def test_the_settings_of_a_run_are_no_secrets(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", SECRET)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://me:hunter2@host/x", f"https://{REDACTED}@host/x"),
        ("https://host/x?Signature=abc&part=1", f"https://host/x?{REDACTED}&part=1"),
        ("a hf_abcdefghijklmnopqrstuv b", f"a {REDACTED} b"),
        ("Authorization: Bearer abcdefgh1234", f"Authorization: Bearer {REDACTED}"),
        ("AKIAABCDEFGHIJKLMNOP", REDACTED),
    ],
)
def test_known_shapes_are_taken_out_and_the_rest_stays(text, left):
    assert scrub_text(text, secrets=[]) == left


@pytest.mark.parametrize("text", ["a" * 64, "0123456789abcdef" * 4, "https://host/x?part=1", "12:30:45", "a/b@c"])
def test_hashes_times_and_plain_addresses_stay(text):
    assert scrub_text(text, secrets=[]) == text


def test_what_the_environment_holds_under_a_secret_s_name_is_taken_out_wherever_it_stands(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a value without any shape")
    assert scrub_text("say a value without any shape twice") == f"say {REDACTED} twice"


def test_a_command_line_loses_values_of_secret_options_and_keys_of_json():
    line = ["fetch", "--token", "abc", "--api-key=def", "hub_token=ghi", '{"password":"jkl","rows":3}', "--rows", "4"]
    left = ["fetch", "--token", REDACTED, f"--api-key={REDACTED}", f"hub_token={REDACTED}"]
    left += [f'{{"password":"{REDACTED}","rows":3}}', "--rows", "4"]
    assert scrub_arguments(line, secrets=[]) == left


def test_nested_settings_keep_all_but_their_secrets():
    given = {"train": {"seed": 1, "hub": {"token": "abc", "url": "https://a:b@c"}}, "lengths": [1, 2], "none": None}
    left = {"train": {"seed": 1, "hub": {"token": REDACTED, "url": f"https://{REDACTED}@c"}}}
    assert scrub_value(given, secrets=[]) == left | {"lengths": [1, 2], "none": None}
