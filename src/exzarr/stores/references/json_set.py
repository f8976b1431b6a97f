"""Interface of a reference set, and kerchunk's JSON format (https://fsspec.github.io/kerchunk/spec.html)."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from exzarr.errors import ArgumentError, StoreError, UnsupportedError
from exzarr.stores.base import check_key
from exzarr.stores.listing import keys_directly_under, keys_under
from exzarr.stores.references.generated import filled, generated
from exzarr.stores.urls import is_url

__all__ = ["JsonReferences", "Reference", "ReferenceSet", "is_json", "unpacked"]

MOST_NBYTES = 1 << 28
"""Largest decompressed size of a document in bytes. Larger is an error."""

Reference = bytes | tuple[str, int, int | None]
"""The value itself; or a file, the offset of the value in it, and its length (None: to the end of the file)."""


class ReferenceSet(Protocol):
    """Map from keys to references."""

    remote: bool
    """True if some references lead to URLs, as far as is known without reading much."""

    def get(self, key: str) -> Reference | None: ...

    def list(self, prefix: str) -> Iterator[str]: ...

    def list_dir(self, prefix: str) -> tuple[Sequence[str], Sequence[str]]: ...


def is_json(name: str) -> bool:
    """Return True if a file name is that of references in JSON, compressed or not."""
    return name.lower().endswith((".json", ".json.gz", ".json.zst"))


def unpacked(data: bytes) -> bytes:
    """Decompress a JSON document (gzip, Zstandard or none). Raise ValueError if it is damaged or too large."""
    if data[:2] == b"\x1f\x8b":
        decompress = zlib.decompressobj(31)
        try:
            document = decompress.decompress(data, MOST_NBYTES + 1)
        except zlib.error as error:
            raise ValueError(f"not valid gzip: {error}") from None
        if not decompress.eof and len(document) <= MOST_NBYTES:
            raise ValueError("the gzip data end too early")
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        import zstandard

        try:
            with zstandard.ZstdDecompressor().stream_reader(data) as stream:
                document = stream.read(MOST_NBYTES + 1)
        except zstandard.ZstdError as error:
            raise ValueError(f"not valid Zstandard: {error}") from None
    else:
        return data
    if len(document) > MOST_NBYTES:
        raise ValueError(f"more than {MOST_NBYTES} bytes when unpacked")
    return document


class JsonReferences:
    """Reference set in one JSON document, validated and held in memory."""

    def __init__(self, document: Any, name: str) -> None:
        self._refs = _parsed(document, name)
        self._keys = sorted(self._refs)
        self.remote = any(isinstance(ref, tuple) and is_url(ref[0]) for ref in self._refs.values())

    def get(self, key: str) -> Reference | None:
        return self._refs.get(key)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(keys_under(self._keys, prefix))

    def list_dir(self, prefix: str) -> tuple[Sequence[str], Sequence[str]]:
        return keys_directly_under(self._keys, prefix)


def _parsed(document: Any, name: str) -> dict[str, Reference]:
    if not isinstance(document, Mapping):
        raise StoreError(f"references in {name} must be a JSON object, not a {type(document).__name__}")
    templates: Mapping[str, Any] = {}
    refs: Any = document
    if "version" in document or "refs" in document:
        if document.get("version") != 1:
            raise UnsupportedError(
                f"references in {name} have version {document.get('version')!r}; exzarr reads version 1"
            )
        templates, refs = (
            document.get("templates") or {},
            document.get("refs", {} if document.get("gen") else None),
        )
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
    if document.get("gen") and refs is not document:
        try:
            for key, target in generated(document["gen"], templates):
                check_key(key)
                found.setdefault(key, _reference(target, {}))
        except (ValueError, TypeError, ArgumentError) as error:
            raise StoreError(f"references in {name}: {error}") from error
    return found


def _reference(value: Any, templates: Mapping[str, Any]) -> Reference:
    if isinstance(value, str):
        return b64decode(value[7:], validate=True) if value.startswith("base64:") else value.encode()
    if isinstance(value, Mapping):  # a document may be given as a JSON object
        return json.dumps(value).encode()
    if not isinstance(value, (list, tuple)) or len(value) not in (1, 3) or not isinstance(value[0], str):
        raise ValueError("a reference is text, [file], or [file, offset, length]")
    target = filled(value[0], templates) if "{{" in value[0] else value[0]
    if len(value) == 1:
        return target, 0, None
    for number in value[1:]:
        if type(number) is not int or not 0 <= number < 1 << 63:
            raise ValueError(f"offset and length are whole numbers, not {number!r}")
    return target, value[1], value[2]
