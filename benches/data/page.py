"""The page of the benchmarks, from their figures.

in : the dict that the benchmarks fill      out: Markdown with ratios
"""

from collections.abc import Iterator

TITLES = {
    "limit": "(a) the bare tokenizer library, in batches of books, nothing written",
    "pieces": "(a2) the same, fed the pieces that (b) cuts books into",
    "ours": "(b) this project: `data_prep tokenize`",
    "datasets": "(c) Hugging Face datasets: `map` + group_texts",
    "datatrove": "(d) datatrove: DocumentTokenizer",
    "megatron": "(e) megatron-core: IndexedDatasetBuilder",
}


def page(numbers: dict) -> str:
    """The whole page."""
    return "\n".join(lines(numbers)) + "\n"


def lines(numbers: dict) -> Iterator[str]:
    """Its lines: a section for each benchmark that was run."""
    machine = numbers["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    yield "# Data preparation, measured"
    yield ""
    yield "Contenders run in turns, with the same books, vocabulary and two processes; the best round counts."
    yield f"{machine['cores']} cores, Python {machine['python']}, {libraries}."
    for name, section in (("tokenizing", tokenizing_lines), ("packing", packing_lines), ("reading", reading_lines)):
        if name in numbers["runs"]:
            yield from section(numbers[name])
            yield from ("", ran(numbers["runs"][name]))


def ran(run: dict) -> str:
    """How a section was made, and whether its wall times can be believed."""
    loads = f"load average {run['load_before']:.1f} before and {run['load_after']:.1f} after"
    return (
        f"Written by `{run['command']}`, {loads}; above the number of cores, the machine was at other work too, and "
        "CPU times tell more than seconds."
    )


def tokenizing_lines(numbers: dict) -> Iterator[str]:
    """Tables of both libraries, and the peak memory at two sizes."""
    for name, title in (("json", "with tokenizer.json (tokenizers)"), ("model", "with the sentencepiece model")):
        characters = numbers["characters"]
        yield from ("", f"## Tokenizing {characters / 1e6:.0f} million characters {title}", "")
        yield "| contender | seconds | MB/s | speed to (a) | to (a2) | CPU seconds | CPU to (a) | to (a2) | peak MB |"
        yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
        limits = [numbers[name]["limit"], numbers[name]["pieces"]]
        for contender, figures in numbers[name].items():
            yield f"| {TITLES[contender]} | {' | '.join(contender_cells(contender, figures, limits, characters))} |"
    quarter = numbers["quarter"]
    yield ""
    yield f"Peak memory of one process of (b) with a quarter of the text: {quarter['peak_megabytes']:.0f} MB."


def contender_cells(contender: str, figures: dict, limits: list[dict], characters: int) -> list[str]:
    """Its figures, and their ratios to both limits."""
    if "failed" in figures:
        return [f"failed: {figures['failed']}", *[""] * 7]
    seconds, cpu = figures["seconds"], figures["cpu_seconds"]
    speed = [f"{limit['seconds'] / seconds:.2f}" for limit in limits]
    work = [
        f"{cpu:.1f}",
        *(f"{cpu / limit['cpu_seconds']:.2f}" for limit in limits),
        f"{figures['peak_megabytes']:.0f}",
    ]
    if contender == "datatrove":  # a server forks its workers: the system does not count them to its run
        work = ["not seen", "", "", "not seen"]
    return [f"{seconds:.1f}", f"{characters / 1e6 / seconds:.2f}", *speed, *work]


def packing_lines(measured: list[dict]) -> Iterator[str]:
    """One line a distribution."""
    yield from ("", "## Packing (alignment 8)", "")
    yield "| lengths | seconds | CPU seconds | rows | fill | no packing fills more than |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in measured:
        yield (
            f"| {row['name']} | {row['seconds']:.2f} | {row['cpu_seconds']:.2f} | {row['rows']:,} "
            f"| {row['fill']:.2%} | {row['fill_bound']:.2%} |"
        )


def reading_lines(numbers: dict) -> Iterator[str]:
    """Packs beside IndexedDataset."""
    packs, indexed = numbers["packs"], numbers["indexed"]
    yield from ("", f"## Reading a packed set of {numbers['bytes'] / 1e9:.2f} GB, rows of 64,000 tokens", "")
    yield "| | packs | IndexedDataset | ratio |"
    yield "|---|---:|---:|---:|"
    titles = {
        "open_and_first_row_seconds": ("open and sum the first row, s", 4),
        "open_and_first_row_cpu_seconds": ("the same, CPU s", 4),
        "look_microseconds": ("random row as a view, microseconds", 1),
        "read_microseconds": ("random row, summed, microseconds", 1),
    }
    for key, (title, digits) in titles.items():
        ours, theirs = packs[key], indexed[key]
        yield f"| {title} | {ours:.{digits}f} | {theirs:.{digits}f} | {theirs / ours:.2f} |"
