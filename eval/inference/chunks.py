"""A long text cut into chunks of whole sentences, as retrieval benchmarks do.

invariant: the chunks joined are the text. A chunk holds at most `words` words, unless one sentence alone has more.
Words are runs of letters, digits and underscores; a Chinese character is a word of its own.
"""

import re

# The full-width full stop, question mark, exclamation mark and semicolon, then the common ones and the line's end.
ENDS = r"[\u3002\uff1f\uff01\uff1b\n.!?;]"
SENTENCE = re.compile(rf"(?:(?!{ENDS}).)*(?:{ENDS}\s*|$)", re.DOTALL)
WORD = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+")


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


def chunks(text: str, most_words: int) -> list[str]:
    """The text as chunks of at most `most_words` words, cut after a sentence's punctuation or a line's end."""
    found: list[str] = []
    held = most_words
    for sentence in SENTENCE.findall(text):
        count = len(words(sentence))
        if found and (not count or held + count <= most_words):
            found[-1] += sentence
            held += count
        elif sentence:
            found.append(sentence)
            held = count
    return found
