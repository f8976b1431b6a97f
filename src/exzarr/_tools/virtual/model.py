"""The model of a virtualized file: documents, chunk references, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from exzarr._format import json_text
from exzarr.errors import ExzarrError
from exzarr.stores.references.json_set import Reference

__all__ = ["DAMAGE", "LeftOut", "UnreferencedError", "VirtualArray", "VirtualFile"]

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a file that is missing from its references.

    Attributes
    ----------
    file
        The file, as it was given.
    kind
        ``"attribute"``, ``"dataset"``, ``"group"``, ``"link"`` or ``"type"``.
    path
        Its path in the file. For an attribute, the path of its object (``""`` is the root).
    name
        The attribute's name; ``""`` for other kinds.
    reason
        The reason for leaving it out.
    """

    file: str
    kind: Literal["attribute", "dataset", "group", "link", "type"]
    path: str
    name: str
    reason: str

    def __str__(self) -> str:
        what = (
            f"attribute {self.name!r} of {self.path or '/'!r}" if self.name else f"{self.kind} {self.path!r}"
        )
        return f"{self.file}: {what}: {self.reason}"


DAMAGE = (
    AttributeError, IndexError, KeyError, MemoryError, NotImplementedError, OSError, OverflowError, RuntimeError,
    SystemError, TypeError, ValueError,
)  # fmt: skip
"""Exceptions that h5py raises for files that are damaged or contain unknown objects."""


class UnreferencedError(ExzarrError):
    """References cannot express an object. Internal: the reader adds file and name, or leaves the object out."""


@dataclass(slots=True)
class VirtualArray:
    """An array whose chunks are parts of files.

    Attributes
    ----------
    document
        Its ``.zarray``, except for the fill value.
    attributes
        Its ``.zattrs``, with the names of its dimensions.
    chunks
        References to the stored chunks, by chunk index.
    unwritten
        The value of elements in chunks that are not stored, as JSON of the document.
    masked
        The attribute ``_FillValue`` as JSON of the document, or None. Readers of Zarr v2 such as xarray use the fill value
        of the document instead of this attribute.
    """

    document: dict[str, Any]
    attributes: dict[str, Any]
    chunks: dict[Index, Reference] = field(default_factory=dict)
    unwritten: Any = None
    masked: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.document["shape"])

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        return tuple(self.document["chunks"])

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunk_shape, strict=True))

    @property
    def complete(self) -> bool:
        """True if every chunk is stored."""
        count = 1
        for length in self.grid:
            count *= length
        return len(self.chunks) >= count

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(self.attributes.get("_ARRAY_DIMENSIONS", ()))

    @property
    def raw(self) -> bool:
        """True if chunks are the unencoded elements in C order."""
        document = self.document
        return not document["filters"] and not document["compressor"] and document["order"] == "C"

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the ``.zarray`` and the ``.zattrs``."""
        fill = self.masked if self.complete else self.unwritten
        attributes = self.attributes
        if self.masked is not None and fill == self.masked and self.document["dtype"] != "|O":
            # The fill value replaces the attribute. Text, and arrays with another fill value, keep the attribute.
            attributes = {name: value for name, value in attributes.items() if name != "_FillValue"}
        return {**self.document, "fill_value": fill}, attributes


@dataclass(slots=True)
class VirtualFile:
    """A file, or several joined files: attributes of groups, and arrays, by path (the root is ``""``)."""

    name: str
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    arrays: dict[str, VirtualArray] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)
    """The paths in `exclude` that were found."""

    def documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield keys and contents of all metadata documents."""
        for path, attributes in self.groups.items():
            start = path and path + "/"
            yield start + ".zgroup", {"zarr_format": 2}
            if attributes:
                yield start + ".zattrs", attributes
        for path, array in self.arrays.items():
            document, attributes = array.documents()
            yield f"{path}/.zarray", document
            yield f"{path}/.zattrs", attributes

    def references(self) -> Mapping[str, Any]:
        """Return all references in the JSON form, except that inlined values are bytes."""
        found: dict[str, Any] = {
            key: json_text.encode(document, indent=None).decode() for key, document in self.documents()
        }
        for path, array in self.arrays.items():
            for index, reference in array.chunks.items():
                found[chunk_key(path, index)] = reference
        return found


def chunk_key(path: str, index: Index) -> str:
    """Return the key of a chunk."""
    return f"{path}/{'.'.join(map(str, index)) or '0'}"
