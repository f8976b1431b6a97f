"""All groups and data sets of an HDF5 file, by every name: hard, soft and external links are followed.

What HDF5 would follow by itself is followed here, step by step, because a file is not trusted: an external link opens
no file outside the folder of the first one, and links that lead in circles end.
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
"""Links that are followed for one name."""
_DEPTH = 500
"""Groups within groups."""
_SECOND_NAMES = 100_000
"""Nodes that may be reached by more than one name: links of links multiply."""
_FILES = 1000
"""Files that external links may open."""

Identity = tuple[str, int]
"""A file, and the address of an object's header in it."""


class DanglingError(UnreferencedError):
    """A link that leads to nothing: nothing is lost without it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A group, a data set or a named type.

    Attributes
    ----------
    path
        The name it was found by.
    item
        What h5py has of it.
    place
        The file it is in.
    identity
        The same for all names of one object.
    """

    path: str
    item: Any
    place: Place
    identity: Identity


Report = Callable[[str, str, Exception], None]
"""Gets a kind, a path and a reason: the caller raises or records it."""


class Links:
    """Walks a file. Files that external links lead to are opened, and closed with this object."""

    def __init__(self, h5py: ModuleType, file: Any, place: Place) -> None:
        self._h5py = h5py
        self._first = place
        self._opened: dict[str, tuple[Any, Place]] = {place.target: (file, place)}
        self._stack = ExitStack()

    def close(self) -> None:
        """Close the files that external links have opened."""
        self._stack.close()

    def walk(self, excluded: Callable[[str], bool], report: Report) -> Iterator[Found]:
        """Groups before what is in them, the root first; names in their order in the file."""
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
                        raise DanglingError(f"it leads back to the group {'/' + loop!r} that it is in")
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
        """What all names of an object have in common."""
        return place.target, int(self._h5py.h5o.get_info(item.id).addr)

    def _follow(self, group: Any, place: Place, name: str, hops: int) -> tuple[Any, Place]:
        """What is called `name` in a group. DanglingError where that is nothing."""
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
        """What a path leads to."""
        item = group.file["/"] if path.startswith("/") else group
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if hops <= 0:
                raise DanglingError(f"links lead to links more than {_HOPS} times, or in a circle")
            if not isinstance(item, self._h5py.Group):
                raise DanglingError(f"it leads to {path!r}, and {item.name!r} is not a group")
            hops -= 1
            item, place = self._follow(item, place, part, hops)
        return item, place

    def _external(self, place: Place, filename: str) -> tuple[Any, Place]:
        """The file that an external link names. DanglingError where it is missing, UnreferencedError outside the folder."""
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
                raise UnreferencedError(f"it leads to {filename!r}, which is not HDF5: {error}") from None
        return self._opened[target]

    def _beside(self, place: Place, filename: str) -> str:
        """The path or URL of a file named in `place`."""
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
        # Symbolic links are resolved before it is decided where they lead.
        path = path.resolve()
        if not path.is_relative_to(Path(self._first.folder).resolve()) or not path.is_file():
            raise outside
        return str(path)
