"""The codecs of the numcodecs library: what Zarr v2 arrays have, and v3 arrays as ``numcodecs.*``.

Compressors are exzarr's own where decoding has to be bounded (the libraries allocate whatever
their input tells them to); their bytes are numcodecs' bytes. Filters call numcodecs. Two more are filters of HDF5
files, which are read by references (`exzarr.virtualize`).

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
"""What these codecs are called in v3 documents; in v2 documents the prefix is missing."""


def get(name: str) -> type[Any]:
    """The class of the codec called `name`, one of `NAMES`."""
    module, _, attribute = _MODULES[name.removeprefix(PREFIX)].partition(":")
    found: type[Any] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
