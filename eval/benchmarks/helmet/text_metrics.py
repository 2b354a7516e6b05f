"""HELMET's metrics of short answers: what is compared is lower case, without punctuation, articles and extra spaces.

ROUGE-L is that of Google's rouge-score with stemming: words of [a-z0-9], Porter stems of those longer than three
letters, F1 of the longest common subsequence. The stemmer is nltk's and the subsequence rapidfuzz's.
"""

import re
import string
from functools import cache

from nltk.stem.porter import PorterStemmer
from rapidfuzz.distance import LCSseq

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
    found = re.search(f"{re.escape(prefix)}(.*)(?:\n|$)", output, re.IGNORECASE) or re.match("(.*)(?:\n|$)", output)
    return re.sub(f"^{re.escape(prefix)}", "", found[1].strip(), flags=re.IGNORECASE).strip()
