"""Attributes of an array or group: a mapping that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from exzarr.errors import ArgumentError, MetadataError
from exzarr.format import json_text
from exzarr.format.metadata import ArrayMetadata, GroupMetadata

__all__ = ["Attributes", "as_stored", "change"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


class Attributes(MutableMapping[str, Any]):
    """The attributes of one node, as a mutable mapping whose changes are stored at once.

    `update` and `put` store several changes in one write. What others have stored meanwhile stays: each
    change is made to the attributes as they are then. A nested list or dict that is changed in place is
    not noticed: assign it again.
    """

    __slots__ = ("_change", "_read")

    def __init__(
        self,
        read: Callable[[], Mapping[str, Any]],
        change: Callable[[Callable[[dict[str, Any]], None]], None],
    ) -> None:
        self._read = read
        self._change = change

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._read()])

    def __len__(self) -> int:
        return len(self._read())

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    def __setitem__(self, key: str, value: Any) -> None:
        self._change(lambda stored: stored.__setitem__(key, value))

    def __delitem__(self, key: str) -> None:
        self[key]  # KeyError before anything is written
        self._change(lambda stored: stored.__delitem__(key))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add or replace several attributes in one write."""
        changes = dict(*args, **kwargs)
        self._change(lambda stored: stored.update(changes))

    def put(self, attributes: Mapping[str, Any]) -> None:
        """Replace all attributes in one write."""

        def replace(stored: dict[str, Any]) -> None:
            stored.clear()
            stored.update(attributes)

        self._change(replace)

    def asdict(self) -> dict[str, Any]:
        """A copy as a plain dict."""
        return dict(self._read())

    def __repr__(self) -> str:
        return repr(self.asdict())


def as_stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` as they will be read back: what JSON has no word for is turned into what it has.

    ArgumentError where something in them is no JSON.
    """
    try:
        return json_text.decode(json_text.encode(dict(attributes), indent=None), "attributes")
    except MetadataError as error:  # 1 and "1" are one key in JSON
        raise ArgumentError(str(error)) from error


def change(meta: M, change: Callable[[dict[str, Any]], None]) -> M:
    """`meta` with its attributes changed."""
    changed = dict(meta.attributes)
    change(changed)
    return meta.with_(attributes=as_stored(changed))
