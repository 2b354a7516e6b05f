"""BABILong cells on a small tokenizer, with bAbI files generated in the published format."""

import random
from pathlib import Path

import pytest

from eval.build_context import BuildContext
from eval.settings import EvalSettings

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"
PEOPLE = ("Mary", "John", "Sandra", "Daniel")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")


def babi_file(stories: int, seed: int) -> str:
    """Stories of ten lines: two moves, then a question where somebody is, and so on."""
    generator, lines = random.Random(seed), []
    for _ in range(stories):
        latest = {}
        for number in range(1, 11):
            if number % 3:
                person, place = generator.choice(PEOPLE), generator.choice(PLACES)
                latest[person] = (number, place)
                lines.append(f"{number} {person} went to the {place}.")
            else:
                person = generator.choice(sorted(latest))
                lines.append(f"{number} Where is {person}? \t{latest[person][1]}\t{latest[person][0]}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def babi_folder(tmp_path_factory) -> Path:
    """qa1 and qa2, both in the form of qa1."""
    folder = tmp_path_factory.mktemp("babi")
    for seed, name in enumerate(
        ("qa1_single-supporting-fact", "qa2_two-supporting-facts", "qa10_indefinite-knowledge")
    ):
        (folder / f"{name}_test.txt").write_text(babi_file(20, seed), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def babilong_context(tokenizer, books_folder, babi_folder):
    """babilong_context(task, length, tokenizer=..., files=..., **babilong settings) -> BuildContext."""

    def make(task: str, length: int, given=tokenizer, seed: int = 42, files=None, **changes) -> BuildContext:
        section = {"lengths": [length], "samples": 5, **changes}
        settings = EvalSettings.model_validate({"seed": seed, "benchmarks": {"babilong": section}})
        paths = {"books": str(books_folder), "babi": str(babi_folder), **(files or {})}
        return BuildContext("babilong", task, length, given, settings, paths, device="cpu")

    return make
