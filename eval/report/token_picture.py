"""A text with its noise and critical tokens coloured, and its facts underlined."""

from html import escape

# Shades of a critical token, by its norm as a multiple of the threshold.
SHADES = (1.0, 1.5, 2.5, 5.0)


def picture(entry: dict) -> str:
    """The HTML of one text as one model sees it (see eval.report.inputs.read_picture)."""
    facts: dict[int, list[dict]] = {}
    for token in entry["tokens"]:
        facts.setdefault(token["fact"], []).append(token)
    body = "".join(fact_html(tokens, entry["threshold"]) for tokens in facts.values())
    return f'<figure><figcaption>{summary(entry)}</figcaption><p class="tokens">{body}</p></figure>'


def summary(entry: dict) -> str:
    """Model, threshold, and how many of the shown tokens are critical."""
    shown = [token for token in entry["tokens"] if "left_out" not in token]
    critical = sum(token["noise"] == 0 for token in shown)
    return (
        f"<strong>{escape(entry['model'])}</strong>: {critical} of {len(shown)} tokens shown are critical; threshold "
        f"{entry['threshold']:.3g}"
    )


def fact_html(tokens: list[dict], threshold: float) -> str:
    """One span of one kind; the space before it takes no part in its underline."""
    space, text = split_space(tokens[0]["text"])
    first = {**tokens[0], "text": text}
    inner = "".join(token_html(token, threshold) for token in [first, *tokens[1:]])
    return f'{space}<span class="kind-{escape(tokens[0]["kind"])}">{inner}</span>'


def token_html(token: dict, threshold: float) -> str:
    """One token: bare text where it is noise, shaded by its norm where it is critical."""
    if "left_out" in token:
        return f'<span class="left-out"> … {token["left_out"]:,} tokens not shown … </span>'
    space, text = split_space(token["text"])
    if token["noise"]:
        return space + escape(text)
    ratio = token["norm"] / threshold if threshold else 1.0
    shade = sum(ratio >= bound for bound in SHADES[1:])
    # White space that is critical shows as a mark of its own.
    shown = escape(text) or "␣"
    return f'{space if text else ""}<span class="c{shade}" title="{ratio:.2f} &times; threshold">{shown}</span>' + (
        "" if text else space
    )


def split_space(text: str) -> tuple[str, str]:
    """The white space at the start of a text, and the rest."""
    rest = text.lstrip()
    return text[: len(text) - len(rest)], rest


def picture_legend() -> str:
    """What the colours and the lines mean."""
    shades = "".join(
        f'<li><span class="tokens c{index}"> token </span> critical, from {bound:g} &times; threshold</li>'
        for index, bound in enumerate(SHADES)
    )
    return (
        '<ul class="legend picture-legend"><li><span class="tokens"> token </span> noise</li>'
        f"{shades}"
        '<li><span class="kind-supporting">supporting fact</span></li>'
        '<li><span class="kind-interference">interference fact</span></li>'
        '<li><span class="kind-answer">answer</span></li></ul>'
    )
