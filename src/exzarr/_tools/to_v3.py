"""Translate the metadata of Zarr v2 arrays to Zarr v3.

The codec chain comes from `codecs.v2.v2_pipeline`, which already has the form of a v3 chain. This module gives each codec
its v3 name. Codecs of numcodecs that are not part of v3 are written as ``numcodecs.*``, as zarr-python does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._format import dtypes, fill_values
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.metadata import ARRAY_DIMENSIONS, CodecConfig
from exzarr._format.v2 import OBJECT_CODECS
from exzarr._tools.translate import Translation
from exzarr._tools.xarray_fill import CONVERTED, FILL_ATTRIBUTE, as_attribute, converted, from_attribute, was
from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.equivalents import native_filter, v3_codec
from exzarr.codecs.numcodecs import NAMES, PREFIX
from exzarr.errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    from exzarr._format.dtypes import DataType
    from exzarr._format.metadata import ArrayMetadata

__all__ = ["to_v3", "v3_members"]

# v2 codecs that no v3 software supports under any name
_V2_ONLY = (OBJECT_CODECS - {"vlen-utf8", "vlen-bytes"}) | {"base64"}


def to_v3(meta: ArrayMetadata) -> Translation:
    """Translate a v2 array to v3. Raise ArgumentError if v3 cannot represent it."""
    from exzarr.codecs.v2 import v2_pipeline

    for codec in (*meta.filters, *([meta.compressor] if meta.compressor else [])):
        if codec["id"] in _V2_ONLY:
            raise ArgumentError(f"Zarr v3 has no codec for the v2 filter {codec['id']!r}")
    data_type = dtypes.from_numpy(meta.data_type, 3)
    spec = ChunkSpec(meta.chunk_grid.chunk_shape, meta.data_type, fill_values.default(meta.data_type))
    chain = v2_pipeline(meta).evolve(spec)
    endian, uniform = _byte_order(meta.data_type.dtype)
    filtered = any(codec.name.startswith(PREFIX) for codec in chain.array_array)
    swapped = endian is not None and endian != sys.byteorder
    # Filters have data types in their configuration, and v3 arrays are always native there. Also, different software
    # interprets the byte order of structured types differently.
    same_bytes = uniform and not (swapped and (filtered or meta.data_type.dtype.names is not None))
    codecs = []
    for codec in chain.codecs:
        config = _codec(codec, spec, endian if same_bytes else sys.byteorder)
        codecs.append(config if same_bytes or codec.kind != "array_array" else native_filter(config))
    members, notes = v3_members(meta, data_type)
    return Translation(meta.with_(**members, codecs=tuple(codecs)), same_bytes, notes)


def v3_members(meta: ArrayMetadata, data_type: DataType) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the members of a v2 array's metadata that differ in v3, except codecs, and notes."""
    attributes, names = dict(meta.attributes), meta.dimension_names
    if names is not None:
        attributes.pop(ARRAY_DIMENSIONS, None)
    extra = {key: value for key, value in meta.extra.items() if _may_stay(value) and key != CONVERTED}
    notes = [
        f"{key!r} of the .zarray was left out: v3 does not support it"
        for key in meta.extra
        if key not in extra and key != CONVERTED
    ]
    if names is not None and FILL_ATTRIBUTE in attributes:
        if from_attribute(attributes[FILL_ATTRIBUTE], data_type.dtype) is not None:
            extra.update(converted("kept"))
    elif names is not None and meta.fill_value is not None and not was(meta.extra, "absent"):
        # In v2, xarray uses the fill value as the marker of missing data; in v3, only this attribute.
        mark = as_attribute(meta.fill_value, data_type.dtype)
        if mark is not None:
            attributes[FILL_ATTRIBUTE] = mark
    return {
        "zarr_format": 3,
        "data_type": data_type,
        "chunk_key_encoding": ChunkKeyEncoding("v2", meta.chunk_key_encoding.separator),
        "fill_value": _fill(meta.fill_value, data_type),
        "order": "C",
        "filters": (),
        "compressor": None,
        "dimension_names": names,
        "attributes": attributes,
        "extra": extra,
    }, tuple(notes)


def _codec(codec: Any, spec: ChunkSpec, endian: str | None) -> CodecConfig:
    """Translate one codec of a v2 chain to v3."""
    if codec.name == "memory":
        return CodecConfig("bytes", {"endian": endian} if endian else {})
    if codec.name == "transpose":
        return CodecConfig("transpose", {"order": list(codec.axes(len(spec.shape)))})
    codec = v3_codec(codec)
    if codec.name == "blosc":
        codec = codec.evolve(spec)  # v3 always stores the size of the elements
    elif codec.name not in registry.BUILTIN and codec.name not in NAMES:
        raise UnsupportedError(f"Zarr v3 has no codec {codec.name!r}")
    # numcodecs omits members that are None.
    config = {key: value for key, value in codec.to_config().items() if value is not None}
    return CodecConfig(codec.name, config)


def _byte_order(dtype: np.dtype[Any]) -> tuple[str | None, bool]:
    """Return ``"little"``, ``"big"`` or None, and True if all fields of a structured type have this byte order."""
    orders = {_ORDERS[leaf.byteorder] for leaf in _leaves(dtype)} - {None}
    if len(orders) > 1:
        return sys.byteorder, False
    return next(iter(orders), None), True


_ORDERS = {"<": "little", ">": "big", "=": sys.byteorder, "|": None}


def _leaves(dtype: np.dtype[Any]) -> list[np.dtype[Any]]:
    if dtype.names is None:
        base = dtype.base
        return [base] if base is dtype or base.names is None else _leaves(base)
    return [leaf for name in dtype.names for leaf in _leaves(dtype[name])]


def _fill(value: Any, data_type: DataType) -> Any:
    if value is None:
        return fill_values.default(data_type)
    if isinstance(value, np.void) and value.dtype != data_type.dtype:
        return np.asarray(value).astype(data_type.dtype)[()]
    return value


def _may_stay(value: Any) -> bool:
    return isinstance(value, dict) and value.get("must_understand") is False
