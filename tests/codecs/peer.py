"""Encoding and decoding of single chunks with zarr-python."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from exzarr._format.metadata import ArrayMetadata

PREFIX = {2: ".zarray", 3: "zarr.json"}


class Peer:
    """An array of one chunk that zarr-python writes and reads in memory."""

    def __init__(self, array: np.ndarray[Any, Any], zarr_format: int = 3, **options: Any) -> None:
        self._documents: dict[str, Buffer] = {}
        chunks = options.pop("chunks", tuple(max(1, n) for n in array.shape))
        self._array = zarr.create_array(
            MemoryStore(self._documents),
            shape=array.shape,
            chunks=chunks,
            dtype=options.pop("dtype", array.dtype),
            zarr_format=zarr_format,
            config={"write_empty_chunks": True, "order": "C"},
            **options,
        )
        self._array[...] = array
        (self.key,) = [key for key in self._documents if "zarr.json" not in key and not key.startswith(".")]

    @property
    def chunk(self) -> bytes:
        """Return the bytes of the chunk."""
        return self._documents[self.key].to_bytes()

    @property
    def documents(self) -> dict[str, bytes]:
        return {key: value.to_bytes() for key, value in self._documents.items() if key != self.key}

    @property
    def metadata(self) -> ArrayMetadata:
        """Return zarr-python's metadata document, parsed by exzarr."""
        from exzarr._format import json_text, v2, v3

        documents = self.documents
        if "zarr.json" in documents:
            return v3.parse(json_text.decode(documents["zarr.json"], ""))  # type: ignore[return-value]
        attributes = json_text.decode(documents.get(".zattrs", b"{}"), "")
        return v2.parse_array(json_text.decode(documents[".zarray"], ""), attributes)

    def read(self, chunk: bytes) -> np.ndarray[Any, Any]:
        """Decode `chunk` with zarr-python."""
        prototype = default_buffer_prototype()
        self._documents[self.key] = prototype.buffer.from_bytes(bytes(chunk))  # type: ignore[assignment]
        return np.asarray(self._array[...])
