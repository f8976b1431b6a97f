"""array ↔ bytes: codecs, their registry, and the pipeline that runs a chain of them.

The codecs a user may hold are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exzarr.codecs.registry import get, known, register

if TYPE_CHECKING:
    from exzarr.codecs.bitround import BitRound
    from exzarr.codecs.blosc import Blosc
    from exzarr.codecs.bytes import Bytes
    from exzarr.codecs.cast_value import CastValue
    from exzarr.codecs.crc32c import Crc32c
    from exzarr.codecs.gzip import Gzip
    from exzarr.codecs.packbits import PackBits
    from exzarr.codecs.reshape import Reshape
    from exzarr.codecs.scale_offset import ScaleOffset
    from exzarr.codecs.sharding import Sharding
    from exzarr.codecs.transpose import Transpose
    from exzarr.codecs.vlen import VLenBytes, VLenUTF8
    from exzarr.codecs.zstd import Zstd

__all__ = [
    "BitRound",
    "Blosc",
    "Bytes",
    "CastValue",
    "Crc32c",
    "Gzip",
    "PackBits",
    "Reshape",
    "ScaleOffset",
    "Sharding",
    "Transpose",
    "VLenBytes",
    "VLenUTF8",
    "Zstd",
    "get",
    "known",
    "register",
]

_MODULES = {
    "BitRound": "bitround",
    "Blosc": "blosc",
    "Bytes": "bytes",
    "CastValue": "cast_value",
    "Crc32c": "crc32c",
    "Gzip": "gzip",
    "PackBits": "packbits",
    "Reshape": "reshape",
    "ScaleOffset": "scale_offset",
    "Sharding": "sharding",
    "Transpose": "transpose",
    "VLenBytes": "vlen",
    "VLenUTF8": "vlen",
    "Zstd": "zstd",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
