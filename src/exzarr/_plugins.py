"""Extension points: what other packages add to exzarr, found by name.

A package declares an entry point of a group, for example ``exzarr.codecs``; a program registers an object itself.
Entry points are scanned only for names that exzarr does not have. An object is imported only when its name is asked
for. Metadata documents choose among the installed names; they cannot name a module.

https://packaging.python.org/en/latest/specifications/entry-points/; Zarr v3 core, "Extension points",
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#extension-points
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from exzarr.errors import ArgumentError, ExzarrError, MetadataError, PluginError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Declared", "ExtensionPoint", "configured", "declared", "groups"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declared:
    """An entry point of an installed package.

    Attributes
    ----------
    group, name
        The group, and the name in it.
    value
        What it refers to: ``"package.module:Object"``.
    package, version
        The distribution that declares it.
    """

    group: str
    name: str
    value: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.value})"

    def load(self) -> Any:
        """Import the object; raise PluginError, which names the package and the reason, if that fails."""
        known = _loaded.get(self)
        if known is None:
            from importlib.metadata import EntryPoint

            try:
                known = EntryPoint(self.name, self.value, self.group).load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an import runs any code of the package
                known = _Failure(f"{type(error).__name__}: {error}")
            _loaded[self] = known
        if isinstance(known, _Failure):
            raise PluginError(
                f"the package {self.package} {self.version} provides {self.name!r} ({self.group}), but importing "
                f"{self.value} failed: {known.reason}. Repair or update the package: pip install -U {self.package}"
            )
        return known


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str


_GROUPS = ("exzarr.", "zarr.codecs")
"""What the names of the groups start with; a scan reads no others."""

_Scan = dict[str, tuple[Declared, ...]]
_scanned: tuple[object, _Scan] | None = None
_loaded: dict[Declared, Any] = {}
"""Imported objects, and failures, which count until the installed packages change."""


def declared(group: str) -> tuple[Declared, ...]:
    """Return the entry points of a group, in the order of their names. Import nothing."""
    return _scan().get(group, ())


def groups(prefix: str) -> list[str]:
    """Return the groups that start with `prefix`, sorted."""
    return sorted(group for group in _scan() if group.startswith(prefix))


def _scan() -> _Scan:
    """Return the entry points of the groups in `_GROUPS`. Scan again only if the folders of installed packages changed."""
    global _scanned
    now = _state_of_path()
    if _scanned is None or _scanned[0] != now:
        found: dict[str, dict[Declared, None]] = {}
        for point in _installed():
            package: Any = point.dist
            name, version = ("?", "?") if package is None else (package.name, package.version)
            made = Declared(point.group, point.name, point.value, name, version)
            found.setdefault(point.group, {})[made] = None
        _scanned = (
            now,
            {
                group: tuple(sorted(points, key=lambda point: (point.name, point.package, point.value)))
                for group, points in found.items()
            },
        )
        for one, result in [*_loaded.items()]:
            if isinstance(result, _Failure):
                _loaded.pop(one, None)
    return _scanned[1]


def _installed() -> Iterator[EntryPoint]:
    from importlib.metadata import entry_points

    points = entry_points()
    for group in points.groups:
        if group.startswith(_GROUPS):
            yield from points.select(group=group)


def _state_of_path() -> object:
    """Return a value that changes when a package is installed or removed."""
    import os
    import sys

    state: list[tuple[str, int]] = []
    for folder in sys.path:
        try:
            state.append((folder, os.stat(folder or ".").st_mtime_ns))  # noqa: PTH116 - once per folder
        except OSError:
            state.append((folder, 0))
    return state


class ExtensionPoint(Generic[T]):
    """One kind of extension: its names, and the objects that implement them.

    Parameters
    ----------
    what
        What it is called in messages: ``"codec"``.
    group
        The group of entry points.
    check
        ``check(name, object)`` returns the extension; it raises ArgumentError if the object cannot be one.
    own
        Returns exzarr's own names. They come first: an entry point cannot replace them.
    replaceable
        True if a program may replace exzarr's own names by `register`.
    """

    def __init__(
        self,
        what: str,
        group: str,
        check: Callable[[str, Any], T],
        own: Callable[[], Collection[str]],
        *,
        replaceable: bool = False,
    ) -> None:
        self.what = what
        self.group = group
        self.own = own
        self.registered: dict[str, T] = {}
        self.generation = 0
        self._check = check
        self._replaceable = replaceable

    def register(self, name: str, extension: Any) -> None:
        """Use `extension` for `name` in this process. It replaces what was registered or installed with this name."""
        if not isinstance(name, str) or not name:
            raise ArgumentError(f"the name of a {self.what} is a non-empty string, not {name!r}")
        if not self._replaceable and name in self.own():
            raise ArgumentError(f"{self.what} {name!r} is part of exzarr and cannot be replaced")
        self.registered[name] = self._check(name, extension)
        self.generation += 1

    def find(self, name: str) -> T | None:
        """Return the extension `name`, or None if no program or installed package provides it.

        Raises
        ------
        PluginError
            The package's object cannot be imported or used, or two packages declare the name.
        """
        known = self.registered.get(name)
        if known is not None:
            return known
        points = self.installed(name)
        if not points:
            return None
        if len(points) > 1:
            raise PluginError(
                f"{self.what} {name!r} is provided by several packages: {'; '.join(map(str, points))}. Uninstall all "
                f"but one, or choose in the program: exzarr.registry.register_{self.what.replace(' ', '_')}"
                f"({name!r}, ...)"
            )
        return self.checked(points[0])

    def checked(self, point: Declared) -> T:
        """Import the object of an entry point, and check that it can be used."""
        loaded = point.load()
        try:
            return self._check(point.name, loaded)
        except ArgumentError as error:
            raise PluginError(f"the package {point.package} {point.version}: {error}") from error

    def installed(self, name: str) -> list[Declared]:
        """Return the entry points with this name; entry points that refer to one object count once."""
        found = {point.value: point for point in declared(self.group) if point.name == name}
        return [*found.values()]

    def names(self) -> list[str]:
        """Return the names that programs registered and packages declare, sorted. Import nothing."""
        return sorted({*self.registered, *(point.name for point in declared(self.group))})


def configured(what: str, name: str, call: Callable[..., T], *args: Any) -> T:
    """Return ``call(*args)``, a function of an extension. Its errors other than exzarr's become MetadataError."""
    try:
        return call(*args)
    except ExzarrError:
        raise
    except Exception as error:  # another package's code, given values from a document
        raise MetadataError(
            f"{what} {name!r}: {getattr(call, '__name__', 'it')} failed: {type(error).__name__}: {error}"
        ) from error
