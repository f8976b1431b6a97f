"""A cache of recently parsed and written array documents.

An append reads a document, changes only its shape, and stores it. The next append reads the stored document.
Parsing and writing all members would be most of the cost of an append of a few rows. The cache finds parsed
metadata by the document's bytes. If only the shape of an array changes, it replaces the shape in the known document.

Each returned metadata object has its own copy of the attributes, because they are a dict that callers may change.
"""

from __future__ import annotations

import pickle
from typing import Any

from exzarr._format.metadata import ArrayMetadata

__all__ = ["find", "forget", "known_document", "remember_document", "remember_parsed"]

MAX_ENTRIES = 32
"""Maximum number of cached documents, and of cached kinds of arrays."""

MAX_NBYTES = 16 * 1024
"""Larger documents are not cached."""

_HEAD = b'{\n  "zarr_format": 3,\n  "node_type": "array",\n  "shape": '

_PARTS = ("codecs", "data_type", "fill_value", "chunk_key_encoding", "dimension_names", "extra")
"""Parts that must be the same objects for two arrays to differ only in shape and attributes."""

_Known = tuple[ArrayMetadata, bytes]
"""Metadata without attributes, and the pickled attributes; ``b""`` if there are none."""

_documents: dict[bytes, _Known] = {}
_kinds: dict[tuple[int, bytes], tuple[_Known, bytes | None]] = {}
"""Parsed metadata and, once written, the document's part after the shape.

The keys are the identity of the codecs, which several arrays may share (`v3_alike`), and the pickled attributes.
"""


def find(data: bytes | bytearray | memoryview) -> ArrayMetadata | None:
    """Return the metadata of a document, or None if it is not in the cache."""
    if len(data) > MAX_NBYTES:
        return None
    found = _documents.get(bytes(data))
    if found is None:
        return None
    meta, attributes = found
    return meta.with_attributes(pickle.loads(attributes) if attributes else {})  # noqa: S301 - pickled by this module


def remember_parsed(data: bytes | bytearray | memoryview, meta: ArrayMetadata) -> None:
    """Add a parsed document to the cache."""
    if len(data) <= MAX_NBYTES:
        known = meta.with_attributes({}), _pickled(meta.attributes)
        _keep(_documents, bytes(data), known)
        _keep(_kinds, (id(meta.codecs), known[1]), (known, None))


def known_document(meta: ArrayMetadata) -> bytes | None:
    """Return the document of `meta` if the same array with another shape is in the cache, else None."""
    kind = _kind_of(meta)
    if kind is None or kind[1] is None:
        return None
    data = _HEAD + _shape_json(meta.shape) + kind[1]
    _keep(_documents, data, (meta.with_attributes({}), kind[0][1]))
    return data


def remember_document(meta: ArrayMetadata, data: bytes) -> None:
    """Add `data`, the written document of `meta`, to the cache."""
    kind = _kind_of(meta)
    head = _HEAD + _shape_json(meta.shape)
    if kind is not None and len(data) <= MAX_NBYTES and data.startswith(head):
        _keep(_kinds, (id(meta.codecs), kind[0][1]), (kind[0], data[len(head) :]))
        _keep(_documents, data, (meta.with_attributes({}), kind[0][1]))


def forget() -> None:
    """Empty the cache."""
    _documents.clear()
    _kinds.clear()


def _kind_of(meta: ArrayMetadata) -> tuple[_Known, bytes | None] | None:
    """Return the cache entry of an array that differs from `meta` only in shape, or None."""
    kind = _kinds.get((id(meta.codecs), _pickled(meta.attributes)))
    if kind is None or meta.chunk_grid.name != "regular":
        return None
    known, _ = kind[0]
    for part in _PARTS:
        if getattr(known, part) is not getattr(meta, part):
            return None
    grid = known.chunk_grid
    same = grid.name == "regular" and grid.chunk_shape == meta.chunk_grid.chunk_shape
    return kind if same else None


def _pickled(attributes: dict[str, Any]) -> bytes:
    return pickle.dumps(attributes) if attributes else b""


def _shape_json(shape: tuple[int, ...]) -> bytes:
    """Return the JSON of a shape as `json_text.encode` writes it."""
    if not shape:
        return b"[]"
    return b"[\n    " + b",\n    ".join([b"%d" % length for length in shape]) + b"\n  ]"


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= MAX_ENTRIES:
        known.clear()  # cheaper than removing the oldest entry, which would need a lock
    known[key] = value
