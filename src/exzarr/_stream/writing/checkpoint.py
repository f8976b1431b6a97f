"""Checkpoint file of `Array.write_stream`: the items that an interrupted run has written.

The file is text with one JSON value per line. The first line identifies the array. Each other line is the region of
one written item, ``[[0, 10], [20, 30]]``. A line is added after the item is stored. A crash therefore causes at most a
few items to be written twice, and none to be left out. A last line that a crash cut off is ignored. An item is
identified by its region: if several items have the same region, as many are left out as the file has lines for it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exzarr._stream.chunks.grid import Region
from exzarr.errors import ArgumentError, StoreError

__all__ = ["Checkpoint"]

Bounds = tuple[tuple[int, int], ...]


class Checkpoint:
    """The checkpoint file at `path`, created if missing.

    Parameters
    ----------
    path
        Path of the file.
    array, dtype
        Path of the array in its store, and its data type. Raise ArgumentError if the file belongs to another array.
    kind
        The function that the file is for.
    identity
        More JSON members that the file must agree with.

    Attributes
    ----------
    started
        True if the file exists, of an earlier run.
    empty
        True if no earlier run has written an item.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        array: str,
        dtype: str,
        *,
        kind: str = "write_stream",
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self._kind = kind
        header = {"exzarr": kind, "version": 1, "array": array, "dtype": dtype, **(identity or {})}
        self._left: Counter[Bounds] = Counter()
        try:
            text = self.path.read_bytes() if self.path.exists() else b""
            whole = text[: text.rfind(b"\n") + 1]
            if whole:
                self._load(whole.decode().splitlines(), header)
            self.started, self.empty = bool(whole), not self._left
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
            if not isinstance(found, dict) or found.get("exzarr") != self._kind:
                raise ValueError("its first line is not that of a checkpoint")
            self._left.update([tuple([(int(start), int(stop)) for start, stop in region]) for region in rest])
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"{str(self.path)!r} is not a checkpoint of {self._kind}: {error}") from error
        if found != header and (found["array"], found["dtype"]) == (header["array"], header["dtype"]):
            changed = sorted(name for name in header if found.get(name) != header[name])
            raise ArgumentError(
                f"the checkpoint {str(self.path)!r} is of a run with other {', '.join(changed)}: repeat that call, or "
                "remove the file to begin again"
            )
        if found != header:
            raise ArgumentError(
                f"the checkpoint {str(self.path)!r} is of array {found.get('array')!r} ({found.get('dtype')}), "
                f"not of {header['array']!r} ({header['dtype']}): give each array its own file"
            )

    def __contains__(self, region: Region) -> bool:
        """Return True if an earlier run wrote an item of this region that this run has not left out yet."""
        return self._left[_bounds(region)] > 0

    def leave_out(self, region: Region) -> bool:
        """Return True to leave out the next item of this region. Call this once for each item."""
        bounds = _bounds(region)
        if not self._left[bounds]:
            return False
        self._left[bounds] -= 1
        return True

    def add(self, region: Region) -> None:
        """Record an item that is in the store."""
        self._add(_bounds(region))

    def _add(self, value: Any) -> None:
        self._file.write(json.dumps(value).encode() + b"\n")

    def close(self) -> None:
        self._file.close()


def _bounds(region: Region) -> Bounds:
    return tuple([(part.start, part.stop) for part in region])
