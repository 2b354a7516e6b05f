"""RULER cells on a small tokenizer, with essays, SQuAD and HotpotQA files generated in the published formats."""

import json
from pathlib import Path

import pytest

from eval.build_context import BuildContext
from eval.settings import EvalSettings

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


def squad_file(paragraphs: list[str], version_two: bool = True) -> dict:
    """Three paragraphs an article, two questions a paragraph, the second impossible in version 2."""
    articles = []
    for start in range(0, len(paragraphs), 3):
        described = []
        for number, text in enumerate(paragraphs[start : start + 3], start=start):
            questions = [
                {"question": f"What is said in {number}?", "answers": [{"text": text[:9]}, {"text": text[:4]}]},
                {"question": f"What is not said in {number}?", "answers": [] if version_two else [{"text": text[:3]}]},
            ]
            if version_two:
                questions = [{**asked, "is_impossible": not asked["answers"]} for asked in questions]
            described.append({"context": text, "qas": questions})
        articles.append({"title": f"article {start}", "paragraphs": described})
    return {"version": "v2.0" if version_two else "1.1", "data": articles}


def hotpotqa_file(paragraphs: list[str]) -> list[dict]:
    """Records of two paragraphs each, their sentences apart."""
    return [
        {
            "_id": str(start),
            "question": f"Which of {start} and {start + 1}?",
            "answer": paragraphs[start][:7],
            "context": [[f"Title {start + more}", [paragraphs[start + more], " The end."]] for more in range(2)],
        }
        for start in range(0, len(paragraphs) - 1, 2)
    ]


@pytest.fixture(scope="session")
def ruler_files(tmp_path_factory, book_text) -> dict[str, str]:
    """{key of eval.data: file}; the paragraphs are a book's."""
    folder = tmp_path_factory.mktemp("ruler")
    paragraphs = [" ".join(text.split())[:240] for text in book_text.split("\n\n") if len(text) > 80][:60]
    contents = {
        "essays": {"text": book_text[:20_000]},
        "squad": squad_file(paragraphs),
        "hotpotqa": hotpotqa_file(paragraphs),
    }
    for key, content in contents.items():
        (folder / f"{key}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "english_words.txt").write_text("\n".join(f"word{number}" for number in range(20_000)))
    return {key: str(folder / f"{key}.json") for key in contents} | {"english_words": str(folder / "english_words.txt")}


@pytest.fixture(scope="session")
def ruler_context(tokenizer, books_folder, ruler_files):
    """ruler_context(task, length, tokenizer=..., seed=..., **ruler settings) -> BuildContext."""

    def make(task: str, length: int, given=tokenizer, seed: int = 42, files=ruler_files, **changes) -> BuildContext:
        settings = EvalSettings.model_validate({"seed": seed, "benchmarks": {"ruler": {"samples": 1, **changes}}})
        paths = {**files, "books": str(books_folder)}
        return BuildContext("ruler", task, length, given, settings, paths, device="cpu")

    return make
