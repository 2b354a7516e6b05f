"""Downloads: resumed where they broke off, refused where the hash is another, against a server that breaks off."""

import hashlib
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
CONTENT = random.Random(0).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT on 127.0.0.1 and breaks off after `limit` bytes of each answer."""

    limit: int | None = None
    ranges = True
    failures = 0  # answers with status 503 before the first good one
    address = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path != "/file":
            self.send_error(404)
            return
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
            return
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        self.wfile.write(CONTENT[begin:][: self.server.limit])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def words(server: Server, output: Path, digest: str = DIGEST, name: str = "file") -> tuple:
    return (
        "fetch",
        "--url",
        f"{server.address}/{name}",
        "--sha256",
        digest,
        "--output",
        output,
        "--wait",
        0,
        "--tries",
        3,
    )


def test_a_file_arrives_whole(data_prep: Callable, server: Server, tmp_path: Path) -> None:
    output = tmp_path / "new" / "file"
    assert data_prep(*words(server, output)).code == 0
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["file"]
    assert "already here" in data_prep(*words(server, output)).out
    assert server.asked == [None]


def test_a_download_that_breaks_off_again_and_again_goes_on_each_time(
    data_prep: Callable, server: Server, tmp_path: Path
) -> None:
    server.limit = 700_000
    assert data_prep(*words(server, tmp_path / "file")).code == 0
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={begin}-" for begin in range(700_000, 3_000_000, 700_000))]


def test_a_later_run_goes_on_where_an_earlier_one_was_ended(
    data_prep: Callable, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:1_000_000])
    assert data_prep(*words(server, tmp_path / "file")).code == 0
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["bytes=1000000-"]


def test_a_server_without_ranges_is_asked_for_all_of_it(data_prep: Callable, server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.partial").write_bytes(b"something else" * 1000)
    assert data_prep(*words(server, tmp_path / "file")).code == 0
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_hash_is_refused_and_nothing_is_kept(
    data_prep: Callable, refused: Callable, server: Server, tmp_path: Path
) -> None:
    outcome = data_prep(*words(server, tmp_path / "file", "0" * 64))
    assert refused(outcome, f"sha256 is {DIGEST}", "nothing was kept", "correct the hash or the address")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_partial_file_is_found_by_its_hash(
    data_prep: Callable, refused: Callable, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file.partial").write_bytes(b"x" * 4_000_000)
    assert refused(data_prep(*words(server, tmp_path / "file")), "nothing was kept")
    assert data_prep(*words(server, tmp_path / "file")).code == 0


def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_told(
    data_prep: Callable, refused: Callable, server: Server, tmp_path: Path
) -> None:
    server.failures = 2
    assert data_prep(*words(server, tmp_path / "file")).code == 0
    server.failures = 99
    *tries, last = data_prep(*words(server, tmp_path / "other")).err.splitlines()
    assert ["Service Unavailable; try" in line for line in tries] == [True, True]
    assert "3 times in a row" in last
    assert "goes on where it stopped" in last
    assert refused(data_prep(*words(server, tmp_path / "other", name="absent")), "404", "correct the address")


def test_no_server_and_no_address_are_told_in_one_line(data_prep: Callable, refused: Callable, tmp_path: Path) -> None:
    common = ("--sha256", DIGEST, "--output", tmp_path / "file", "--wait", 0, "--tries", 2)
    outcome = data_prep("fetch", "--url", "http://127.0.0.1:9/file", *common)
    waiting, last = outcome.err.splitlines()
    assert "refused; try 2 of 2 in 0 s" in waiting
    assert refused(outcome._replace(err=f"{last}\n"), "refused", "run it again later")
    assert refused(data_prep("fetch", "--url", "htp://example.org", *common), "not an http or https address")


def test_a_download_that_was_killed_goes_on_in_the_next_run(
    data_prep: Callable, server: Server, tmp_path: Path
) -> None:
    server.limit = 1_500_000
    server.failures = 0
    slow = [str(word) for word in (*words(server, tmp_path / "file"), "--tries", 1000)]
    process = subprocess.Popen([sys.executable, "-m", "data_prep", *slow], cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    while not server.asked:
        pass
    server.failures = 10**9  # from now on it hangs between tries
    partial = tmp_path / "file.partial"
    while not partial.is_file() or partial.stat().st_size < 1_500_000:
        assert process.poll() is None
    process.kill()
    process.wait()
    server.failures, server.limit = 0, None
    before = len(server.asked)
    assert data_prep(*words(server, tmp_path / "file")).code == 0
    assert server.asked[before:] == ["bytes=1500000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "sha256", "told"),
    [
        ("http://127.0.0.1:9/a", "zz", "--sha256 zz: not 64 hexadecimal digits; copy"),
        ("ftp://example.org/a", DIGEST, "ftp://example.org/a: not an http or https address; correct"),
        ("file:///a", DIGEST, "file:///a: not an http or https address; correct"),
    ],
)
def test_a_hash_or_address_that_is_none_is_told_before_anything_is_fetched(
    data_prep: Callable, refused: Callable, tmp_path: Path, url: str, sha256: str, told: str
) -> None:
    words = ("--url", url, "--sha256", sha256, "--output", tmp_path / "file", "--wait", 0, "--tries", 1)
    assert refused(data_prep("fetch", *words), told)
