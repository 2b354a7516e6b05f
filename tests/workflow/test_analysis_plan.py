"""What the instruments make and read follows from the section, and nothing is made without it."""

import json
import re
from pathlib import Path

import pytest

from tests.workflow.conftest import WHOLE_RUN
from tests.workflow.test_run_plan import plan_of
from workflow.status import works_of


def plan(analysis: dict | None, **models: str):
    section = WHOLE_RUN["eval"]
    return plan_of(eval={**section, "analysis": analysis, "models": {**section.get("models", {}), **models}}).analysis


def test_without_the_section_nothing_is_made_or_shown():
    nothing = plan(None)
    assert nothing.figure_paths() == []
    assert nothing.report_options() == ""
    assert nothing.paths("denoising", "{model}") == []


def test_every_model_is_looked_at_on_every_cell_of_the_probe_and_a_map_has_all_models():
    looked = plan({}, base="some/base")
    lengths, models = WHOLE_RUN["eval"]["lengths"], ["base", *WHOLE_RUN["train"]["methods"]]
    assert looked.models == models
    figures = looked.figure_paths()
    assert len(figures) == len(set(figures)) == len(lengths) * (len(models) + 1)
    assert f"results/demo/figures/3hop/{lengths[0]}/maps" in figures


def test_chosen_lengths_alone_are_looked_at():
    shortest = min(WHOLE_RUN["eval"]["lengths"])
    assert {path.split("/")[4] for path in plan({"lengths": [shortest]}).figure_paths()} == {str(shortest)}
    assert plan({"lengths": [77]}).report_options() == ""


def test_chosen_models_keep_the_order_in_which_a_training_changes_them():
    assert plan({"models": ["cdt", "base"]}, base="some/base").models == ["base", "cdt"]


def test_the_report_shows_the_shortest_cell_of_each_model():
    looked = plan({"models": ["cdt"], "maps": None})
    shortest = min(WHOLE_RUN["eval"]["lengths"])
    assert looked.report_options() == (
        f"--analysis cdt 3hop {shortest} results/demo/analysis/instruments/cdt/3hop/{shortest}/table.json "
        f"results/demo/figures/3hop/{shortest}/cdt"
    )


def test_each_command_is_given_its_own_settings_and_begins_with_its_own_code():
    looked = plan({"measured": {"instruments": ["occlusion"], "top": 7}, "denoising": {"instrument": "attention"}})
    assert json.loads(looked.settings("measured"))["top"] == 7
    assert "directions" in json.loads(looked.settings("denoising"))
    assert looked.roots_of_instruments() == ("eval.commands.analyse", "eval.analysis.occlusion")
    assert looked.roots_of_denoising() == ("eval.commands.denoise", "eval.analysis.attention")


@pytest.mark.parametrize(
    ("maps", "options"), [({}, "--rows 4 --chunks 24"), ({"layer": 2}, "--layer 2 --rows 4 --chunks 24")]
)
def test_settings_of_the_maps_are_options(maps, options):
    assert plan({"maps": maps}).map_options() == options


def test_status_counts_what_the_instruments_make():
    section = {**WHOLE_RUN["eval"], "analysis": {"models": ["cdt"]}}
    made = [work for work in works_of(plan_of(eval=section)) if work.stage == "instruments"]
    assert len(made) == 3 * len(section["lengths"])
    assert all(Path(work.log).parts[2] == "logs" and "{" not in work.output + work.log for work in made)


def test_every_command_is_told_a_place_that_it_can_write_to(fresh):
    """Snakemake fills `<results>` in for inputs and outputs, and not for params."""
    fresh.configure(eval={"analysis": {}})
    planned = fresh.snakemake("-n", "figures", "--profile", "local", "--configfile", "config/demo.yaml")
    assert planned.returncode == 0, planned.stdout
    commands = [line for line in planned.stdout.splitlines() if line.startswith("Shell command: ")]
    told = [line for line in commands if re.search(r"eval (analyse|denoise|attention_maps|figures)", line)]
    assert len(told) > 10
    assert not [line for line in told if "<results>" in line]
