"""Data lineage: which stage read what, and that documents and tokens add up, in = out + dropped with reasons.

in : the manifests of a run      out: one row per manifest; the faults, each as (manifest, sentence)
Two sums are checked: within a stage (in = out + dropped), and between stages (what one reads is what the stages
before it wrote, where both count the same thing).
"""

from collections.abc import Iterator, Mapping

from workflow.audit.run import Run

COUNTED = ("documents", "characters", "tokens")


def data_lineage(run: Run) -> list[dict]:
    """One row per manifest: its counts, and the manifests that made what it read."""
    makers = makers_of(run)
    return [
        {
            "manifest": name,
            "stage": manifest["stage"],
            "made_from": sorted({makers[digest] for digest in stated_digests(manifest["inputs"]) if digest in makers}),
            "counts": manifest["counts"],
            "files": {file: told["sha256"] for file, told in manifest["outputs"].items()},
        }
        for name, manifest in sorted(run.manifests.items())
    ]


def makers_of(run: Run) -> dict[str, str]:
    """{sha256 of a file: the manifest that lists it among its outputs}."""
    return {told["sha256"]: name for name, manifest in run.manifests.items() for told in manifest["outputs"].values()}


def stated_digests(value: object) -> Iterator[str]:
    """Every file hash in the `inputs` of a manifest, however deep."""
    if isinstance(value, Mapping):
        if isinstance(value.get("sha256"), str):
            yield value["sha256"]
        for inner in value.values():
            yield from stated_digests(inner)


def count_faults(run: Run) -> Iterator[tuple[str, str]]:
    """Every sum that does not add up."""
    rows = {row["manifest"]: row for row in data_lineage(run)}
    for name, row in rows.items():
        for what in balanced(row["counts"]):
            told = row["counts"][what]
            lost = sum(told["dropped"].values())
            if told["in"] != told["out"] + lost:
                yield name, f"{what} do not add up: {told['in']} in, {told['out']} out, {lost} dropped"
            yield from edge_faults(name, what, told["in"], [rows[maker]["counts"] for maker in row["made_from"]])


def balanced(counts: Mapping) -> list[str]:
    """The things that a stage counts as in, out and dropped."""
    return [what for what in COUNTED if isinstance(counts.get(what), Mapping) and "dropped" in counts[what]]


def edge_faults(name: str, what: str, read: int, before: list[Mapping]) -> Iterator[tuple[str, str]]:
    """Whether a stage read as many as the stages before it wrote."""
    written = [counts[what]["out"] for counts in before if what in balanced(counts)]
    if written and sum(written) != read:
        yield name, f"{what}: {read} in, but the stages before wrote {sum(written)}"
