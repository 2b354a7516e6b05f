"""QuALITY's records: questions with four options about one story.

in : a record of QuALITY.v1.0.1 (a set of questions on one article, which is text, or HTML, or a list of HTML lines), or
     of the flat layout before the release
invariants: questions without a gold label (the test split) are refused, not skipped; text without markup is not
touched.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import count

from contracts.errors import InputError
from contracts.published import Worded, Wording

WORDING = Wording("quality")
LETTERS = "ABCD"
BLOCKS = frozenset({"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "hr", "blockquote", "pre", "table", "tr"})
UNREAD = frozenset({"head", "style", "script", "title"})
MARKUP = re.compile(r"<(!DOCTYPE|html|body|p|div|h[1-6]|br|hr)\b", re.IGNORECASE)


class ReadableText(HTMLParser):
    """Collects the paragraphs of a page; line ends inside one are spaces, as a browser shows them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[list[str]] = [[]]
        self.unread = 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """A block begins a paragraph; a head or a script is passed over."""
        self.unread += tag in UNREAD
        if tag in BLOCKS:
            self.paragraphs.append([])
        elif tag == "br":
            self.paragraphs[-1].append(" ")

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        """<hr/> and <br/> have no end tag to wait for."""
        if tag not in UNREAD:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """The end of a block ends its paragraph."""
        self.unread = max(0, self.unread - (tag in UNREAD))
        if tag in BLOCKS:
            self.paragraphs.append([])

    def handle_data(self, data: str) -> None:
        """Text of the current paragraph."""
        if not self.unread:
            self.paragraphs[-1].append(data)


def plain_text(article: str | list[str]) -> str:
    """The article's text, a blank line between paragraphs where it was HTML."""
    text = article if isinstance(article, str) else "".join(article)
    if not MARKUP.search(text):
        return text
    reader = ReadableText()
    reader.feed(text)
    reader.close()
    paragraphs = (" ".join("".join(pieces).split()) for pieces in reader.paragraphs)
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


@dataclass(frozen=True)
class Question:
    """One question; `answer` is one of A, B, C, D; `hard` as the annotators' speed test found it, None if untold."""

    name: str
    story: str
    text: str
    options: tuple[str, ...]
    answer: str
    hard: bool | None


def questions_of(record: dict, where: str) -> Iterator[Question]:
    """Every question of a record, in order; InputError names the place `where` of a broken one."""
    story = plain_text(record["article"])
    for item in record["questions"] if "questions" in record else flat_questions(record):
        yield question_of(story, item, where)


def question_of(story: str, item: dict, where: str) -> Question:
    """One item of a record; InputError where it is no question with four options and a label."""
    options, label = item.get("options"), item.get("gold_label")
    if not isinstance(options, list) or len(options) != len(LETTERS) or not isinstance(item.get("question"), str):
        raise InputError(f"{where}: a question without text or without 4 options; this is not the published format")
    if label not in range(1, len(LETTERS) + 1):
        raise InputError(f"{where}: a question without a gold label from 1 to 4; use the train or dev split")
    hard = item.get("difficult")
    return Question(
        name=str(item.get("question_unique_id", "")),
        story=story,
        text=item["question"].strip(),
        options=tuple(str(option).strip() for option in options),
        answer=LETTERS[label - 1],
        hard=None if hard is None else bool(hard),
    )


def flat_questions(record: dict) -> list[dict]:
    """The questions of the layout before the release: question1, question1option1, question1_gold_label, ..."""
    items = []
    for number in count(1):
        key = f"question{number}"
        if key not in record:
            return items
        items.append(
            {
                "question": record[key],
                "question_unique_id": f"{record.get('unique_id', '')}_{number}",
                "options": [record.get(f"{key}option{option}", "") for option in range(1, len(LETTERS) + 1)],
                "gold_label": record.get(f"{key}_gold_label"),
            }
        )
    return items


def prompt_of(question: Question) -> Worded:
    """One question in ZeroSCROLLS' wording."""
    options = dict(zip(LETTERS, question.options, strict=True))
    return WORDING.with_texts(question.story, question.text, **options)
