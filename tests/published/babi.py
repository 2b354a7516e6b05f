"""bAbI files in small: stories in the published format."""

import random
from pathlib import Path

PEOPLE = ("Mary", "John", "Sandra", "Daniel")
TASK_FILES = (
    *("qa1_single-supporting-fact", "qa2_two-supporting-facts", "qa3_three-supporting-facts", "qa4_two-arg-relations"),
    *("qa5_three-arg-relations", "qa6_yes-no-questions", "qa7_counting", "qa8_lists-sets", "qa9_simple-negation"),
    "qa10_indefinite-knowledge",
)
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


def write_babi(folder: Path) -> None:
    """Ten tasks by their published names, all asking where somebody is."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(TASK_FILES):
        (folder / f"{name}_test.txt").write_text(babi_file(20, seed), encoding="utf-8")
