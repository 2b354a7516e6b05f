"""Predictions that survive a kill: one JSON line per sample, appended, and renamed when complete.

out: predictions.jsonl = a header line (what answered what) and one line per sample, in the samples' order;
     until the last one is there, the same lines in predictions.jsonl.partial;
     a second name of the complete file, predictions.jsonl.kept, for a workflow that deletes the first one
invariant: an interrupted and resumed run leaves the same bytes as an uninterrupted one. A last line that a
kill has cut is dropped; a partial file of another model, other samples or other code is started over. A complete
file is never opened for writing again, and is taken as it is wherever the same answers are asked for.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from contracts.errors import InputError
from contracts.files import existing_file, temporary_sibling
from contracts.fingerprint import canonical_json
from eval.building.samples import SampleSet, numbered_json_lines, read_json_lines


class PredictionLog:
    """An append-only file of predictions; `done` of `identities` are in it already."""

    def __init__(self, handle: BinaryIO | None, done: int) -> None:
        self.handle = handle
        self.done = done

    def append(self, prediction: dict) -> None:
        """Add one prediction and hand it to the disk."""
        self.handle.write(encode_line(prediction))
        self.handle.flush()
        os.fsync(self.handle.fileno())
        self.done += 1


def encode_line(value: dict) -> bytes:
    """One JSON line, newline included."""
    return canonical_json(value).encode() + b"\n"


def beside(output: str | Path, ending: str) -> Path:
    """A file that goes with a predictions file: predictions.jsonl.partial, predictions.jsonl.kept."""
    output = Path(output)
    return output.with_name(f"{output.name}.{ending}")


@contextlib.contextmanager
def prediction_log(
    output: str | Path, header: dict, identities: list[str], *, wait: bool = False, named: bool = True
) -> Iterator[PredictionLog]:
    """The log for `output`, opened where an earlier run under the same header stopped.

    With a line for every identity, `output` is made of it; not where `named` is False, which leaves that to a later
    call. InputError where another process is writing it, unless the caller can `wait`.
    """
    if not is_complete(output, header, identities):
        with locked_partial(output, wait) as handle:
            if is_complete(output, header, identities):
                beside(output, "partial").unlink()
            else:
                log = PredictionLog(handle, resume_point(handle, header, identities))
                yield log
                if log.done == len(identities):
                    os.replace(beside(output, "partial"), beside(output, "kept"))
                    if named:
                        publish(output)
                return
    yield PredictionLog(None, len(identities))
    if named:
        publish(output)


@contextlib.contextmanager
def locked_partial(output: str | Path, wait: bool) -> Iterator[BinaryIO]:
    """The file that grows, for this process alone."""
    partial = beside(output, "partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(partial, "ab+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"{partial}: another process is writing it; wait for that one to end") from None
            # While this process waited, the other may have finished, and the file have got its final name.
            if partial.exists() and os.path.samestat(os.fstat(handle.fileno()), partial.stat()):
                yield handle
                return


def is_complete(output: str | Path, header: dict, identities: list[str]) -> bool:
    """Whether an earlier run has kept these very answers."""
    kept = beside(output, "kept")
    if not kept.is_file():
        return False
    with open(kept, "rb") as handle:
        if handle.readline() != encode_line(header):
            return False
        lines = handle.readlines()
    return len(lines) == len(identities) and all(is_prediction(line, identities, i) for i, line in enumerate(lines))


def publish(output: str | Path) -> None:
    """Give the kept file its name `output`, with the time of now; a copy where the file system has no second names."""
    kept = beside(output, "kept")
    temporary = temporary_sibling(Path(output))
    try:
        os.link(kept, temporary)
    except OSError:
        shutil.copyfile(kept, temporary)
    os.utime(temporary)
    os.replace(temporary, output)
    # Where `output` was a name of the kept file already, renaming another name of it to that one does nothing.
    temporary.unlink(missing_ok=True)


def resume_point(handle: BinaryIO, header: dict, identities: list[str]) -> int:
    """Cut the file after its last whole, expected line; the number of predictions that remain in it."""
    handle.seek(0)
    kept, expected = 0, [encode_line(header)]
    for position, line in enumerate(handle):
        fits = line == expected[0] if position == 0 else is_prediction(line, identities, position - 1)
        if not fits:
            break
        kept = position + 1
    if kept == 0 and handle.seek(0, os.SEEK_END):
        print(f"{handle.name}: belongs to another run or is broken; starting over", file=sys.stderr)
    cut_after(handle, kept)
    if kept == 0:
        handle.write(expected[0])
    return max(kept - 1, 0)


def is_prediction(line: bytes, identities: list[str], index: int) -> bool:
    """Whether `line` is the whole prediction for sample `index`."""
    if not line.endswith(b"\n") or index >= len(identities):
        return False
    try:
        return json.loads(line).get("id") == identities[index]
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        return False


def cut_after(handle: BinaryIO, lines: int) -> None:
    """Truncate to the first `lines` lines and stand at the end."""
    handle.seek(0)
    length = sum(len(handle.readline()) for _ in range(lines))
    handle.truncate(length)
    handle.seek(length)


def read_predictions(path: str | Path, samples: SampleSet) -> tuple[dict, list[dict]]:
    """(header, one prediction per sample in order); InputError where they answer other samples."""
    lines = read_json_lines(existing_file(path, "run `python -m eval generate` for it"))
    if not lines or "samples_sha256" not in lines[0]:
        raise InputError(f"{path}: has no header line; run `python -m eval generate` again")
    header, rows = lines[0], lines[1:]
    if header["samples_sha256"] != samples.digest:
        raise InputError(f"{path}: answers other samples than {samples.path}; run `python -m eval generate` again")
    check_identities(path, rows, samples)
    return header, rows


def answered_lines(path: str | Path) -> list[dict]:
    """Predictions that carry their answers, from anywhere: a line each with a text `prediction` and a list `answers`.

    LongBench's own files call the text `pred`. A header line of `generate` and empty lines are passed over; a line
    without an `id` gets its number as one. InputError names the first line that lacks something.
    """
    path = existing_file(path, "give a file of predictions")
    rows = [
        checked_line(path, number, under_its_name(line))
        for number, line in numbered_json_lines(path)
        if not (number == 1 and isinstance(line, dict) and "samples_sha256" in line)
    ]
    if not rows:
        raise InputError(f"{path}: holds no prediction; write one JSON object a line")
    return rows


def checked_line(path: Path, number: int, line: object) -> dict:
    """A prediction with an id; InputError where it lacks its text or its answers."""
    if not isinstance(line, dict) or not isinstance(line.get("prediction"), str):
        raise InputError(f"{path} line {number}: has no text 'prediction'; write one JSON object a line")
    if not isinstance(line.get("answers"), list) or not all(isinstance(text, str) for text in line["answers"]):
        raise InputError(f"{path} line {number}: 'answers' must be a list of texts; add the expected answers")
    return {"id": number, **line}


def under_its_name(line: object) -> object:
    """The line with its text under `prediction`, where it was under `pred`."""
    if isinstance(line, dict) and "pred" in line and "prediction" not in line:
        return {**line, "prediction": line["pred"]}
    return line


def check_identities(path: str | Path, rows: list[dict], samples: SampleSet) -> None:
    """InputError unless `rows` answer exactly the samples, in their order."""
    given, expected = [row.get("id") for row in rows], [row["id"] for row in samples.rows]
    if given != expected:
        matching = sum(a == b for a, b in zip(given, expected, strict=False))
        raise InputError(
            f"{path}: {matching} of {len(expected)} predictions fit {samples.path}; make the predictions again from it"
        )
