"""An Arrow IPC file as a memory map whose pages can be given back.

in : the path of an uncompressed Arrow IPC file      out: MappedArrow: the reader, and release()
Invariant: nothing is read or copied until it is looked at; after release() the views are valid and read the file again.
A walk over a corpus of any size that releases now and then stays as small as what it looks at.
"""

import mmap
from pathlib import Path

import pyarrow as pa


class MappedArrow:
    """One mapped file; raises pa.ArrowInvalid or OSError where it is no whole Arrow file."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as handle:
            try:
                self.map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise pa.ArrowInvalid("empty file") from None
        self.reader = pa.ipc.open_file(pa.py_buffer(self.map))

    def release(self) -> None:
        """Give the pages read so far back to the system."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)
