"""Fingerprints of blocks: a resumed run compares the blocks that it drops with those that were stored.

A fingerprint is a CRC-32C of the values, the shape and the region: it detects a source that starts at the wrong
block, and costs a thirtieth of what compressing the block costs. It does not depend on byte order or memory layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from google_crc32c import extend

from exzarr._stream.ingest.blocks import Block
from exzarr.codecs.memory import as_buffer, as_bytes

__all__ = ["fingerprint"]


def fingerprint(block: Block) -> str:
    """Return eight hexadecimal digits that are the same for equal blocks."""
    crc = extend(0, repr(block.region and [(part.start, part.stop) for part in block.region]).encode())
    for part in _parts(block.data):
        crc = extend(crc, part)
    return f"{crc:08x}"


def _parts(data: Any) -> Iterator[Any]:
    """Yield the content of `data` as bytes. This never fails: a block that can't be stored has a fingerprint, too."""
    if isinstance(data, Mapping):
        for name in sorted(data, key=repr):
            yield repr(name).encode()
            yield from _parts(data[name])
        return
    try:
        values = np.asarray(data)
    except Exception:  # noqa: BLE001 - any error of the object; the commit reports it
        yield type(data).__qualname__.encode()
        return
    if values.dtype.kind in "OSTU":  # hash the text itself, independent of the width of the data type
        yield f"{values.shape}".encode()
        for item in values.reshape(-1).tolist():
            yield from _item(item)
    else:
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        yield f"{values.shape} {values.dtype.descr}".encode()
        yield as_bytes(as_buffer(values))


def _item(item: Any) -> Iterator[Any]:
    """Yield one element of an object array as bytes."""
    if isinstance(item, list | tuple | np.ndarray | Mapping):
        yield from _parts(item)
    elif item is None or isinstance(item, str | bytes | int | float | complex | np.generic):
        yield repr(item).encode() + b","
    else:  # the text of other objects may contain their address
        yield type(item).__qualname__.encode()
