"""An array's codecs and fill value in words, for people who do not know the names of Zarr's codecs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["compression_words", "filter_words", "value_words"]

_COMPRESSORS = {
    "zstd": "Zstandard",
    "lz4": "LZ4",
    "lz4hc": "LZ4HC",
    "blosclz": "BloscLZ",
    "snappy": "Snappy",
    "zlib": "zlib",
    "gzip": "gzip",
    "bz2": "bzip2",
    "lzma": "LZMA",
    "pcodec": "Pcodec",
    "zfpy": "ZFP",
}

_CHECKSUMS = {
    "crc32c": "CRC32C",
    "crc32": "CRC32",
    "adler32": "Adler-32",
    "fletcher32": "Fletcher-32",
    "jenkins_lookup3": "Jenkins lookup3",
}

_SHUFFLES = {
    "shuffle": "bytes shuffled",
    "bitshuffle": "bits shuffled",
    1: "bytes shuffled",
    2: "bits shuffled",
}

_FILTERS = {
    "transpose": "dimensions transposed",
    "delta": "differences of neighbours",
    "shuffle": "bytes shuffled",
    "bitround": "mantissas rounded",
    "quantize": "rounded to digits",
    "fixedscaleoffset": "scaled to integers",
    "scale_offset": "scale and offset",
    "cast_value": "converted to another type",
    "astype": "converted to another type",
    "packbits": "bits packed",
    "reshape": "reshaped",
}


def compression_words(configurations: Iterable[Mapping[str, Any]]) -> str:
    """Describe the codecs that work on bytes; each is a configuration in the form of Zarr v2 or v3."""
    return ", then ".join(map(_compressor, configurations)) or "none"


def filter_words(configurations: Iterable[Mapping[str, Any]]) -> str:
    """Describe the codecs that work on values; empty if there are none."""
    return ", then ".join(map(_filter, configurations))


def _parts(configuration: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return a codec's name without the prefix of numcodecs, and its options."""
    if "id" in configuration:
        return str(configuration["id"]), {key: configuration[key] for key in configuration if key != "id"}
    options = configuration.get("configuration")
    name = str(configuration.get("name", "unnamed"))
    return name.removeprefix("numcodecs."), options if isinstance(options, Mapping) else {}


def _compressor(configuration: Mapping[str, Any]) -> str:
    name, options = _parts(configuration)
    if name == "blosc":
        inside = options.get("cname", "lz4")
        words = [f"Blosc with {_COMPRESSORS.get(inside, inside)}", *_level(options.get("clevel"))]
        shuffle = options.get("shuffle")
        if isinstance(shuffle, str | int) and shuffle in _SHUFFLES:
            words.append(_SHUFFLES[shuffle])
        return ", ".join(words)
    if name in _CHECKSUMS:
        return f"{_CHECKSUMS[name]} checksum"
    if name in _COMPRESSORS:
        return ", ".join([_COMPRESSORS[name], *_level(options.get("level", options.get("preset")))])
    return _FILTERS.get(name) or _plain(name, options)


def _level(level: Any) -> list[str]:
    return [] if level is None else [f"level {level}"]


def _filter(configuration: Mapping[str, Any]) -> str:
    name, options = _parts(configuration)
    words = _FILTERS.get(name)
    return _plain(words or name, options)


def _plain(name: str, options: Mapping[str, Any]) -> str:
    inside = ", ".join([f"{key}={value}" for key, value in options.items()])
    return f"{name} ({inside})" if inside else name


def value_words(value: Any) -> str:
    """Format a fill value as ``0.0`` instead of ``np.float32(0.0)``."""
    return (
        str(value)
        if isinstance(value, np.generic) and not isinstance(value, (np.str_, np.bytes_))
        else repr(value)
    )
