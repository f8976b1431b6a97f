"""Translation between the codecs of Zarr v3 and those of numcodecs that store the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from exzarr._format.metadata import CodecConfig
from exzarr.codecs import registry
from exzarr.codecs.base import Codec
from exzarr.errors import ArgumentError

__all__ = ["native_filter", "native_order", "v2_codec", "v3_codec"]

_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


def native_filter(config: CodecConfig) -> CodecConfig:
    """Return a filter's configuration with its data types in this machine's byte order.

    v3 arrays have native byte order in memory, and zarr-python passes those bytes to filters unchanged.
    """
    changed = dict(config.configuration)
    for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
        if isinstance(changed.get(key), str):
            changed[key] = np.dtype(changed[key]).newbyteorder("=").str
    return CodecConfig(config.name, changed, config.extra)


def native_order(codec: Any) -> Any:
    """Return a numcodecs filter with data types in this machine's byte order; return other codecs unchanged."""
    if codec.kind != "array_array" or not codec.name.startswith("numcodecs."):
        return codec
    config = CodecConfig(codec.name, codec.to_config())
    native = native_filter(config)
    return codec if native == config else registry.from_config(native)


def v3_codec(codec: Codec) -> Any:
    """Return the v3 codec that stores the same bytes as `codec`, or `codec` if none exists."""
    config = codec.to_config()
    match codec.name:
        case "numcodecs.zstd":
            from exzarr.codecs.zstd import Zstd

            return Zstd(config["level"], config.get("checksum", False))
        case "numcodecs.gzip":
            from exzarr.codecs.gzip import Gzip

            return Gzip(config["level"])
        case "numcodecs.blosc":
            from exzarr.codecs.blosc import Blosc

            shuffle = None if config["shuffle"] == -1 else _SHUFFLES[config["shuffle"]]
            return Blosc(
                config["cname"], config["clevel"], shuffle, config.get("typesize"), config["blocksize"]
            )
        case "numcodecs.crc32c" if config.get("location", "end") == "end":
            from exzarr.codecs.crc32c import Crc32c

            return Crc32c()
        case "numcodecs.vlen-utf8" | "numcodecs.vlen-bytes":
            from exzarr.codecs import vlen

            return vlen.VLenUTF8() if codec.name.endswith("utf8") else vlen.VLenBytes()
    return codec


def v2_codec(codec: Any) -> Any:
    """Return the numcodecs codec that stores the same bytes as `codec`; raise ArgumentError if none exists."""
    from exzarr.codecs import numcodecs

    if codec.name.startswith(numcodecs.PREFIX):
        return codec
    config: dict[str, Any] = codec.to_config()
    match codec.name:
        case "zstd" | "gzip" | "vlen-utf8" | "vlen-bytes" | "crc32c" | "bitround":
            pass
        case "blosc":
            shuffle = -1 if codec.shuffle is None else _SHUFFLES.index(codec.shuffle)
            config = {
                "cname": codec.cname,
                "clevel": codec.clevel,
                "shuffle": shuffle,
                "blocksize": codec.blocksize,
            }
        case "packbits" if config == {"padding_encoding": "first_byte"}:
            raise ArgumentError(
                "Zarr format 2 has no codec 'packbits'; use the numcodecs filter {'id': 'packbits'}"
            )
        case "transpose":
            raise ArgumentError(
                "Zarr format 2 has no codec 'transpose'; use order='F' to store chunks in Fortran order"
            )
        case _:
            raise ArgumentError(f"Zarr format 2 has no codec {codec.name!r}; use a numcodecs codec")
    return numcodecs.get(numcodecs.PREFIX + codec.name).from_config(config)
