"""Array documents that this process read or made lately, so that it need not parse, or spell out, each of them again.

Who appends reads a document, changes its shape and nothing else, and stores it; and the next one reads what was stored.
To parse such a document and to write it anew, member by member, would be most of what an append of a few rows costs.
What was parsed is known by the document's bytes; and of an array that has the very same parts but another shape the
document is the same, but for that.

Whoever gets metadata from here gets attributes of his own: they are a plain dict, which he may change.
"""

from __future__ import annotations

import pickle
from typing import Any

from exzarr._format.metadata import ArrayMetadata

__all__ = ["find", "note", "respelled", "spelled"]

MOST = 32
"""How many documents, and how many kinds of array, are known at once."""

MOST_NBYTES = 16 * 1024
"""Larger documents are not kept."""

_HEAD = b'{\n  "zarr_format": 3,\n  "node_type": "array",\n  "shape": '

_PARTS = ("codecs", "data_type", "fill_value", "chunk_key_encoding", "dimension_names", "extra")
"""What has to be the very same object for two arrays to differ in nothing but shape and attributes."""

_Known = tuple[ArrayMetadata, bytes]
"""Metadata without its attributes, and those, pickled; ``b""`` where there are none."""

_documents: dict[bytes, _Known] = {}
_kinds: dict[int, tuple[_Known, bytes | None]] = {}
"""By the identity of their codecs: what was parsed, and what follows the shape in its document, once that was spelled."""


def find(data: bytes | bytearray | memoryview) -> ArrayMetadata | None:
    """The metadata in a document; None where it is not known."""
    if len(data) > MOST_NBYTES:
        return None
    found = _documents.get(bytes(data))
    if found is None:
        return None
    meta, attributes = found
    return _with_attributes(meta, pickle.loads(attributes) if attributes else {})  # noqa: S301 - our own


def note(data: bytes | bytearray | memoryview, meta: ArrayMetadata) -> None:
    """A document was parsed."""
    if len(data) <= MOST_NBYTES:
        known = _with_attributes(meta, {}), _pickled(meta.attributes)
        _keep(_documents, bytes(data), known)
        _keep(_kinds, id(meta.codecs), (known, None))


def respelled(meta: ArrayMetadata) -> bytes | None:
    """The document of `meta`, where that of the same array with another shape is known; else None."""
    kind = _kind_of(meta)
    if kind is None or kind[1] is None:
        return None
    data = _HEAD + _spell(meta.shape) + kind[1]
    _keep(_documents, data, (_with_attributes(meta, {}), kind[0][1]))
    return data


def spelled(meta: ArrayMetadata, data: bytes) -> None:
    """`data` is the document of `meta`."""
    kind = _kind_of(meta)
    head = _HEAD + _spell(meta.shape)
    if kind is not None and len(data) <= MOST_NBYTES and data.startswith(head):
        _keep(_kinds, id(meta.codecs), (kind[0], data[len(head) :]))
        _keep(_documents, data, (_with_attributes(meta, {}), kind[0][1]))


def _kind_of(meta: ArrayMetadata) -> tuple[_Known, bytes | None] | None:
    """What is known of an array like it; None where it differs in more than its shape."""
    kind = _kinds.get(id(meta.codecs))
    if kind is None or meta.chunk_grid.name != "regular":
        return None
    known, attributes = kind[0]
    for part in _PARTS:
        if getattr(known, part) is not getattr(meta, part):
            return None
    grid = known.chunk_grid
    same = grid.name == "regular" and grid.chunk_shape == meta.chunk_grid.chunk_shape
    return kind if same and _pickled(meta.attributes) == attributes else None


def _with_attributes(meta: ArrayMetadata, attributes: dict[str, Any]) -> ArrayMetadata:
    """A copy: like `with_`, which has more to look after."""
    made = object.__new__(ArrayMetadata)
    made.__dict__.update(meta.__dict__, attributes=attributes)
    return made


def _pickled(attributes: dict[str, Any]) -> bytes:
    return pickle.dumps(attributes) if attributes else b""


def _spell(shape: tuple[int, ...]) -> bytes:
    """As `json_text.encode` does."""
    if not shape:
        return b"[]"
    return b"[\n    " + b",\n    ".join([b"%d" % length for length in shape]) + b"\n  ]"


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= MOST:
        known.clear()  # rather than a search for the oldest, which threads would have to take turns at
    known[key] = value
