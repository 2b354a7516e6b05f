"""SHA256SUMS, as GNU `sha256sum` writes and checks it, and the signature over it, as OpenSSH makes and checks it.

in : files, or {path: sha256}; an SSH key; a file of allowed signers (ssh-keygen(1), ALLOWED SIGNERS)
out: `<hex>  <path>` lines, paths relative to the file; SHA256SUMS.sig beside it
A path with a line end or a backslash would need sha256sum's escapes; such names are refused.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import sha256_file

SUMS = "SHA256SUMS"
INPUT_SUMS = f"inputs.{SUMS}"
SIGNATURE = f"{SUMS}.sig"
# What a signature is for: one of these is no valid signature of anything else, and the other way round.
NAMESPACE = "megatron-cdt-audit"
# Hashing lets go of the interpreter; more readers than this only make a network file system slower.
MOST_READERS = 8


def hash_files(names: Iterable[str], root: Path) -> dict[str, str]:
    """{name: sha256} of files below `root`."""
    names = list(names)
    with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as readers:
        return dict(zip(names, readers.map(lambda name: sha256_file(root / name), names), strict=True))


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


def sign_sums(audit: Path, key: Path) -> None:
    """Write SHA256SUMS.sig with an SSH key: a private one, or a public one whose other half an agent holds."""
    existing_file(key, "name an SSH key, e.g. ~/.ssh/id_ed25519")
    signed = ssh_keygen("sign", "-f", str(key), signed=audit / SUMS)
    if signed.returncode:
        raise InputError(f"{key}: cannot sign ({' '.join(signed.stderr.split())}); choose another key")
    atomic_text(audit / SIGNATURE, signed.stdout)


def signer_of_sums(audit: Path, signers: Path) -> str | None:
    """Who of the allowed signers signed SHA256SUMS as it is; None where nobody of them did."""
    existing_file(signers, "write it as ssh-keygen(1) says under ALLOWED SIGNERS")
    given = ("-s", str(audit / SIGNATURE), "-f", str(signers))
    principals = ssh_keygen("find-principals", *given, signed=audit / SUMS)
    for principal in principals.stdout.splitlines() if principals.returncode == 0 else ():
        if ssh_keygen("verify", *given, "-I", principal, signed=audit / SUMS).returncode == 0:
            return principal
    return None


def ssh_keygen(action: str, *arguments: str, signed: Path) -> subprocess.CompletedProcess:
    """`ssh-keygen -Y ACTION` on a file, which it reads from its standard input."""
    if not shutil.which("ssh-keygen"):
        raise InputError("ssh-keygen is not installed; install OpenSSH 8.2 or newer, or leave --sign and --signers out")
    with open(signed, "rb") as content:
        return subprocess.run(
            ["ssh-keygen", "-Y", action, "-n", NAMESPACE, *arguments],
            stdin=content,
            capture_output=True,
            text=True,
            check=False,
        )
