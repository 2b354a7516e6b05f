"""LongQA and Summ: questions about novels, film scripts and books, and summaries of books and lawsuits.

HELMET takes only texts that are long in tokens of Llama 2 (`eval.data.reference_tokenizer`) and cuts them to the length
less the answer and a margin, so that every model sees the same text; what a model's own tokenizer then still finds too
long is cut like any prompt.
narrativeqa : stories of more than 128K tokens. The files are NarrativeQA's as published on the hub, narrativeqa/test
              and narrativeqa/train: document {id, text}, question {text}, answers [{text}]
infbench    : whole novels: questions, questions with four options, summaries. The files are InfiniteBench's,
              infbench/longbook_{qa,choice,sum}_eng.jsonl: id, context, input, answer [text], options; and HELMET's key
              points of the summaries, infbench/longbook_sum_eng_keypoints.jsonl: id, keypoints
multi_lexsum: civil rights lawsuits. The files are Multi-LexSum's as published (v20230518), multi_lexsum/validation and
              multi_lexsum/train: id, sources [text], summary/long, summary/short; and HELMET's key points,
              multi_lexsum/multi_lexsum_val.jsonl: id, summary/short_keypoints
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.benchmarks.helmet.prompting import (
    Asked,
    data_file,
    data_files,
    described,
    has_file,
    helmet_sample,
    part,
    read_records,
)
from eval.benchmarks.helmet.tasks import TASKS
from eval.building.context import BuildContext, Built, counted_by, reference_tokenizer
from eval.building.records import each_record

# Room for the rest of the prompt (tokens).
MARGIN, LAWSUIT_MARGIN = 200, 300
# HELMET counts with the tokenizer's BOS.
BOS = 1


@dataclass
class Documents:
    """Cuts texts to `most` reference tokens; every different text is tokenized once."""

    tokenizer: Tokenizer
    least: int
    most: int
    cuts: dict[str, str | None] = field(default_factory=dict)

    def cut(self, text: str) -> str | None:
        """The beginning of a text; None where the text is shorter than `least` reference tokens."""
        if text not in self.cuts:
            self.cuts[text] = self.new_cut(text)
        return self.cuts[text]

    def new_cut(self, text: str) -> str | None:
        """The same, without looking whether it is known."""
        spans = self.tokenizer.encode_with_offsets(text)[1]
        if len(spans) + BOS < self.least:
            return None
        if len(spans) + BOS <= self.most:
            return text
        mark = part("cut_mark")
        last = self.most - (len(self.tokenizer.encode(mark)) + BOS) - BOS
        if last < 0:
            raise InputError(f"helmet: {self.most} tokens hold no text; choose a longer length")
        return text[: spans[last][1]] + mark


def document_cutter(context: BuildContext, least: int, margin: int = MARGIN) -> Documents:
    """The cutter of a cell: by the reference tokenizer where one is given, else by the models' own."""
    most = context.length - margin - TASKS[context.task].tokens_to_generate
    return Documents(reference_tokenizer(context), least, most)


def long_enough(context: BuildContext, records: list[dict], cutter: Documents, key: str) -> list[dict]:
    """The cell's drawn records, each with its text cut; InputError where no text is long enough."""
    order = list(range(len(records)))
    context.generator("choice").shuffle(order)
    cut_records: list[dict] = []
    for index in order:
        if len(cut_records) == context.options.samples:
            break
        text = cutter.cut(records[index][key])
        if text is not None:
            cut_records.append({**records[index], key: text})
    if not cut_records:
        raise InputError(
            f"helmet {context.task}: no text has {cutter.least} reference tokens; lower book_tokens or document_tokens"
        )
    return cut_records


EXAMPLE_COLUMNS = ("question", "answers")


def narrativeqa(context: BuildContext) -> Built:
    """The samples of one length."""
    paths, example_paths = data_files(context, "narrativeqa/test"), data_files(context, "narrativeqa/train")
    texts: dict[str, str] = {}
    records = [record for path in paths for record in story_questions(path, texts)]
    pool = [record for path in example_paths for record in story_questions(path)] if context.options.shots else []
    cutter = document_cutter(context, context.options.book_tokens)
    rows = []
    for record in long_enough(context, records, cutter, "text"):
        examples = context.generator(record["question"]).sample(pool, min(context.options.shots, len(pool)))
        fields = {"demo": story_examples(examples)}
        rows.append(helmet_sample(context, Asked(record["text"], record["question"], record["answers"], fields)))
    return Built(rows, {"counted_by": counted_by(context)}, described(*paths, *example_paths))


def story_questions(path: Path, texts: dict[str, str] | None = None) -> Iterator[dict]:
    """{"question", "answers"} of a file, and "text" where `texts` is given to hold each document once."""
    for record in each_record(path, None if texts is not None else EXAMPLE_COLUMNS):
        question = {
            "question": record["question"]["text"],
            "answers": [answer["text"] for answer in record["answers"]],
        }
        if texts is not None:
            document = record["document"]
            question["text"] = texts.setdefault(document["id"], document["text"])
        yield question


def story_examples(examples: list[dict]) -> str:
    """Questions and answers about other stories; nothing where there are none."""
    if not examples:
        return ""
    written = [
        part("narrativeqa_example").format(question=example["question"], answer=example["answers"][0])
        for example in examples
    ]
    return part("narrativeqa_examples").format(examples="\n\n".join(written))


INFBENCH_FILES = {
    "infbench_qa": "infbench/longbook_qa_eng",
    "infbench_choice": "infbench/longbook_choice_eng",
    "infbench_sum": "infbench/longbook_sum_eng",
}
INFBENCH_KEY_POINTS = "infbench/longbook_sum_eng_keypoints"


def infbench(context: BuildContext) -> Built:
    """The samples of one length."""
    path = data_file(context, INFBENCH_FILES[context.task])
    files, points = [path], {}
    if context.task == "infbench_sum" and has_file(context, INFBENCH_KEY_POINTS):
        files.append(data_file(context, INFBENCH_KEY_POINTS))
        points = {record["id"]: record["keypoints"] for record in read_records(files[1])}
    records = [prepared(context.task, record) for record in read_records(path)]
    cutter = document_cutter(context, context.options.document_tokens)
    rows = []
    for record in long_enough(context, records, cutter, "context"):
        others = [other for other in records if other["id"] != record["id"]]
        own = context.generator(str(record["id"])).sample(others, min(context.options.shots, len(others)))
        rows.append(helmet_sample(context, novel_asked(context.task, record, own, points.get(record["id"]))))
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


def novel_asked(task: str, record: dict, examples: list[dict], key_points: list[str] | None) -> Asked:
    """One question about one novel."""
    summary = {"reference": record["answer"][0], "keypoints": key_points} if task == "infbench_sum" else {}
    return Asked(
        context=record["context"],
        question=record["input"],
        answers=record["answer"],
        fields={"demo": novel_examples(task, examples), "options": record.get("options")},
        more=summary,
    )


def novel_examples(task: str, examples: list[dict]) -> str:
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


LEXSUM_KEY_POINTS = "multi_lexsum/multi_lexsum_val"


def multi_lexsum(context: BuildContext) -> Built:
    """The samples of one length."""
    paths, example_paths = data_files(context, "multi_lexsum/validation"), data_files(context, "multi_lexsum/train")
    files, points = [*paths, *example_paths], {}
    if has_file(context, LEXSUM_KEY_POINTS):
        files += data_files(context, LEXSUM_KEY_POINTS)
        points = {record["id"]: record["summary/short_keypoints"] for record in read_records(files[-1])}
    records, pool = (summarised(read_records(*each)) for each in (paths, example_paths))
    cutter = document_cutter(context, context.options.document_tokens, LAWSUIT_MARGIN)
    rows = []
    for record in long_enough(context, records, cutter, "text"):
        own = context.generator(str(record["id"])).sample(pool, min(context.options.shots, len(pool)))
        rows.append(helmet_sample(context, lawsuit_asked(record, own, points.get(record["id"]))))
    return Built(rows, {"counted_by": counted_by(context)}, described(*files))


def summarised(records: list[dict]) -> list[dict]:
    """The lawsuits that have a short summary, their documents as one text."""
    return [
        {**record, "text": "\n\n".join(record["sources"])} for record in records if record["summary/short"] is not None
    ]


def lawsuit_asked(record: dict, examples: list[dict], key_points: list[str] | None) -> Asked:
    """One lawsuit to summarise."""
    written = [part("multi_lexsum_example").format(answer=example["summary/short"]) for example in examples]
    return Asked(
        context=record["text"],
        question="",
        answers=[record["summary/short"]],
        fields={"demo": part("multi_lexsum_examples").format(examples="\n\n".join(written)) if written else ""},
        more={"reference": record["summary/long"], "keypoints": key_points},
    )
