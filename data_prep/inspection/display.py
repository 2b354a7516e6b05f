"""What `inspect` shows, from the dict that data_prep.inspection.description made: lines for people, and histograms.

in : the description of a folder      out: lines of text; an SVG or PNG file
Invariant: nothing is computed here: every number is in the dict, and the same dict gives the same bytes.
"""

from collections.abc import Iterator
from pathlib import Path

from contracts.files import atomic_file

BAR_WIDTH = 40
TITLES = {
    "document_lengths": "tokens per document",
    "segment_tokens": "tokens per segment",
    "evidence_passages": "supporting passages per sample",
    "evidence_places": "where a supporting passage begins, % of its sample",
}
WIDTH, HEIGHT = 6.0, 2.4  # inches, of one histogram
SHARES = ("padding_share", "supervised_share")


def summary_lines(description: dict) -> Iterator[str]:
    """Facts first, one a line; then the histogram; then the sample."""
    yield f"{description['kind']} in {description['folder']}"
    for name, value in description.items():
        if name in SHARES:
            yield f"  {name.replace('_', ' '):<18} {value:.2%}"
        elif not isinstance(value, dict | list) and name not in {"kind", "folder"}:
            yield f"  {name.replace('_', ' '):<18} {value:,}" if type(value) is int else f"  {name:<18} {value}"
    for name, title in TITLES.items():
        if name in description:
            yield from histogram_lines(title, description[name])
    yield from sample_lines(description)


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


def sample_lines(description: dict) -> Iterator[str]:
    """The probe of a tokenizer, the beginning of a document, or the segments of a row."""
    if description["kind"] == "tokenizer":
        probe = description["probe"]
        yield f"probe {probe['text']!r}: {' '.join(map(repr, probe['pieces']))}"
    elif description["kind"] == "tokens":
        sample = description["sample"]
        yield f"document {sample['document']} of {sample['source']}, {sample['tokens']:,} tokens:"
        if sample["supervised_spans"] is not None:
            yield f"    supervised {sample['supervised_spans']}, evidence {sample['evidence_spans'] or 'not known'}"
        yield from text_lines(sample)
    else:
        yield f"row {description['sample']['row']}:"
        for segment in description["sample"]["segments"]:
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


def draw_histograms(description: dict, path: Path) -> None:
    """One panel for each histogram of `description`, below each other."""
    import matplotlib  # takes a second that nobody who asks for no plot should wait for

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "data_prep"
    from matplotlib import pyplot

    names = [name for name in TITLES if description.get(name, {}).get("histogram")]
    figure, panels = pyplot.subplots(max(len(names), 1), 1, figsize=(WIDTH, HEIGHT * max(len(names), 1)), squeeze=False)
    for panel, name in zip(panels[:, 0], names, strict=False):
        bins = description[name]["histogram"]
        starts, widths = [entry["from"] for entry in bins], [entry["below"] - entry["from"] for entry in bins]
        panel.bar(starts, [entry["count"] for entry in bins], widths, align="edge", edgecolor="white", linewidth=0.5)
        panel.axvline(description[name]["median"], color="black", linewidth=1, linestyle="--")
        panel.set_xlabel(f"{TITLES[name]} (dashed: median {description[name]['median']:,.0f})")
        panel.set_ylabel("count")
        panel.spines[["top", "right"]].set_visible(False)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.tight_layout()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "svg", metadata={"Date": None})
    pyplot.close(figure)
