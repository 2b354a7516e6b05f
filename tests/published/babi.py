"""bAbI files in small: stories in the published format."""

import random
from pathlib import Path

PEOPLE = ("Mary", "John", "Sandra", "Daniel")
TASK_FILES = (
    *("qa1_single-supporting-fact", "qa2_two-supporting-facts", "qa3_three-supporting-facts", "qa4_two-arg-relations"),
    *("qa5_three-arg-relations", "qa6_yes-no-questions", "qa7_counting", "qa8_lists-sets", "qa9_simple-negation"),
    "qa10_indefinite-knowledge",
)
THINGS = ("apple", "football", "milk")
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


def three_facts_file(stories: int, seed: int) -> str:
    """Stories in the form of qa3: somebody takes a thing and goes to two places, others move between; then a question
    where the thing was before the second."""
    generator, lines = random.Random(seed), []
    for _ in range(stories):
        person, *others = generator.sample(PEOPLE, len(PEOPLE))
        thing, place, last_place = generator.choice(THINGS), *generator.sample(PLACES, 2)
        supporting = [
            f"{person} took the {thing}.",
            f"{person} went to the {place}.",
            f"{person} moved to the {last_place}.",
        ]
        order = [True] * len(supporting) + [False] * 7
        generator.shuffle(order)
        numbers = [number for number, own in enumerate(order, start=1) if own]
        told = iter(supporting)
        for number, own in enumerate(order, start=1):
            other = f"{generator.choice(others)} journeyed to the {generator.choice(PLACES)}."
            lines.append(f"{number} {next(told) if own else other}")
        asked = f"Where was the {thing} before the {last_place}? "
        lines.append(f"{len(order) + 1} {asked}\t{place}\t{' '.join(map(str, reversed(numbers)))}")
    return "\n".join(lines) + "\n"


def write_babi(folder: Path) -> None:
    """Ten tasks by their published names; all but qa3 ask where somebody is."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(TASK_FILES):
        content = three_facts_file(20, seed) if name.startswith("qa3") else babi_file(20, seed)
        (folder / f"{name}_test.txt").write_text(content, encoding="utf-8")
