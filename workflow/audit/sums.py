"""SHA256SUMS files, as GNU `sha256sum` writes and checks them: `<hex>  <path>` lines, paths relative to the file.

A path with a line end or a backslash would need sha256sum's escapes; such names are refused.
"""

from collections.abc import Mapping
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file

SUMS = "SHA256SUMS"


def sums_text(digests: Mapping[str, str]) -> str:
    """The lines of {path: sha256}, sorted by path."""
    for path in digests:
        if "\n" in path or "\\" in path:
            raise InputError(f"{path!r}: a file name with a line end or a backslash cannot be audited; rename it")
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))


def read_sums(path: Path) -> dict[str, str]:
    """{path: sha256} of a sums file; InputError names the first line that is none."""
    digests = {}
    text = existing_file(path, "make the audit first (snakemake audit)").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        digest, separator, name = line.partition("  ")
        if len(digest) != 64 or not separator or not name:
            raise InputError(f"{path} line {number}: not a line of sha256sum; make the audit again")
        digests[name] = digest
    return digests
