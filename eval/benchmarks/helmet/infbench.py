"""LongQA and Summ on whole novels: questions, questions with four options, and summaries (InfiniteBench).

The files are InfiniteBench's, infbench/longbook_{qa,choice,sum}_eng.jsonl: id, context, input, answer [text], options;
and HELMET's key points of the summaries, infbench/longbook_sum_eng_keypoints.jsonl: id, keypoints.
"""

from eval.benchmarks.helmet.documents import documents, long_enough
from eval.benchmarks.helmet.records import data_file, described, has_file, read_records
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part
from eval.building.build_context import BuildContext, Built
from eval.building.reference_tokenizer import counted_by

FILES = {
    "infbench_qa": "infbench/longbook_qa_eng",
    "infbench_choice": "infbench/longbook_choice_eng",
    "infbench_sum": "infbench/longbook_sum_eng",
}
KEY_POINTS = "infbench/longbook_sum_eng_keypoints"


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, FILES[context.task])
    files, points = [path], {}
    if context.task == "infbench_sum" and has_file(context, KEY_POINTS):
        files.append(data_file(context, KEY_POINTS))
        points = {record["id"]: record["keypoints"] for record in read_records(files[1])}
    records = [prepared(context.task, record) for record in read_records(path)]
    cutter = documents(context, context.options.document_tokens)
    rows = []
    for record in long_enough(context, records, cutter, "context"):
        others = [other for other in records if other["id"] != record["id"]]
        own = context.generator(str(record["id"])).sample(others, min(context.options.shots, len(others)))
        rows.append(helmet_sample(context, asked(context.task, record, own, points.get(record["id"]))))
    return Built(rows, {"counted_by": counted_by(context)}, described(*files))


def prepared(task: str, record: dict) -> dict:
    """The record with what its question shows: options, and the right one's letter before its text."""
    if task != "infbench_choice":
        return record
    right = record["answer"][0]
    letter = "ABCD"[record["options"].index(right)]
    return {
        **record,
        "answer": [letter, f"{letter}. {right}"],
        "options": part("options").format(*record["options"]),
    }


def asked(task: str, record: dict, examples: list[dict], key_points: list[str] | None) -> Asked:
    """One question about one novel."""
    summary = {"reference": record["answer"][0], "keypoints": key_points} if task == "infbench_sum" else {}
    return Asked(
        context=record["context"],
        question=record["input"],
        answers=record["answer"],
        fields={"demo": worked_examples(task, examples), "options": record.get("options")},
        more=summary,
    )


def worked_examples(task: str, examples: list[dict]) -> str:
    """Answers about other novels, whose text is left out; nothing where there are none."""
    if not examples:
        return ""
    written = [
        part(f"{task}_example").format(
            question=example["input"],
            options=example.get("options"),
            answer=example["answer"][0].strip() if task == "infbench_sum" else example["answer"][0],
        )
        for example in examples
    ]
    return part("infbench_examples").format(examples="\n\n".join(written))
