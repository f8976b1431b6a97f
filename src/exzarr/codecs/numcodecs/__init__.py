"""The codecs of the numcodecs library: those of Zarr v2 arrays, and ``numcodecs.*`` in v3 arrays.

Filters call numcodecs. exzarr has its own compressors, which write numcodecs' bytes: decoding must be bounded,
and the libraries allocate as much as their input declares. Two further codecs are HDF5 filters, for
HDF5 files read by references (`exzarr.virtualize`).

https://numcodecs.readthedocs.io; https://github.com/zarr-developers/zarr-extensions/tree/main/codecs
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["NAMES", "PREFIX", "get"]

PREFIX = "numcodecs."

_MODULES = {
    "adler32": "checksums:Adler32",
    "astype": "filters:AsType",
    "base64": "base64:Base64",
    "bitround": "filters:BitRound",
    "blosc": "blosc:Blosc",
    "bz2": "bz2:BZ2",
    "categorize": "filters:Categorize",
    "crc32": "checksums:CRC32",
    "crc32c": "checksums:CRC32C",
    "delta": "filters:Delta",
    "fixedscaleoffset": "filters:FixedScaleOffset",
    "fletcher32": "checksums:Fletcher32",
    "gzip": "gzip:GZip",
    "hdf5_bitshuffle": "hdf5:Bitshuffle",
    "imagecodecs_lz4h5": "hdf5:LZ4Blocks",
    "jenkins_lookup3": "checksums:JenkinsLookup3",
    "json2": "objects:JSON",
    "lz4": "lz4:LZ4",
    "lzma": "lzma:LZMA",
    "msgpack2": "objects:MsgPack",
    "packbits": "filters:PackBits",
    "pcodec": "pcodec:PCodec",
    "pickle": "objects:Pickle",
    "quantize": "filters:Quantize",
    "shuffle": "shuffle:Shuffle",
    "vlen-array": "objects:VLenArray",
    "vlen-bytes": "vlen:VLenBytes",
    "vlen-utf8": "vlen:VLenUTF8",
    "zfpy": "zfpy:ZFPY",
    "zlib": "zlib:Zlib",
    "zstd": "zstd:Zstd",
}

NAMES = frozenset(PREFIX + id_ for id_ in _MODULES)
"""Prefix of the codec names in v3 documents. v2 documents omit it."""


def get(name: str) -> type[Any]:
    """Return the class of the codec `name`, one of `NAMES`."""
    module, _, attribute = _MODULES[name.removeprefix(PREFIX)].partition(":")
    found: type[Any] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
