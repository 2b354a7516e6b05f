"""Sentences of an answer, by nltk's Punkt: with its English parameters where they are installed, without otherwise.

Without them Punkt knows no abbreviations ("Dr. Who" becomes two sentences), so the score names which was used.
"""

from collections.abc import Callable

from nltk.data import find
from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

TRAINED, UNTRAINED = "Punkt, English", "Punkt without its English parameters"


def sentence_splitter() -> tuple[str, Callable[[str], list[str]]]:
    """(its name for the tables, the splitter)."""
    try:
        find("tokenizers/punkt_tab/english/")
    except LookupError:
        return UNTRAINED, PunktSentenceTokenizer().tokenize
    return TRAINED, PunktTokenizer("english").tokenize
