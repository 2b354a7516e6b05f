"""The labelled texts of the ICL tasks, from the files that their authors publish.

icl/trec_train_5500.label, trec_TREC_10.label (Latin-1: `COARSE:fine text`); banking77_train.csv, banking77_test.csv
(text, category); clinc150_data_full.json ({split: [[text, intent]]}, the validation split is asked);
NLU-Data-Home-Domain-Annotated-All.csv (semicolons; answer, scenario, intent), a tenth of which is asked.
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from eval.benchmarks.helmet.records import data_file
from eval.building.build_context import BuildContext
from eval.building.seeds import sample_generator

Labelled = tuple[str, str]
NLU_SHARE_ASKED = 0.1


@dataclass(frozen=True)
class LabelledSet:
    """(text, label) pairs to show and to ask, and the files they came from."""

    shown: list[Labelled]
    asked: list[Labelled]
    files: tuple[Path, ...]

    @property
    def labels(self) -> list[str]:
        """Every label, in order of first appearance."""
        return list(dict.fromkeys(label for _, label in (*self.shown, *self.asked)))


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
    shown, asked = ([(row["text"], row["category"]) for row in csv_rows(path, ",")] for path in files)
    return LabelledSet(shown, asked, files)


def clinc150(context: BuildContext) -> LabelledSet:
    """Requests to an assistant, with those that are out of scope."""
    path = data_file(context, "icl/clinc150_data_full.json")
    splits = json.loads(path.read_text(encoding="utf-8"))

    def pairs(*names: str) -> list[Labelled]:
        return [(text, label) for name in names for text, label in splits[name]]

    return LabelledSet(pairs("train", "oos_train"), pairs("val", "oos_val"), (path,))


def nlu(context: BuildContext) -> LabelledSet:
    """Requests to a robot at home; the asked tenth is drawn by the seed alone, alike for every length."""
    path = data_file(context, "icl/NLU-Data-Home-Domain-Annotated-All.csv")
    rows = [(row["answer"], f"{row['scenario']}_{row['intent']}") for row in csv_rows(path, ";") if row["answer"]]
    order = list(range(len(rows)))
    sample_generator(context.settings.seed, "helmet", "nlu split", 0).shuffle(order)
    asked = set(order[: round(NLU_SHARE_ASKED * len(rows))])
    return LabelledSet(
        [pair for index, pair in enumerate(rows) if index not in asked],
        [pair for index, pair in enumerate(rows) if index in asked],
        (path,),
    )


def csv_rows(path: Path, delimiter: str) -> list[dict]:
    """The rows of a CSV file with a header."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=delimiter))


READERS = {"trec_coarse": trec, "trec_fine": trec, "banking77": banking77, "clinc150": clinc150, "nlu": nlu}
