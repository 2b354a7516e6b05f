"""Summ, multi_lexsum: summaries of civil rights lawsuits from their documents.

The files are Multi-LexSum's as published (v20230518), multi_lexsum/validation and multi_lexsum/train: id, sources
[text], summary/long, summary/short; and HELMET's key points, multi_lexsum/multi_lexsum_val.jsonl: id,
summary/short_keypoints.
"""

from eval.benchmarks.helmet.documents import LAWSUIT_MARGIN, documents, long_enough
from eval.benchmarks.helmet.records import data_files, described, has_file, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part
from eval.building.build_context import BuildContext, Built
from eval.building.reference_tokenizer import counted_by

KEY_POINTS = "multi_lexsum/multi_lexsum_val"


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    paths, example_paths = data_files(context, "multi_lexsum/validation"), data_files(context, "multi_lexsum/train")
    files, points = [*paths, *example_paths], {}
    if has_file(context, KEY_POINTS):
        files += data_files(context, KEY_POINTS)
        points = {record["id"]: record["summary/short_keypoints"] for record in read_records(files[-1])}
    records, pool = (summarised(read_records(*each)) for each in (paths, example_paths))
    cutter = documents(context, context.options.document_tokens, LAWSUIT_MARGIN)
    rows = []
    for record in long_enough(context, records, cutter, "text"):
        own = context.generator(str(record["id"])).sample(pool, min(context.options.shots, len(pool)))
        rows.append(helmet_sample(context, asked(record, own, points.get(record["id"]))))
    return Built(rows, {"counted_by": counted_by(context)}, described(*files))


def summarised(records: list[dict]) -> list[dict]:
    """The lawsuits that have a short summary, their documents as one text."""
    return [
        {**record, "text": "\n\n".join(record["sources"])} for record in records if record["summary/short"] is not None
    ]


def asked(record: dict, examples: list[dict], key_points: list[str] | None) -> Asked:
    """One lawsuit to summarise."""
    written = [part("multi_lexsum_example").format(answer=example["summary/short"]) for example in examples]
    return Asked(
        context=record["text"],
        question="",
        answers=[record["summary/short"]],
        fields={"demo": part("multi_lexsum_examples").format(examples="\n\n".join(written)) if written else ""},
        more={"reference": record["summary/long"], "keypoints": key_points},
    )
