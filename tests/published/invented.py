"""Invented facts, dialogues and programs among the paragraphs of a book: what the small question files ask about."""

import json
from pathlib import Path
from random import Random

PEOPLE = ("Ada", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luis")
THINGS = (
    "lantern",
    "violin",
    "compass",
    "ledger",
    "teapot",
    "umbrella",
    "microscope",
    "bicycle",
    "telescope",
    "anchor",
)
PLACES = ("Lisbon", "Oslo", "Quito", "Nairobi", "Kyoto", "Perth", "Riga", "Tunis", "Utrecht", "Zagreb")


def json_lines(path: Path, records: list[dict]) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


class Writer:
    """Invented questions about the paragraphs of a text, from one generator."""

    def __init__(self, text: str, name: str) -> None:
        self.random = Random(f"eval_small {name}")
        paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
        self.paragraphs = [paragraph for paragraph in paragraphs if len(paragraph.split()) >= 12]

    def paragraphs_of(self, words: int) -> list[str]:
        """Neighbouring paragraphs that have at least so many words together."""
        start, found = self.random.randrange(len(self.paragraphs)), []
        while sum(len(paragraph.split()) for paragraph in found) < words:
            found.append(self.paragraphs[(start + len(found)) % len(self.paragraphs)])
        return found

    def fact(self) -> tuple[str, str, str]:
        """(sentence, question, answer)."""
        person, thing, place = map(self.random.choice, (PEOPLE, THINGS, PLACES))
        return f"{person} left the {thing} in {place}.", f"Where did {person} leave the {thing}?", place

    def story(self, words: int) -> tuple[str, str, str]:
        """(text with a fact somewhere in it, question, answer)."""
        sentence, question, answer = self.fact()
        paragraphs = self.paragraphs_of(words)
        paragraphs.insert(self.random.randrange(len(paragraphs) + 1), sentence)
        return "\n".join(paragraphs), question, answer

    def dialogue(self) -> tuple[str, str]:
        """(dialogue, its summary)."""
        one, other = self.random.sample(PEOPLE, 2)
        thing, place = self.random.choice(THINGS), self.random.choice(PLACES)
        lines = (f"{one}: Where is my {thing}?", f"{other}: In {place}, I think.", f"{one}: Then I will go there.")
        return "\r\n".join(lines), f"{one} will go to {place} for the {thing}."

    def function(self) -> list[str]:
        """Lines of a small program."""
        name, count = self.random.choice(THINGS), self.random.randint(2, 99)
        return [f"def count_{name}s(values):", f"    limit = {count}", f"    return min(limit, values['{name}'])", ""]
