"""ICL: labels from examples. Labels are written as numbers that mean something else for every question.

in : the files that the sets' authors publish: icl/trec_train_5500.label, trec_TREC_10.label (Latin-1: `COARSE:fine
     text`); banking77_train.csv, banking77_test.csv (text, category); clinc150_data_full.json ({split: [[text,
     intent]]}, the validation split is tested); NLU-Data-Home-Domain-Annotated-All.csv (semicolons; answer, scenario,
     intent), a tenth of which is tested
Examples come in rounds: every round has each label once, in an order of its own, so that all labels are shown equally
often (one more or less where the number of examples is no multiple of the number of labels).
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

from contracts.errors import InputError
from eval.benchmarks.helmet.prompting import Asked, data_file, described, helmet_sample, part
from eval.benchmarks.helmet.tasks import TASKS
from eval.building.context import BuildContext, Built, sample_generator

Labelled = tuple[str, str]
NLU_SHARE_TESTED = 0.1


@dataclass(frozen=True)
class LabelledSet:
    """(text, label) pairs to show and to test on, and the files they came from."""

    shown: list[Labelled]
    tested: list[Labelled]
    files: tuple[Path, ...]

    @property
    def labels(self) -> list[str]:
        """Every label, in order of first appearance."""
        return list(dict.fromkeys(label for _, label in (*self.shown, *self.tested)))


def labelled_set(context: BuildContext) -> LabelledSet:
    """The set of the cell's task; InputError where a file is absent or not in its published form."""
    try:
        return READERS[context.task](context)
    except (KeyError, ValueError, csv.Error) as error:
        raise InputError(f"helmet {context.task}: its file under icl/ is not as published ({error!r})") from None


def trec(context: BuildContext) -> LabelledSet:
    """TREC questions with their coarse or fine class."""
    files = (data_file(context, "icl/trec_train_5500.label"), data_file(context, "icl/trec_TREC_10.label"))
    coarse = context.task == "trec_coarse"

    def pairs(path: Path) -> list[Labelled]:
        lines = path.read_text(encoding="latin-1").split("\n")
        split = [line.partition(" ") for line in lines if line.strip()]
        return [(text.strip(), label.partition(":")[0] if coarse else label) for label, _, text in split]

    return LabelledSet(pairs(files[0]), pairs(files[1]), files)


def banking77(context: BuildContext) -> LabelledSet:
    """Customers' questions to a bank."""
    files = (data_file(context, "icl/banking77_train.csv"), data_file(context, "icl/banking77_test.csv"))
    shown, tested = ([(row["text"], row["category"]) for row in csv_rows(path, ",")] for path in files)
    return LabelledSet(shown, tested, files)


def clinc150(context: BuildContext) -> LabelledSet:
    """Requests to an assistant, with those that are out of scope."""
    path = data_file(context, "icl/clinc150_data_full.json")
    splits = json.loads(path.read_text(encoding="utf-8"))

    def pairs(*names: str) -> list[Labelled]:
        return [(text, label) for name in names for text, label in splits[name]]

    return LabelledSet(pairs("train", "oos_train"), pairs("val", "oos_val"), (path,))


def nlu(context: BuildContext) -> LabelledSet:
    """Requests to a robot at home; the tested tenth is drawn by the seed alone, alike for every length."""
    path = data_file(context, "icl/NLU-Data-Home-Domain-Annotated-All.csv")
    rows = [(row["answer"], f"{row['scenario']}_{row['intent']}") for row in csv_rows(path, ";") if row["answer"]]
    order = list(range(len(rows)))
    sample_generator(context.settings.seed, "helmet", "nlu split", 0).shuffle(order)
    tested = set(order[: round(NLU_SHARE_TESTED * len(rows))])
    return LabelledSet(
        [pair for index, pair in enumerate(rows) if index not in tested],
        [pair for index, pair in enumerate(rows) if index in tested],
        (path,),
    )


def csv_rows(path: Path, delimiter: str) -> list[dict]:
    """The rows of a CSV file with a header."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=delimiter))


READERS = {"trec_coarse": trec, "trec_fine": trec, "banking77": banking77, "clinc150": clinc150, "nlu": nlu}


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    labelled = labelled_set(context)
    shots = context.options.label_shots or TASKS[context.task].size_at(context.length)
    questions = balanced(labelled.tested, context.options.label_samples, context.generator("choice"))
    rows = []
    for index, (text, label) in enumerate(questions):
        generator = context.generator(index)
        shown = balanced(labelled.shown, shots, generator)
        rows.append(
            helmet_sample(context, labelling_question(text, label, shown, label_numbers(labelled.labels, generator)))
        )
    return Built(rows, {"labels": len(labelled.labels), "shots": shots}, described(*labelled.files))


def balanced(pairs: list[Labelled], count: int, generator: Random) -> list[Labelled]:
    """`count` of the pairs in rounds of one per label; a label's texts repeat only when all of them have been used."""
    texts: dict[str, list[str]] = {}
    for text, label in pairs:
        texts.setdefault(label, []).append(text)
    rounds = -(-count // len(texts))
    drawn = {label: draws(label_texts, rounds, generator) for label, label_texts in texts.items()}
    result = []
    for index in range(rounds):
        order = list(texts)
        generator.shuffle(order)
        result += [(drawn[label][index], label) for label in order]
    return result[:count]


def draws(texts: list[str], count: int, generator: Random) -> list[str]:
    """`count` texts in random order, each used as often as any other, give or take one."""
    result: list[str] = []
    while len(result) < count:
        result += generator.sample(texts, min(len(texts), count - len(result)))
    return result


def label_numbers(labels: list[str], generator: Random) -> dict[str, str]:
    """The number that stands for each label, shuffled."""
    numbers = list(range(len(labels)))
    generator.shuffle(numbers)
    return {label: str(number) for label, number in zip(labels, numbers, strict=True)}


def labelling_question(text: str, label: str, shown: list[Labelled], numbers: dict[str, str]) -> Asked:
    """One text to label after the examples."""
    examples = [part("icl_example").format(text=example, label=numbers[name]) for example, name in shown]
    return Asked(context="\n\n".join(examples), question=text, answers=[numbers[label]])
