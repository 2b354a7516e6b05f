"""The summary that `inspect` prints, from the dict that data_prep.inspection made.

in : the description of a folder      out: lines for people
Invariant: nothing is computed here: every number is in the dict.
"""

from collections.abc import Iterator

BAR_WIDTH = 40
TITLES = {
    "document_lengths": "tokens per document",
    "segment_tokens": "tokens per segment",
    "evidence_passages": "supporting passages per sample",
    "evidence_places": "where a supporting passage begins, % of its sample",
}
SHARES = ("padding_share", "supervised_share")


def summary_lines(found: dict) -> Iterator[str]:
    """Facts first, one a line; then the histogram; then the sample."""
    yield f"{found['kind']} in {found['folder']}"
    for name, value in found.items():
        if name in SHARES:
            yield f"  {name.replace('_', ' '):<18} {value:.2%}"
        elif not isinstance(value, dict | list) and name not in {"kind", "folder"}:
            yield f"  {name.replace('_', ' '):<18} {value:,}" if type(value) is int else f"  {name:<18} {value}"
    for name, title in TITLES.items():
        if name in found:
            yield from histogram_lines(title, found[name])
    yield from sample_lines(found)


def histogram_lines(title: str, spread: dict) -> Iterator[str]:
    """A bar per bin, the longest as wide as BAR_WIDTH; nothing where there is nothing to count."""
    if not spread["histogram"]:
        return
    middle = f"median {spread['median']:,.0f}, mean {spread['mean']:,.0f}"
    yield f"{title}: least {spread['min']:,}, {middle}, most {spread['max']:,}"
    most = max(entry["count"] for entry in spread["histogram"])
    for entry in spread["histogram"]:
        bar = "#" * -(-entry["count"] * BAR_WIDTH // most)
        yield f"  {entry['from']:>10,} - {entry['below'] - 1:>10,} {entry['count']:>9,} {bar}"


def sample_lines(found: dict) -> Iterator[str]:
    """The probe of a tokenizer, the beginning of a document, or the segments of a row."""
    if found["kind"] == "tokenizer":
        yield f"probe {found['probe']['text']!r}: {' '.join(repr(piece) for piece in found['probe']['pieces'])}"
    elif found["kind"] == "tokens":
        sample = found["sample"]
        yield f"document {sample['document']} of {sample['source']}, {sample['tokens']:,} tokens:"
        if sample["supervised_spans"] is not None:
            yield f"    supervised {sample['supervised_spans']}, evidence {sample['evidence_spans'] or 'not known'}"
        yield from text_lines(sample)
    else:
        yield f"row {found['sample']['row']}:"
        for segment in found["sample"]["segments"]:
            yield (
                f"  at {segment['place_in_row']:,}: {segment['tokens']:,} tokens of document {segment['document']} "
                f"from its token {segment['start_in_document']:,}, then {segment['padding']:,} padding; "
                f"supervised {segment['supervised_spans']}"
                + (f", evidence {segment['evidence_spans']}" if segment["evidence_spans"] else "")
            )
            yield from text_lines(segment)


def text_lines(sample: dict) -> Iterator[str]:
    """Both ends of a text, on one line each."""
    yield f"    | {sample['begin']!r}"
    if sample["end"]:
        yield f"    | ... {sample['end']!r}"
