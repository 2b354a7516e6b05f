"""RULER's files in small: essays, SQuAD and HotpotQA, in their formats."""

import json
from pathlib import Path


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


def write_ruler(folder: Path, text: str) -> dict[str, Path]:
    """{key of eval.data: file}; the paragraphs are those of `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    paragraphs = [" ".join(part.split())[:240] for part in text.split("\n\n") if len(part) > 80][:60]
    contents = {
        "essays": {"text": text[:20_000]},
        "squad": squad_file(paragraphs),
        "hotpotqa": hotpotqa_file(paragraphs),
    }
    for key, content in contents.items():
        (folder / f"{key}.json").write_text(json.dumps(content), encoding="utf-8")
    return {key: folder / f"{key}.json" for key in contents}
