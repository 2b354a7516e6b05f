"""LongQA, narrativeqa: questions about novels and film scripts of more than 128K tokens.

The files are NarrativeQA's as published on the hub, narrativeqa/test and narrativeqa/train: document {id, text},
question {text}, answers [{text}].
"""

from collections.abc import Iterator
from pathlib import Path

from eval.benchmarks.helmet.documents import documents, long_enough
from eval.benchmarks.helmet.records import data_files, described
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part
from eval.building.build_context import BuildContext, Built
from eval.building.record_files import each_record
from eval.building.reference_tokenizer import counted_by

EXAMPLE_COLUMNS = ("question", "answers")


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    paths, example_paths = data_files(context, "narrativeqa/test"), data_files(context, "narrativeqa/train")
    texts: dict[str, str] = {}
    records = [record for path in paths for record in questions(path, texts)]
    pool = [record for path in example_paths for record in questions(path)] if context.options.shots else []
    cutter = documents(context, context.options.book_tokens)
    rows = []
    for record in long_enough(context, records, cutter, "text"):
        examples = context.generator(record["question"]).sample(pool, min(context.options.shots, len(pool)))
        fields = {"demo": worked_examples(examples)}
        rows.append(helmet_sample(context, Asked(record["text"], record["question"], record["answers"], fields)))
    return Built(rows, {"counted_by": counted_by(context)}, described(*paths, *example_paths))


def questions(path: Path, texts: dict[str, str] | None = None) -> Iterator[dict]:
    """{"question", "answers"} of a file, and "text" where `texts` is given to hold each document once."""
    for record in each_record(path, None if texts is not None else EXAMPLE_COLUMNS):
        found = {
            "question": record["question"]["text"],
            "answers": [answer["text"] for answer in record["answers"]],
        }
        if texts is not None:
            document = record["document"]
            found["text"] = texts.setdefault(document["id"], document["text"])
        yield found


def worked_examples(examples: list[dict]) -> str:
    """Questions and answers about other stories; nothing where there are none."""
    if not examples:
        return ""
    written = [
        part("narrativeqa_example").format(question=example["question"], answer=example["answers"][0])
        for example in examples
    ]
    return part("narrativeqa_examples").format(examples="\n\n".join(written))
