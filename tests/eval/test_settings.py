import pytest
from pydantic import ValidationError

from contracts.errors import InputError
from contracts.settings import load_settings
from eval.registry import TASKS, known_task
from eval.settings import EvalSettings, settings_of_task


def descriptions(kind) -> dict[str, str | None]:
    found = {}
    for name, field in kind.model_fields.items():
        found[f"{kind.__name__}.{name}"] = field.description
        if hasattr(field.annotation, "model_fields"):
            found |= descriptions(field.annotation)
    return found


def test_every_field_is_described():
    assert [name for name, text in descriptions(EvalSettings).items() if not text] == []


def test_the_settings_of_a_task_give_back_that_task_and_leave_out_the_others():
    settings = EvalSettings.model_validate({"seed": 7, "vt": {"samples": 3}, "hops": {"samples": 9}})
    part = settings_of_task(settings, "vt")
    assert set(part) == {"seed", "begin_with_bos", "vt"}
    again = EvalSettings.model_validate(part)
    assert (again.seed, again.vt) == (settings.seed, settings.vt)


def test_another_tasks_key_does_not_change_a_tasks_settings():
    one, other = (EvalSettings.model_validate({"hops": {"samples": count}}) for count in (5, 6))
    assert settings_of_task(one, "vt") == settings_of_task(other, "vt")
    assert settings_of_task(one, "hops") != settings_of_task(other, "hops")


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"tasks": ["babilong"]},
        {"lengths": [0]},
        {"lengths": [1024], "longppl": {"window": 1024}},
        {"hops": {"interference_min": 5, "interference_max": 4}},
        {"hops": {"sentence_tokens_min": 50, "sentence_tokens_max": 20}},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        EvalSettings.model_validate(wrong)


def test_a_wrong_key_is_told_in_one_line():
    with pytest.raises(InputError, match="smaples") as error:
        load_settings(EvalSettings, '{"vt": {"smaples": 3}}')
    assert "\n" not in str(error.value)


def test_every_task_of_the_settings_has_a_builder_and_a_scorer():
    tasks = EvalSettings.model_fields["tasks"].default
    assert set(tasks) == set(TASKS)
    with pytest.raises(InputError, match="perplexity"):
        known_task("no such task")
