"""What an interrupted `Array.write_stream` had written: a file that the next run reads.

The file is text, one JSON value a line. The first says which array it is of; each of the others is the region
of one item that was written, ``[[0, 10], [20, 30]]``. A line is added when the item is in the store, so that
after a crash at most a few items are written twice, and none is left out. A last line that a crash cut off does not
count. An item is known by its region: where several items have the same, as many of them are left out
as lines say so.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from exzarr._stream.chunks.grid import Region
from exzarr.errors import ArgumentError, StoreError

__all__ = ["Checkpoint"]

Bounds = tuple[tuple[int, int], ...]


class Checkpoint:
    """The file at `path`, made if it is not there.

    Parameters
    ----------
    path
        Where it is.
    array, dtype
        What it is of: path of the array in its store, and its data type. ArgumentError where the file says
        something else.
    """

    def __init__(self, path: str | os.PathLike[str], array: str, dtype: str) -> None:
        self.path = Path(path)
        header = {"exzarr": "write_stream", "version": 1, "array": array, "dtype": dtype}
        self._left: Counter[Bounds] = Counter()
        try:
            text = self.path.read_bytes() if self.path.exists() else b""
            whole = text[: text.rfind(b"\n") + 1]
            if whole:
                self._load(whole.decode().splitlines(), header)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            self._file.truncate(len(whole))
            if not whole:
                self._add(header)
        except OSError as error:
            raise StoreError(
                f"cannot use the checkpoint {str(self.path)!r}: {error.strerror or error}"
            ) from error

    def _load(self, lines: list[str], header: dict[str, Any]) -> None:
        try:
            found, *rest = [json.loads(line) for line in lines]
            if not isinstance(found, dict) or found.get("exzarr") != "write_stream":
                raise ValueError("its first line is not that of a checkpoint")
            self._left.update([tuple([(int(start), int(stop)) for start, stop in region]) for region in rest])
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"{str(self.path)!r} is no checkpoint of write_stream: {error}") from error
        if found != header:
            raise ArgumentError(
                f"the checkpoint {str(self.path)!r} is of array {found.get('array')!r} ({found.get('dtype')}), "
                f"not of {header['array']!r} ({header['dtype']}): give each array a file of its own"
            )

    def __contains__(self, region: Region) -> bool:
        """Whether an item of this region was written by an earlier run, and was not met in this one."""
        return self._left[_bounds(region)] > 0

    def leave_out(self, region: Region) -> bool:
        """Whether to leave out the next item of this region; asked once for each item."""
        bounds = _bounds(region)
        if not self._left[bounds]:
            return False
        self._left[bounds] -= 1
        return True

    def add(self, region: Region) -> None:
        """An item is in the store."""
        self._add(_bounds(region))

    def _add(self, value: Any) -> None:
        self._file.write(json.dumps(value).encode() + b"\n")

    def close(self) -> None:
        self._file.close()


def _bounds(region: Region) -> Bounds:
    return tuple([(part.start, part.stop) for part in region])
