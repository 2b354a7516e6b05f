"""Download one file whose hash is known.

in : --url, --sha256      out: the file at --output, whole and with this hash, or nothing
Invariants: a download that breaks off goes on where it stopped (HTTP Range), in this run or the next one, from
OUTPUT.partial; bytes of another hash are never given the name. A file that is there with this hash is left alone.
Run: python -m data_prep fetch --url https://example.org/a.jsonl --sha256 9f86d0... --output data/a.jsonl
"""

import argparse
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from contracts.command_line import positive_int
from contracts.errors import InputError
from contracts.files import sync_to_disk
from contracts.fingerprint import sha256_file

BLOCK = 1 << 20
TIMEOUT_SECONDS = 20
# Only what may pass by itself is tried again; a wrong address is not.
LASTING_ERRORS = (400, 401, 403, 404, 405, 410)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", required=True, help="address of the file (http or https)")
    add("--sha256", required=True, metavar="HEX", help="hash that the file must have")
    add("--output", type=Path, required=True, metavar="FILE", help="where to put it")
    add("--tries", type=positive_int, default=10, metavar="N", help="connections without progress before giving up")
    add("--wait", type=float, default=1.0, metavar="SECONDS", help="pause before the second try; it doubles each time")


def run(arguments: argparse.Namespace) -> None:
    output, wanted = arguments.output, arguments.sha256.lower()
    # A hash that is none would show only after the download, which would then be thrown away.
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise InputError(f"--sha256 {wanted}: not 64 hexadecimal digits; copy the hash of the file")
    if not arguments.url.startswith(("http://", "https://")):
        raise InputError(f"{arguments.url}: not an http or https address; correct it")
    if output.is_dir():
        raise InputError(f"{output}: a folder; name the file to write")
    if output.is_file() and sha256_file(output) == wanted:
        print(f"{output}: already here")
        return
    partial = output.with_name(f"{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        download(arguments.url, partial, arguments.tries, arguments.wait)
        digest = sha256_file(partial)
        if digest != wanted:
            partial.unlink()
            cure = "correct the hash or the address"
            raise InputError(f"{arguments.url}: sha256 is {digest}, not {wanted}; nothing was kept; {cure}")
        sync_to_disk(partial)
        os.replace(partial, output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror or error}); choose another place") from error
    print(f"{output}: {output.stat().st_size} bytes")


def download(url: str, partial: Path, tries: int, wait: float) -> None:
    """Append to `partial` until the server says that it is whole; InputError when it makes no headway."""
    failures = 0
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            if append(url, partial, before):
                return
            reason = "the connection broke off"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            refuse_lasting(url, error)
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        headway = partial.is_file() and partial.stat().st_size > before
        failures = 0 if headway else failures + 1
        if failures >= tries:
            raise InputError(
                f"{url}: {reason}, {tries} times in a row; run it again later: it goes on where it stopped"
            )
        pause = 0 if headway else wait * 2 ** min(failures - 1, 6)
        next_try = "going on" if headway else f"try {failures + 1} of {tries} in {pause:g} s"
        print(f"{url}: {reason}; {next_try}", file=sys.stderr, flush=True)
        time.sleep(pause)


def refuse_lasting(url: str, error: Exception) -> None:
    """InputError for what another try would not change."""
    if isinstance(error, urllib.error.HTTPError) and error.code in LASTING_ERRORS:
        raise InputError(f"{url}: the server says {error.code} {error.reason}; correct the address") from None


def append(url: str, partial: Path, begin: int) -> bool:
    """Read from byte `begin` on; whether the file is whole now. A server without ranges starts over."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # nothing is left to read; the hash will tell whether it is right
        raise
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        length = answer.headers.get("Content-Length")
        with open(partial, "ab" if resumed else "wb") as out:
            received = copy(answer, out, int(length) if length else None)
    return length is None or received == int(length)


def copy(answer: http.client.HTTPResponse, out: object, total: int | None) -> int:
    """Write what comes until the connection ends; the bytes written."""
    received = 0
    with tqdm(total=total, unit="B", unit_scale=True, desc="fetching", disable=None) as bar:
        while True:
            try:
                block = answer.read(BLOCK)
            except http.client.IncompleteRead as error:
                out.write(error.partial)
                raise ConnectionError("the connection broke off") from error
            if not block:
                return received
            out.write(block)
            received += len(block)
            bar.update(len(block))
