"""The books of the benchmark: the carried ones, repeated under other names until there is enough text.

in : resources/pg19, megabytes      out: PARTS files of JSON lines {"id", "text"}, each book as published but with LF
"""

import json
from itertools import cycle
from pathlib import Path

BOOKS = Path(__file__).resolve().parents[2] / "resources" / "pg19"
PARTS = 4


def write_corpus(folder: Path, megabytes: float) -> int:
    """Write the corpus; its characters. Books go to the parts in turn, so the parts are about equal."""
    folder.mkdir(parents=True)
    texts = [path.read_text(encoding="utf-8") for path in sorted(BOOKS.glob("*/*.txt"))]
    parts = [open(folder / f"books-{number}.jsonl", "w", encoding="utf-8") for number in range(PARTS)]  # noqa: SIM115
    characters = number = 0
    for text in cycle(texts):
        if characters >= megabytes * 1e6:
            break
        parts[number % PARTS].write(json.dumps({"id": f"book-{number}", "text": text}) + "\n")
        characters, number = characters + len(text), number + 1
    for part in parts:
        part.close()
    return characters


def read_texts(path: Path) -> list[str]:
    """The texts of one part."""
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
