"""Stories of the preliminary study's own rows: reasoning_needle.jsonl, 100 of 3 hops and 100 of 4.

in : lines {"question", "needle" (all facts in order), "real_needle" (the supporting ones), "golden_answer", "tag"}
The question is asked as published, the line `Answer:` after it.
"""

from pathlib import Path

from contracts.errors import InputError
from eval.benchmarks.hops.stories import Source, Story
from eval.building.build_context import BuildContext
from eval.samples import read_json_lines


def source(context: BuildContext, hops: int) -> Source:
    """The file's stories of so many hops, in its order, from the start again where it has no more."""
    stories = read_stories(context.data("needles"), f"{hops}-hop")
    return lambda index, generator: stories[index % len(stories)]


def read_stories(path: Path, tag: str) -> list[Story]:
    """The stories with a tag; InputError where there is none, or a line is broken."""
    try:
        stories = [story_of(line) for line in read_json_lines(path) if line["tag"] == tag]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not in the format of reasoning_needle.jsonl ({error}); give that file") from None
    if not stories:
        raise InputError(f"{path}: has no line with the tag {tag}; give the whole reasoning_needle.jsonl")
    return stories


def story_of(line: dict) -> Story:
    """One line; ValueError unless its supporting facts are among its facts, in their order."""
    supporting = list(line["real_needle"])
    facts = []
    for fact in line["needle"]:
        kind = "supporting" if supporting and fact == supporting[0] else "interference"
        if kind == "supporting":
            supporting.pop(0)
        facts.append((kind, fact.strip()))
    if supporting:
        raise ValueError(f"no fact '{supporting[0]}'")
    return Story(facts, f"{line['question'].strip()}\nAnswer:", line["golden_answer"])
