"""Verdicts follow from the numbers, and a page says nothing that its parts do not."""

import argparse
import hashlib
import json

import numpy as np
import pytest

from contracts.errors import InputError
from eval.claims import page, part
from eval.claims.claims import CLAIMS, FAILS, HOLDS, LEVEL, OUTCOMES, UNKNOWN, UNTESTED, findings
from eval.claims.part import Part

NAMED = [name for claim in CLAIMS for _, *pair in claim.comparisons for name in pair]
MODELS = dict.fromkeys(name.partition(" by ")[0] for name in NAMED if not name.startswith(LEVEL))
LEVELS = (("flow_and_gradient", "gradient", 0.3), ("attention_growth", "noise", 9.0))
LONG, SHORT, BOOKS = (OUTCOMES[name].title for name in ("long", "short", "books"))


def study(seeds: int, better: dict[str, float], spread: float = 0.0) -> list[Part]:
    """Parts in which every model answers half of the questions, and some are `better` by so many points."""
    generator = np.random.default_rng(7)
    return [Part(f"claims-scaling-{seed}", {}, cells(generator, better, spread), {}) for seed in range(seeds)]


def cells(generator, better: dict[str, float], spread: float) -> list[dict]:
    """All cells of a part; of the questions of a cell each model answers those that are easy enough for it."""
    made = []
    for benchmark, task, length in dict.fromkeys(cell for outcome in OUTCOMES.values() for cell in outcome.cells):
        ease = generator.random(100)
        for model in MODELS:
            chance = 0.5 + (better.get(model, 0.0) + generator.normal(0, spread)) / 100
            cell = {"model": model, "benchmark": benchmark, "task": task, "length": length}
            if benchmark == "hops":
                made += [
                    {**cell, "detector": detector, "number": number, "values": (0.8 + ease / 10).tolist()}
                    for detector in ("gradient", "attention", "longppl")
                    for number in part.DETECTION
                ]
            elif benchmark == "analysis":
                for number, detector, value in (
                    ("flow_and_gradient", "gradient", 0.3),
                    ("attention_growth", "noise", 9.0),
                ):
                    level = value + generator.normal(0, 0.05)
                    made.append({**cell, "number": number, "detector": detector, "values": [level]})
            else:
                made.append({**cell, "values": (ease < chance).astype(float).tolist()})
    return made


def verdicts(parts: list[Part]) -> dict[tuple[str, str, str], str]:
    return {(found.outcome.title, found.first, found.second): found.verdict for found in findings(parts)}


def test_what_is_better_by_much_in_every_seed_holds_and_the_other_way_round_does_not():
    told = verdicts(study(6, {"cdt_0.05": 9.0, "longce": 20.0}, spread=0.5))
    assert told[LONG, "cdt_0.05", "ce"] == HOLDS
    assert told[LONG, "cdt_0.05", "longce"] == FAILS


def test_equal_models_leave_no_difference_that_matters():
    assert verdicts(study(6, {}, spread=0.1))[LONG, "cdt_0.05", "ce"] == FAILS


def test_seeds_that_disagree_and_a_single_seed_tell_nothing():
    assert verdicts(study(3, {"cdt_0.05": 4.0}, spread=12.0))[LONG, "cdt_0.05", "ce"] == UNKNOWN
    alone = verdicts(study(1, {"cdt_0.05": 30.0}))
    assert alone[LONG, "cdt_0.05", "ce"] == UNKNOWN
    assert set(alone.values()) <= {UNKNOWN, UNTESTED}


def test_what_is_to_be_kept_holds_unless_it_is_lost():
    assert verdicts(study(6, {}, spread=0.1))[SHORT, "cdt_0.05", "base"] == HOLDS
    assert verdicts(study(6, {"cdt_0.05": -15.0}, spread=0.5))[SHORT, "cdt_0.05", "base"] == FAILS


def test_a_comparison_that_no_part_has_is_not_tested_yet():
    lacking = [Part(one.run, {}, [cell for cell in one.cells if cell["model"] != "longce"], {}) for one in study(3, {})]
    assert verdicts(lacking)[LONG, "cdt_0.05", "longce"] == UNTESTED


def test_a_level_is_compared_with_what_the_claim_says():
    told = verdicts(study(5, {}))
    assert told[OUTCOMES["flow"].title, "base", "at least 0.8"] == FAILS
    assert told[OUTCOMES["growth"].title, "base", "at least 5"] == HOLDS


def test_less_loss_is_better():
    assert verdicts(study(6, {"cdt_0.05": -10.0}, spread=0.1))[BOOKS, "cdt_0.05", "ce"] == HOLDS


def written_part(folder, one: Part) -> None:
    """A part on disk whose one file stands in its audit."""
    folder.mkdir(parents=True)
    digest = hashlib.sha256(b"score").hexdigest()
    (folder / "part.json").write_text(json.dumps({**one.__dict__, "files": {"eval/score.json": digest}}))
    (folder / "SHA256SUMS").write_text(f"{digest}  ../eval/score.json\n")


def written_page(folder) -> str:
    output = folder / "claims.md"
    page.run(argparse.Namespace(parts=str(folder / "claims"), output=str(output)))
    return output.read_text()


def test_the_page_has_a_row_for_every_comparison_and_every_model_and_is_the_same_again(tmp_path):
    for one in study(3, {"cdt_0.05": 9.0}, spread=0.5):
        written_part(tmp_path / "claims" / one.run, one)
    text = written_page(tmp_path)
    comparisons = sum(len(claim.comparisons) for claim in CLAIMS)
    assert len((tmp_path / "claims.csv").read_text().splitlines()) == comparisons + 1
    assert all(claim.sentence in text for claim in CLAIMS)
    assert all(f"| {model} |" in text for model in MODELS)
    assert "3 seeds of the trainings, and no seed of the instruments" in text
    assert written_page(tmp_path) == text


def test_a_part_that_is_not_what_its_audit_says_is_refused(tmp_path):
    (one,) = study(1, {})
    written_part(tmp_path / "claims/one", one)
    (tmp_path / "claims/one/SHA256SUMS").write_text(f"{'0' * 64}  ../eval/score.json\n")
    with pytest.raises(InputError, match=r"score\.json is not what the audit says"):
        written_page(tmp_path)


def test_a_folder_without_parts_is_told(tmp_path):
    (tmp_path / "claims").mkdir()
    with pytest.raises(InputError, match="make study"):
        written_page(tmp_path)
