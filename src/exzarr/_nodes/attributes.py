"""Attributes of an array or group, as a mapping that stores its changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, TypeVar

from exzarr._format import json_text
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr.errors import ArgumentError, MetadataError

__all__ = ["Attributes", "as_stored", "change"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


class Attributes(MutableMapping[str, Any]):
    """The attributes of one node, as a mutable mapping that stores each change immediately.

    `update`, `put` and `change` store several changes in one write. Changes by other writers are kept: each change applies to
    the attributes that are stored at that moment. A nested list or dict cannot be changed in place: assign it
    again, ``attrs["l"] = [*attrs["l"], 2]``. `asdict` returns a copy that you may change.
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
        return _held(self._read()[key])

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

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the attribute `key`; store `default` first if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def put(self, attributes: Mapping[str, Any]) -> None:
        """Replace all attributes in one write."""

        def replace(stored: dict[str, Any]) -> None:
            stored.clear()
            stored.update(attributes)

        self._change(replace)

    def change(self, function: Callable[[dict[str, Any]], None]) -> None:
        """Change the attributes by a function, which gets a dict of the stored ones, in one write.

        No change of another writer is lost: if the stored attributes change meanwhile, the function is called again.
        """
        self._change(function)

    def asdict(self) -> dict[str, Any]:
        """Return a copy as a plain dict that contains plain lists and dicts."""
        return {key: _copied(value) for key, value in self._read().items()}

    def __repr__(self) -> str:
        return repr(self.asdict())


def _refuse(self: list[Any] | dict[str, Any], *_: Any, **__: Any) -> NoReturn:
    kind = "list" if isinstance(self, list) else "dict"
    raise ArgumentError(
        f"this {kind} is a stored attribute, and a change in place would not be stored: change a copy, and assign it "
        "(attrs['l'] = [*attrs['l'], 2]; attrs.asdict() copies everything)"
    )


class StoredList(list[Any]):
    """A list in an attribute, which cannot be changed in place."""

    __slots__ = ()
    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = _refuse

    def __iadd__(self, other: Any) -> list[Any]:  # type: ignore[override,misc]
        return [*self, *other]  # attrs["l"] += [2] assigns it

    def __imul__(self, times: Any) -> list[Any]:  # type: ignore[override,misc]
        return [*self] * times

    def __reduce__(self) -> tuple[Any, ...]:
        return list, ([*self],)


class StoredDict(dict[str, Any]):
    """A dict in an attribute, which cannot be changed in place."""

    __slots__ = ()
    pop = popitem = clear = update = setdefault = _refuse
    __setitem__ = __delitem__ = _refuse

    def __ior__(self, other: Any) -> dict[str, Any]:  # type: ignore[override,misc]
        return {**self, **dict(other)}  # attrs["d"] |= {...} assigns it

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({**self},)


def _held(value: Any) -> Any:
    """Return `value` with read-only lists and dicts."""
    return _rebuilt(value, StoredList, StoredDict)


def _copied(value: Any) -> Any:
    return _rebuilt(value, list, dict)


def _rebuilt(value: Any, sequence: type[list[Any]], mapping: type[dict[str, Any]]) -> Any:
    if not isinstance(value, list | dict):
        return value

    def rebuilt(item: Any) -> Any:
        if isinstance(item, list):
            return sequence([rebuilt(member) for member in item])
        if isinstance(item, dict):
            return mapping({key: rebuilt(member) for key, member in item.items()})
        return item

    try:
        return rebuilt(value)
    except RecursionError:
        raise MetadataError("attributes are nested too deeply to be read") from None


def as_stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `attributes` as they will be read back, with NumPy values converted to JSON values.

    Raises ArgumentError if a value has no JSON form.
    """
    try:
        return json_text.decode(json_text.encode(dict(attributes), indent=None), "attributes")
    except MetadataError as error:  # 1 and "1" are one key in JSON
        raise ArgumentError(str(error)) from error


def change(meta: M, change: Callable[[dict[str, Any]], None]) -> M:
    """Return `meta` with its attributes changed by `change`."""
    changed = dict(meta.attributes)
    change(changed)
    return meta.with_(attributes=as_stored(changed))
