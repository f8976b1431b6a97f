"""A temporary folder for a notebook, and a switch for the size of its data."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TypeVar

from exzarr.errors import ArgumentError

__all__ = ["SIZE", "Workspace", "full_size", "size"]

T = TypeVar("T")

SIZE = "EXZARR_GALLERY_SIZE"
"""Environment variable for the size of the notebooks' data: ``small`` (the default) or ``full``."""


class Workspace:
    """A temporary folder that is removed with this object, or at the latest when Python exits.

    >>> work = Workspace("tour")
    >>> (work / "notes.txt").write_text("something")
    9
    >>> work.bytes_on_disk()
    9
    """

    __slots__ = ("__weakref__", "_remove", "path")

    path: Path

    def __init__(self, name: str = "notebook") -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"exzarr-{name}-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    def close(self) -> None:
        """Remove the folder now."""
        self._remove()

    def files(self, below: str = ".") -> list[Path]:
        """Return the sorted paths of all files in the folder `below`, relative to it."""
        root = self.path / below
        return sorted([path.relative_to(root) for path in root.rglob("*") if path.is_file()])

    def bytes_on_disk(self, below: str = ".") -> int:
        """Return the bytes of all files in the folder `below`, or of the file with that name."""
        root = self.path / below
        if root.is_file():
            return root.stat().st_size
        return sum([path.stat().st_size for path in root.rglob("*") if path.is_file()])


def full_size() -> bool:
    """Return whether notebooks use realistic sizes instead of those of a quick run."""
    wanted = os.environ.get(SIZE, "small") or "small"
    if wanted not in ("small", "full"):
        raise ArgumentError(f"the environment variable {SIZE} is {wanted!r}: set it to 'small' or 'full'")
    return wanted == "full"


def size(small: T, full: T) -> T:
    """Return `full` if the environment has ``EXZARR_GALLERY_SIZE=full``, else `small`."""
    return full if full_size() else small
