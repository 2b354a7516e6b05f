"""ICL: labels from examples. Labels are written as numbers that mean something else for every question.

Examples come in rounds: every round has each label once, in an order of its own, so that all labels are shown equally
often (one more or less where the number of examples is no multiple of the number of labels).
"""

from random import Random

from eval.benchmarks.helmet.icl_sets import Labelled, labelled_set
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.records import described
from eval.benchmarks.helmet.sampling import Asked, helmet_sample, part
from eval.building.build_context import BuildContext, Built


def build(context: BuildContext) -> Built:
    """The samples of one length."""
    labelled = labelled_set(context)
    shots = context.options.label_shots or TASKS[context.task].size_at(context.length)
    questions = balanced(labelled.asked, context.options.label_samples, context.generator("choice"))
    rows = []
    for index, (text, label) in enumerate(questions):
        generator = context.generator(index)
        shown = balanced(labelled.shown, shots, generator)
        rows.append(helmet_sample(context, asked(text, label, shown, label_numbers(labelled.labels, generator))))
    return Built(rows, {"labels": len(labelled.labels), "shots": shots}, described(*labelled.files))


def balanced(pairs: list[Labelled], count: int, generator: Random) -> list[Labelled]:
    """`count` of the pairs in rounds of one per label; a label's texts repeat only when all of them have been used."""
    texts: dict[str, list[str]] = {}
    for text, label in pairs:
        texts.setdefault(label, []).append(text)
    rounds = -(-count // len(texts))
    drawn = {label: draws(found, rounds, generator) for label, found in texts.items()}
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


def asked(text: str, label: str, shown: list[Labelled], numbers: dict[str, str]) -> Asked:
    """One text to label after the examples."""
    examples = [part("icl_example").format(text=example, label=numbers[name]) for example, name in shown]
    return Asked(context="\n\n".join(examples), question=text, answers=[numbers[label]])
