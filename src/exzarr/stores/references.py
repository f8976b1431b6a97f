"""Parts of other files as a hierarchy: kerchunk's reference sets.

A reference set says of each key which bytes of which file are its value, or holds them itself. So HDF5 and NetCDF
files are read as Zarr, where they lie. Format: https://fsspec.github.io/kerchunk/spec.html. What it says is not
trusted: it leads to no file that the caller has not allowed.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exzarr.errors import ArgumentError, ReadOnlyError, StoreError, UnsupportedError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    Store,
    check_key,
    check_prefix,
    read_only_error,
    resolve_range,
)
from exzarr.stores.listing import keys_directly_under, keys_under

__all__ = ["ReferenceStore"]

_TEMPLATE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
Reference = bytes | tuple[str, int, int | None]
"""The value itself; or a file, where in it the value begins, and how long it is (None: to its end)."""


class ReferenceStore(Store):
    """A reference set, as a store for reading.

    Parameters
    ----------
    references
        The path of a JSON file, or what stands in one.
    base
        The folder that relative paths begin at. Default: where the JSON file lies.
    allow
        What the references may lead to: folders, and beginnings of URLs (``"s3://bucket/data/"``). Default:
        what lies in `base`. A reference to anything else is an error when it is read.
    stores
        Stores to read URLs with, by their beginning: ``{"s3://bucket": ObjectStore(...)}``. Others are made by
        what the environment says.
    """

    def __init__(
        self,
        references: str | os.PathLike[str] | Mapping[str, Any],
        *,
        base: str | os.PathLike[str] | None = None,
        allow: Sequence[str | os.PathLike[str]] | None = None,
        stores: Mapping[str, Store] | None = None,
    ) -> None:
        self.read_only = True
        self._name = "<given>"
        if not isinstance(references, Mapping):
            path = os.path.abspath(os.fspath(references))
            self._name = path
            base = os.path.dirname(path) if base is None else base
            try:
                with open(path, "rb") as file:
                    references = json.load(file)
            except (OSError, ValueError, RecursionError) as error:
                raise StoreError(f"cannot read references from {path!r}: {error}") from error
        self._base = None if base is None else os.path.abspath(os.fspath(base))
        if allow is None:
            allow = [] if self._base is None else [self._base]
        self._allowed = [_allowed(os.fspath(one)) for one in allow]
        self._stores: dict[str, Store] = dict(stores or {})
        self._refs = _parsed(references, self._name)
        self._keys = sorted(self._refs)
        remote = any(isinstance(ref, tuple) and _is_url(ref[0]) for ref in self._refs.values())
        self.concurrency = 64 if remote else 0

    # -- reading -----------------------------------------------------------------

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        ref = self._refs.get(check_key(key))
        if byte_range is not None:
            resolve_range(byte_range, 0)  # complains
        if ref is None:
            return None
        if isinstance(ref, bytes):
            begin, end = resolve_range(byte_range or (0, None), len(ref))
            return ref[begin:end]
        target, offset, length = ref
        store, inside = self._target(key, target)
        if length is None:
            data = store.get(inside, byte_range)
        else:
            begin, end = resolve_range(byte_range or (0, None), length)
            data = store.get(inside, (offset + begin, end - begin))
            if data is not None and len(data) != end - begin:
                raise StoreError(
                    f"key {key!r} in {self}: {target!r} has {len(data)} of the {end - begin} bytes from "
                    f"{offset + begin} on; the file has been changed since the references were made"
                )
        if data is None:
            raise StoreError(f"key {key!r} in {self}: there is no {target!r}")
        return data

    def size(self, key: str) -> int | None:
        ref = self._refs.get(check_key(key))
        if isinstance(ref, tuple) and ref[2] is None:
            store, inside = self._target(key, ref[0])
            return store.size(inside)
        return None if ref is None else len(ref) if isinstance(ref, bytes) else ref[2]

    def _target(self, key: str, target: str) -> tuple[Store, str]:
        """The store that a file is in, and its key there."""
        if _is_url(target):
            if not any(target.startswith(one) for one in self._allowed) or "/../" in target:
                raise self._forbidden(key, target)
            folder, _, name = target.rpartition("/")
            for start, store in self._stores.items():
                if target.startswith(start.rstrip("/") + "/"):
                    return store, target[len(start.rstrip("/")) + 1 :]
        else:
            path = target.removeprefix("file://")
            if self._base is None and not os.path.isabs(path):
                raise StoreError(
                    f"key {key!r} in {self}: {target!r} is relative; ReferenceStore(..., base=...)"
                )
            # Links are followed before it is seen where they lead.
            path = os.path.realpath(os.path.join(self._base or "", path))
            if not any((path + os.sep).startswith(one) for one in self._allowed):
                raise self._forbidden(key, target)
            folder, name = os.path.split(path)
        found = self._stores.get(folder)
        if found is None:
            from exzarr.stores.resolve import resolve_store

            found = self._stores[folder] = resolve_store(folder, mode="r")[0]
        return found, name

    def _forbidden(self, key: str, target: str) -> StoreError:
        return StoreError(
            f"key {key!r} in {self} refers to {target!r}, which it is not allowed to; "
            "ReferenceStore(..., allow=[...]) names folders and URLs that it may"
        )

    def list(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return iter(keys_under(self._keys, prefix))

    def list_dir(self, prefix: str = "") -> tuple[Sequence[str], Sequence[str]]:
        check_prefix(prefix)
        return keys_directly_under(self._keys, prefix)

    # -- no writing --------------------------------------------------------------

    def put(self, key: str, value: Buffer) -> None:
        raise self._refused(key)

    def delete(self, key: str) -> None:
        raise self._refused(key)

    def delete_prefix(self, prefix: str) -> None:
        raise self._refused(prefix)

    def _refused(self, key: str) -> ReadOnlyError:
        return read_only_error(self, key)

    @property
    def url(self) -> str:
        return f"references:{self._name}"


def _is_url(target: str) -> bool:
    return "://" in target and not target.startswith("file://")


def _allowed(one: str) -> str:
    return one if _is_url(one) else os.path.join(os.path.realpath(one.removeprefix("file://")), "")


def _parsed(document: Any, name: str) -> dict[str, Reference]:
    """Keys and what they stand for, looked at closely."""
    if not isinstance(document, Mapping):
        raise StoreError(f"references in {name}: an object was expected, not a {type(document).__name__}")
    templates: Mapping[str, Any] = {}
    refs: Any = document
    if "version" in document or "refs" in document:
        if document.get("version") != 1:
            raise UnsupportedError(
                f"references in {name} are of version {document.get('version')!r}; known is 1"
            )
        if document.get("gen"):
            raise UnsupportedError(
                f"references in {name} are generated by expressions ('gen'), which are not run"
            )
        templates, refs = document.get("templates") or {}, document.get("refs")
    if not isinstance(refs, Mapping) or not isinstance(templates, Mapping):
        raise StoreError(f"references in {name}: 'refs' and 'templates' must be objects")
    found: dict[str, Reference] = {}
    for key, value in refs.items():
        try:
            check_key(key)
            ref = _reference(value, templates)
        except (ValueError, TypeError, KeyError, ArgumentError) as error:
            raise StoreError(f"references in {name}: key {key!r}: {error}") from error
        found[key] = ref
    return found


def _reference(value: Any, templates: Mapping[str, Any]) -> Reference:
    if isinstance(value, str):
        return b64decode(value[7:], validate=True) if value.startswith("base64:") else value.encode()
    if isinstance(value, Mapping):  # documents may stand there as they are
        return json.dumps(value).encode()
    if not isinstance(value, (list, tuple)) or len(value) not in (1, 3) or not isinstance(value[0], str):
        raise ValueError("a reference is text, [file], or [file, offset, length]")
    target = _TEMPLATE.sub(lambda match: str(templates[match[1]]), value[0])
    if "{{" in target:
        raise ValueError(f"{value[0]!r} holds an expression, which is not run")
    if len(value) == 1:
        return target, 0, None
    for number in value[1:]:
        if type(number) is not int or not 0 <= number < 1 << 63:
            raise ValueError(f"offset and length are whole numbers, not {number!r}")
    return target, value[1], value[2]
