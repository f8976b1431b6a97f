"""The checkpoint file of a build: the regions whose blocks an interrupted run has written."""

from __future__ import annotations

import os
from typing import Any

from exzarr._stream.writing.checkpoint import Checkpoint
from exzarr.multiscale.blocks import Region

__all__ = ["BuildRecord"]


class BuildRecord:
    """The checkpoint file at `path`, created if missing.

    Raise ArgumentError if the file belongs to another build: `identity` differs. `started` is True if there was an earlier
    run, and `empty` if no earlier run has written a block.
    """

    def __init__(self, path: str | os.PathLike[str], array: str, identity: dict[str, Any]) -> None:
        self.path = os.fspath(path)
        self._file = Checkpoint(path, array, str(identity["dtype"]), kind="multiscale", identity=identity)
        self.started, self.empty = self._file.started, self._file.empty

    def __contains__(self, region: Region) -> bool:
        return region in self._file

    def add(self, region: Region) -> None:
        """Record a region of the first level whose blocks are written."""
        self._file.add(region)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
