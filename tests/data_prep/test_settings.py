"""Settings: every key is documented, and an unknown key is refused with the known ones."""

import pytest

from contracts.errors import InputError
from contracts.settings import Settings, load_settings
from data_prep import settings

CLASSES = [getattr(settings, name) for name in settings.__all__]


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
