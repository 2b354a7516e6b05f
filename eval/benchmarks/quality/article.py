"""Articles of QuALITY as plain text: the published files hold text, or HTML, or lists of HTML lines.

invariant: text without markup is not touched.
"""

import re
from html.parser import HTMLParser

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
