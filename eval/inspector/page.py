"""The inspector's page: one HTML file with its style, its script and its data in it.

invariant: the data are a JSON text in which no `<` stands, so nothing in them can end the script or begin a tag; the
script puts texts into the page as text. The page's own policy forbids it to fetch anything.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent


def page(data: dict) -> str:
    """The whole HTML document (eval.inspector.inspecting says what the data are)."""
    parts = {name: (HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")}
    shell = (HERE / "page.html").read_text(encoding="utf-8")
    before, _, rest = shell.partition("/* page.css */")
    middle, _, rest = rest.partition("/* data */")
    between, _, after = rest.partition("/* page.js */")
    return "".join([before, parts["page.css"], middle, as_json(data), between, parts["page.js"], after])


def as_json(data: dict) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # U+2028 and U+2029 end lines in scripts of old; a lone surrogate cannot be written as UTF-8.
    escaped = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return "".join(f"\\u{ord(letter):04x}" if "\ud800" <= letter <= "\udfff" else letter for letter in escaped)
