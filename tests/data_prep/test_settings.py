"""Settings: every key is documented, and an unknown key is refused with the known ones."""

from pathlib import Path

import pytest

from contracts.command_line import main
from contracts.errors import InputError
from contracts.settings import Settings, load_settings
from data_prep import settings
from data_prep.__main__ import COMMANDS

CLASSES = [kind for kind in vars(settings).values() if isinstance(kind, type) and kind.__module__ == settings.__name__]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_key_says_what_it_is(kind: type[Settings]) -> None:
    assert all(field.description for field in kind.model_fields.values())


@pytest.mark.parametrize("kind", CLASSES)
def test_an_unknown_key_is_refused_with_the_known_ones(kind: type[Settings]) -> None:
    required = {"path": "x"} if kind is settings.CorpusSettings else {}
    required |= {"longalpaca": {"path": "x"}} if kind is settings.MixSettings else {}
    required |= {"length": 8} if kind is settings.PackSettings else {}
    required |= {"url": "http://example.org/a", "sha256": "0" * 64} if kind is settings.FetchedFile else {}
    load_settings(kind, str(required).replace("'", '"'))
    with pytest.raises(InputError, match="known keys: "):
        load_settings(kind, str(required | {"surprise": 1}).replace("'", '"'))


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (
            settings.TokenizeSettings,
            '{"samples": {"min_tokns": 1}}',
            r"min_tokns: no such key \(did you mean min_tokens",
        ),
        (settings.TokenizeSettings, '{"samples": {"min_tokns": 1}}', "known keys: min_tokens, max_tokens"),
        (settings.PackSettings, '{"length": 2147483648}', r"length: .* less than or equal to 134217728 .*2147483648"),
        (settings.CorpusSettings, '{"pathh": "x"}', r"pathh: no such key \(did you mean path"),
        (settings.PackSettings, '{"length": 4, "alignment": 8}', "settings: length 4 is not a multiple .*; take 8$"),
    ],
)
def test_a_complaint_names_the_key_and_the_nearest_known_one(kind: type[Settings], given: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_settings(kind, given)


def test_a_settings_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"path: caf\xe9")
    for path, told in ((tmp_path, "Is a directory"), (tmp_path / "latin.yaml", "not UTF-8")):
        with pytest.raises(InputError, match=rf"cannot be read \({told}\); name a YAML or JSON file"):
            load_settings(settings.CorpusSettings, path)


@pytest.mark.parametrize("words", ["--length two", "--length -1", "--mode other", "--align 0", "--unknown"])
def test_a_wrong_flag_is_told_in_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("data_prep", COMMANDS, ["pack", "--input", "a", "--output", "b", *words.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words.split()[0] in line
    assert line.endswith("--help")
