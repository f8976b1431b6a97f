"""Find all groups and data sets of an HDF5 file by every name: hard, soft and external links.

Links are followed here step by step, and not by HDF5, because files are not trusted. External links cannot open files
outside the folder of the first file, and circular links end.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from exzarr._tools.virtual.hdf5_source import source_of
from exzarr._tools.virtual.model import DAMAGE, UnreferencedError
from exzarr._tools.virtual.places import Place
from exzarr.errors import ExzarrError, UnsupportedError
from exzarr.stores.urls import is_url

__all__ = ["DanglingError", "Found", "Links"]

_HOPS = 40
"""Maximum number of links that are followed for one name."""
_DEPTH = 500
"""Maximum nesting of groups."""
_SECOND_NAMES = 100_000
"""Maximum number of second names, because links to links multiply."""
_FILES = 1000
"""Maximum number of files that external links may open."""

Identity = tuple[str, int]
"""A file, and the address of an object's header in it."""


class DanglingError(UnreferencedError):
    """A link to a missing target. No data is lost if it is left out."""


@dataclass(frozen=True, slots=True)
class Found:
    """A group, a data set or a named type.

    Attributes
    ----------
    path
        The name by which it was found.
    item
        The object of h5py.
    place
        Its file.
    identity
        Equal for all names of one object.
    """

    path: str
    item: Any
    place: Place
    identity: Identity


Report = Callable[[str, str, Exception], None]
"""Receives a kind, a path and a reason. Raises or records the problem."""


class Links:
    """Walks a file. Opens the files of external links, and closes them in `close`."""

    def __init__(self, h5py: ModuleType, file: Any, place: Place) -> None:
        self._h5py = h5py
        self._first = place
        self._opened: dict[str, tuple[Any, Place]] = {place.target: (file, place)}
        self._stack = ExitStack()

    def close(self) -> None:
        """Close the files that external links have opened."""
        self._stack.close()

    def walk(self, excluded: Callable[[str], bool], report: Report) -> Iterator[Found]:
        """Yield all objects: the root first, each group before its members, names in the order of the file."""
        file, place = self._opened[self._first.target]
        root = Found("", file["/"], place, self.identity(file["/"], place))
        seen: set[Identity] = set()
        again = 0
        pending: list[tuple[Found, tuple[tuple[Identity, str], ...]]] = [(root, ())]
        while pending:
            found, above = pending.pop()
            yield found
            if not isinstance(found.item, self._h5py.Group):
                continue
            if len(above) >= _DEPTH:
                report("group", found.path, UnreferencedError(f"groups are nested more than {_DEPTH} deep"))
                continue
            above = (*above, (found.identity, found.path))
            try:
                names = [*found.item]
            except DAMAGE as error:
                report("group", found.path, error)
                continue
            below = []
            for name in names:
                path = f"{found.path}/{name}" if found.path else name
                if excluded(path):
                    continue
                try:
                    item, where = self._follow(found.item, found.place, name, _HOPS)
                    identity = self.identity(item, where)
                    loop = next((up for one, up in above if one == identity), None)
                    if loop is not None:
                        raise DanglingError(f"it leads back to the group {'/' + loop!r}, which contains it")
                except (*DAMAGE, UnreferencedError) as error:
                    report("link", path, error)
                    continue
                if identity in seen:
                    again += 1
                    if again > _SECOND_NAMES:
                        raise UnsupportedError(
                            f"{self._first.name}: its links give objects more than {_SECOND_NAMES} second names; "
                            "exclude=[...] leaves groups out"
                        )
                seen.add(identity)
                below.append((Found(path, item, where, identity), above))
            pending += reversed(below)

    def identity(self, item: Any, place: Place) -> Identity:
        """Return the identity of an object, which is equal for all its names."""
        return place.target, int(self._h5py.h5o.get_info(item.id).addr)

    def _follow(self, group: Any, place: Place, name: str, hops: int) -> tuple[Any, Place]:
        """Return the object `name` of a group. Raise DanglingError if it is missing."""
        link = group.get(name, getlink=True)
        if link is None:
            raise DanglingError(f"there is no {name!r} in {group.name!r}")
        if isinstance(link, self._h5py.SoftLink):
            return self._along(group, place, link.path, hops - 1)
        if isinstance(link, self._h5py.ExternalLink):
            file, where = self._external(place, link.filename)
            return self._along(file["/"], where, link.path, hops - 1)
        return group[name], place

    def _along(self, group: Any, place: Place, path: str, hops: int) -> tuple[Any, Place]:
        """Return the object at a path."""
        item = group.file["/"] if path.startswith("/") else group
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if hops <= 0:
                raise DanglingError(f"it is circular, or leads to more than {_HOPS} further links")
            if not isinstance(item, self._h5py.Group):
                raise DanglingError(f"it leads to {path!r}, but {item.name!r} is not a group")
            hops -= 1
            item, place = self._follow(item, place, part, hops)
        return item, place

    def _external(self, place: Place, filename: str) -> tuple[Any, Place]:
        """Open the file of an external link. Raise DanglingError if it is missing, UnreferencedError outside the folder."""
        target = self._beside(place, filename)
        if target not in self._opened:
            if len(self._opened) > _FILES:
                raise UnreferencedError(f"its links lead to more than {_FILES} files")
            key = target[len(self._first.folder) + 1 :].replace(os.sep, "/")
            where = Place(filename, target, self._first.folder, self._first.store, key)
            try:
                self._opened[target] = (
                    self._stack.enter_context(self._h5py.File(source_of(where), "r")),
                    where,
                )
            except FileNotFoundError:
                raise DanglingError(f"it leads to the file {filename!r}, which is missing") from None
            except ExzarrError:
                raise
            except OSError as error:
                raise UnreferencedError(
                    f"it leads to {filename!r}, which is not an HDF5 file: {error}"
                ) from None
        return self._opened[target]

    def _beside(self, place: Place, filename: str) -> str:
        """Return the path or URL of a file that is named in `place`."""
        outside = UnreferencedError(
            f"it leads to {filename!r}, outside the folder of {self._first.name}, and is not followed"
        )
        if is_url(place.target):
            folder, _, _ = place.target.rpartition("/")
            scheme, _, rest = folder.partition("://")
            target = f"{scheme}://{posixpath.normpath(posixpath.join(rest, filename))}"
            if is_url(filename) or not target.startswith(self._first.folder + "/"):
                raise outside
            return target
        path = Path(place.target).parent / filename
        if not path.exists():
            raise DanglingError(f"it leads to the file {filename!r}, which is missing")
        # Resolve symbolic links before checking the folder.
        path = path.resolve()
        if not path.is_relative_to(Path(self._first.folder).resolve()) or not path.is_file():
            raise outside
        return str(path)
