"""What a scored row holds, the numbers that every HELMET score has, and the metrics of short answers.

What is compared is lower case, without punctuation, articles and extra spaces. ROUGE-L is that of Google's rouge-score
with stemming: words of [a-z0-9], Porter stems of those longer than three letters, F1 of the longest common subsequence.
The stemmer is nltk's and the subsequence rapidfuzz's.
"""

import re
import string
from collections.abc import Callable
from functools import cache

from nltk.stem.porter import PorterStemmer
from rapidfuzz.distance import LCSseq

from contracts.errors import InputError
from eval.scoring.scored import Scored, mean


def is_text(value: object) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def are_all(value: object, fits: Callable[[object], bool]) -> bool:
    """Whether a value is a list whose parts all fit."""
    return isinstance(value, list) and all(map(fits, value))


def are_some(value: object, fits: Callable[[object], bool]) -> bool:
    """The same of a list that is not empty."""
    return value != [] and are_all(value, fits)


def is_passage(value: object) -> bool:
    """Whether a value is a passage with its title."""
    return isinstance(value, dict) and is_text(value.get("title")) and is_text(value.get("sent", value.get("text")))


def is_sub_question(value: object) -> bool:
    """Whether a value is a sub-question with its short answers."""
    return isinstance(value, dict) and are_all(value.get("short_answers"), is_text)


def are_names(value: object) -> bool:
    """Whether a value is the name of an answer, or a list of its names."""
    return is_text(value) or are_some(value, is_text)


def are_grades(value: object) -> bool:
    """Whether a value tells the relevance of passages, by their ids."""
    return isinstance(value, dict) and value != {} and all(isinstance(grade, int) for grade in value.values())


# What metrics need besides prediction and answers: how it must look, and whether it does.
FORMS = {
    "answer_prefix": ("a text", is_text),
    "question": ("a text", is_text),
    "reference": ("a text", is_text),
    "keypoints": ("a list of texts", lambda value: are_all(value, is_text)),
    "qa_pairs": ('a list of {"short_answers": [texts]}', lambda value: are_some(value, is_sub_question)),
    "aliases": ("a list of the names of every answer", lambda value: are_some(value, are_names)),
    "documents": ('a list of {"title", "text"}', lambda value: are_all(value, is_passage)),
    "relevance": ("{passage id: whole number}", are_grades),
}


def field_of(row: dict, key: str) -> object:
    """What a metric needs besides prediction and answers; InputError where the row lacks it or it has another form."""
    form, fits = FORMS[key]
    if key not in row:
        raise InputError(
            f"prediction {row.get('id')}: has no '{key}' ({form}), which this metric needs; add it to every line"
        )
    if not fits(row[key]):
        raise InputError(f"prediction {row.get('id')}: '{key}' must be {form}; correct it in every line")
    return row[key]


def optional_field(row: dict, key: str) -> object | None:
    """The same where the row has it; None where it has not."""
    return None if row.get(key) is None else field_of(row, key)


def output_of(row: dict) -> str:
    """The output as HELMET scores it: the opening words that the prompt ended with, and what the model wrote."""
    return (optional_field(row, "answer_prefix") or "") + row["prediction"]


def answers_of(row: dict) -> list[str]:
    """The acceptable answers as one list; InputError where there is none."""
    answers = flat(row["answers"])
    if not answers:
        raise InputError(f"prediction {row.get('id')}: has no answers; give each at least one")
    return answers


def identity(row: dict, index: int) -> str | int:
    """The row's id; its number where predictions stand alone."""
    return row.get("id", index)


def depths(row: dict) -> dict:
    """{"depths": shares of the long text} where the sample says how deep its answers lie."""
    return {"depths": row["depths"]} if "depths" in row else {}


def scored(values: list[dict], names: tuple[str, ...], rows: list[dict], labels: dict) -> Scored:
    """The score of a task: the mean of its metrics' means over the samples that have them, times 100.

    `values` holds every sample's metrics (0 to 1, or None); `labels` say who judged, and go into `metrics`.
    """
    means = {name: mean([value[name] for value in values if value[name] is not None]) for name in names}
    present = [value for value in means.values() if value is not None]
    metrics = {name: None if value is None else 100 * value for name, value in means.items()}
    return Scored(
        metrics={**metrics, **labels},
        rows=[
            {"id": identity(row, index), **value, **depths(row)}
            for index, (row, value) in enumerate(zip(rows, values, strict=True))
        ],
        score=100 * mean(present) if present else None,
        per_sample=[mean([value[name] for name in names if value[name] is not None]) for value in values],
        headline={"labels": labels} if labels else {},
    )


ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
STEMMED_FROM = 4


def normalized(text: str) -> str:
    """`text` as answers are compared."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split())


def flat(answers: str | list) -> list[str]:
    """The acceptable answers as one list: a text, a list of texts, or a list of lists of them."""
    if isinstance(answers, str):
        return [answers]
    return [text for answer in answers for text in ([answer] if isinstance(answer, str) else answer)]


def exact_match(prediction: str, answers: list[str]) -> float:
    """1 if the prediction is one of the answers."""
    given = normalized(prediction)
    return float(any(given == normalized(answer) for answer in answers))


def substring_exact_match(prediction: str, answers: list[str]) -> float:
    """1 if one of the answers occurs in the prediction."""
    given = normalized(prediction)
    return float(any(normalized(answer) in given for answer in answers))


def needle_recall(prediction: str, answers: list[str]) -> float:
    """The share of the answers that occur in the prediction, in any case (`ruler_recall`)."""
    given = prediction.lower()
    return sum(answer.lower() in given for answer in answers) / len(answers)


@cache
def stem(word: str) -> str:
    """The Porter stem of a word; short words are their own."""
    return PorterStemmer().stem(word) if len(word) >= STEMMED_FROM else word


def rouge_words(text: str) -> list[str]:
    """The stemmed words that ROUGE compares."""
    return [stem(word) for word in re.sub(r"[^a-z0-9]+", " ", text.lower()).split()]


def rouge_l(prediction: str, answers: list[str]) -> float:
    """The best F1 of the longest common subsequence of words."""
    return max(rouge_l_of(rouge_words(prediction), rouge_words(answer)) for answer in answers)


def rouge_l_of(predicted: list[str], reference: list[str]) -> float:
    """F1 of the longest common subsequence of two lists of words; 0 where either is empty."""
    common = LCSseq.similarity(predicted, reference)
    return 2 * common / (len(predicted) + len(reference)) if common else 0.0


def token_f1(prediction: str, answer: str) -> float:
    """F1 of the bags of normalised words."""
    predicted, reference = normalized(prediction).split(), normalized(answer).split()
    common = sum(min(predicted.count(word), reference.count(word)) for word in set(predicted))
    return 2 * common / (len(predicted) + len(reference)) if common else 0.0


def parsed(output: str, prefix: str = "Answer:") -> str:
    """What follows `prefix` on its line, else the first line; a repeated prefix is taken off."""
    line = re.search(f"{re.escape(prefix)}(.*)(?:\n|$)", output, re.IGNORECASE) or re.match("(.*)(?:\n|$)", output)
    return re.sub(f"^{re.escape(prefix)}", "", line[1].strip(), flags=re.IGNORECASE).strip()
