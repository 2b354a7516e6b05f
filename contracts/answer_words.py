"""Answers compared as the SQuAD evaluation compares them: the words that are left of a text.

invariant: lower case, no ASCII punctuation, no articles, one space between words; in this order.
"""

import re
import string

ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized(text: str) -> str:
    """`text` in lower case without punctuation, articles and surplus white space."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split())
