"""What is known of a file: documents, and where its chunks lie."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exzarr.stores.reference_json import Reference

__all__ = ["VirtualArray", "VirtualFile"]

Index = tuple[int, ...]


@dataclass(slots=True)
class VirtualArray:
    """An array whose chunks lie elsewhere.

    Attributes
    ----------
    document
        What stands in its ``.zarray``.
    attributes
        What stands in its ``.zattrs``, with the names of its dimensions.
    chunks
        The stored ones, by their place in the grid.
    """

    document: dict[str, Any]
    attributes: dict[str, Any]
    chunks: dict[Index, Reference] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.document["shape"])

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        return tuple(self.document["chunks"])

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(self.attributes.get("_ARRAY_DIMENSIONS", ()))

    @property
    def raw(self) -> bool:
        """Whether its chunks are nothing but the elements, in C order."""
        document = self.document
        return not document["filters"] and not document["compressor"] and document["order"] == "C"


@dataclass(slots=True)
class VirtualFile:
    """A file, or several joined: groups' attributes and arrays, by their paths (the root's is ``""``)."""

    name: str
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    arrays: dict[str, VirtualArray] = field(default_factory=dict)

    def documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Keys and content of all metadata documents."""
        for path, attributes in self.groups.items():
            start = path and path + "/"
            yield start + ".zgroup", {"zarr_format": 2}
            if attributes:
                yield start + ".zattrs", attributes
        for path, array in self.arrays.items():
            yield f"{path}/.zarray", array.document
            yield f"{path}/.zattrs", array.attributes

    def references(self) -> Mapping[str, Any]:
        """All of it in the JSON form, except that values are bytes."""
        found: dict[str, Any] = {key: json.dumps(document) for key, document in self.documents()}
        for path, array in self.arrays.items():
            for index, reference in array.chunks.items():
                found[chunk_key(path, index)] = reference
        return found


def chunk_key(path: str, index: Index) -> str:
    """The key of a chunk."""
    return f"{path}/{'.'.join(map(str, index)) or '0'}"
