"""Files and folders that appear whole or not at all.

Invariant: a reader sees the old content, or the new content, or nothing; never a part. Writing goes to
a temporary name in the same folder (same file system), is flushed to disk, and is renamed.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError

# A file's name has 255 characters at most; paths that people type are rarely longer.
LONGEST_SHOWN = 255


def temporary_sibling(path: Path) -> Path:
    """A name beside `path` that no reader looks for; one per process, so that writers never collide."""
    return path.with_name(f"{path.name}.tmp-{os.getpid()}")


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it is synced and renamed to `path`."""
    path = Path(path)
    refuse_other_places(path)
    temporary = temporary_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync_to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); free the space or choose another place"
        ) from error
    finally:
        # Where the folder cannot even be made, there is nothing to remove: the error above is the one to tell.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def refuse_other_places(path: Path) -> None:
    """One line where `path` is no name for a file, or a device or pipe, which a rename would destroy."""
    if not path.name:
        raise InputError(f"'{path}' names no file to write; give the output a name")
    special = path.exists() and not path.is_file() and not path.is_dir()
    if special or path.absolute().parent == Path("/dev"):
        raise InputError(f"{path}: is a device or a pipe, which a whole file cannot replace; give another name")


def atomic_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8, LF) to `path`, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it replaces `path` (an older folder there is removed)."""
    path = Path(path)
    temporary = temporary_sibling(path)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync_to_disk(file)
        replace_folder(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); free the space or choose another place"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what stood there is removed only after it has moved out of the way."""
    if path.exists():
        old = path.with_name(f"{path.name}.tmp-old-{os.getpid()}")
        os.replace(path, old)
        os.replace(new, path)
        shutil.rmtree(old)
    else:
        os.replace(new, path)


def sync_to_disk(path: Path) -> None:
    """fsync one file, so that a rename that survives a power cut names complete bytes."""
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def is_there(path: str | Path) -> bool:
    """Whether a file or folder is there; False for what can be no path, such as a text that is too long for one."""
    try:
        return Path(path).exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def is_file(path: str | Path) -> bool:
    """Whether a file is there; False likewise."""
    return is_there(path) and Path(path).is_file()


def shown_path(path: str | Path) -> str:
    """A path for a message, its beginning where it is a whole text."""
    text = str(path)
    return text if len(text) <= LONGEST_SHOWN and "\n" not in text else f"{' '.join(text.split())[:60]}..."


def existing_file(path: str | Path, cure: str) -> Path:
    """`path` as a Path, or one line that says it is absent and what to do."""
    if not is_file(path):
        raise InputError(f"{shown_path(path)}: no such file; {cure}")
    return Path(path)


def existing_folder(path: str | Path, cure: str) -> Path:
    """`path` as a Path, or one line that says it is absent and what to do."""
    if not (is_there(path) and Path(path).is_dir()):
        raise InputError(f"{shown_path(path)}: no such folder; {cure}")
    return Path(path)
