"""Write the small benchmark files that config/eval_small.yaml reads.

in : a book of this repository      out: resources/benchmarks/, the same bytes every time
Run: python -m tests.published
"""

from pathlib import Path

from tests.published.babi import write_babi
from tests.published.helmet import write_helmet
from tests.published.longbench import write_longbench
from tests.published.questions import write_govreport, write_nq, write_qasper, write_quality
from tests.published.ruler import write_ruler

REPOSITORY = Path(__file__).resolve().parents[2]
BOOK = REPOSITORY / "resources/pg19/test/860.txt"
FOLDER = REPOSITORY / "resources/benchmarks"


def write_all(folder: Path) -> None:
    """Every benchmark's files below `folder`."""
    text = BOOK.read_bytes().decode().replace("\r\n", "\n")
    write_babi(folder / "babi")
    write_helmet(folder / "helmet", text)
    write_ruler(folder / "ruler", text)
    write_longbench(folder / "longbench", text)
    write_quality(folder / "quality.jsonl", text)
    write_qasper(folder / "qasper.json", text)
    write_nq(folder / "nq.jsonl", text)
    write_govreport(folder / "govreport.jsonl", text)


if __name__ == "__main__":
    write_all(FOLDER)
