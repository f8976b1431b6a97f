"""Zarr v2 arrays as Zarr v3 says them.

The chain of codecs comes from `codecs.v2.v2_pipeline`, which has the form of a v3 chain already;
here each codec gets its v3 name. numcodecs' codecs that are no part of v3 are written as
``numcodecs.*``, as zarr-python does.
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

# v2 codecs that no other v3 software knows, by any name
_V2_ONLY = (OBJECT_CODECS - {"vlen-utf8", "vlen-bytes"}) | {"base64"}


def to_v3(meta: ArrayMetadata) -> Translation:
    """The v2 array of `meta` in v3; ArgumentError where v3 cannot say it."""
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
    # A filter's own data types are in its configuration, where v3's arrays are always native; and the
    # byte order of structured types is read differently by different software.
    same_bytes = uniform and not (swapped and (filtered or meta.data_type.dtype.names is not None))
    codecs = []
    for codec in chain.codecs:
        config = _codec(codec, spec, endian if same_bytes else sys.byteorder)
        codecs.append(config if same_bytes or codec.kind != "array_array" else native_filter(config))
    members, notes = v3_members(meta, data_type)
    return Translation(meta.with_(**members, codecs=tuple(codecs)), same_bytes, notes)


def v3_members(meta: ArrayMetadata, data_type: DataType) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of a v2 array's metadata is said differently in v3, the codecs excepted; and notes."""
    attributes, names = dict(meta.attributes), meta.dimension_names
    if names is not None:
        attributes.pop(ARRAY_DIMENSIONS, None)
    extra = {key: value for key, value in meta.extra.items() if _may_stay(value) and key != CONVERTED}
    notes = [
        f"{key!r} of the .zarray has no place in v3 and was left out"
        for key in meta.extra
        if key not in extra and key != CONVERTED
    ]
    if names is not None and FILL_ATTRIBUTE in attributes:
        if from_attribute(attributes[FILL_ATTRIBUTE], data_type.dtype) is not None:
            extra.update(converted("kept"))
    elif names is not None and meta.fill_value is not None and not was(meta.extra, "absent"):
        # xarray takes the fill value of v2 arrays for the mark of missing data, in v3 only this attribute
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
    """One codec of a v2 chain as v3 has it."""
    if codec.name == "memory":
        return CodecConfig("bytes", {"endian": endian} if endian else {})
    if codec.name == "transpose":
        return CodecConfig("transpose", {"order": list(codec.axes(len(spec.shape)))})
    codec = v3_codec(codec)
    if codec.name == "blosc":
        codec = codec.evolve(spec)  # v3 always says the size of the elements
    elif codec.name not in registry.BUILTIN and codec.name not in NAMES:
        raise UnsupportedError(f"Zarr v3 has no codec {codec.name!r}")
    # numcodecs leaves out what is None.
    config = {key: value for key, value in codec.to_config().items() if value is not None}
    return CodecConfig(codec.name, config)


def _byte_order(dtype: np.dtype[Any]) -> tuple[str | None, bool]:
    """``"little"``, ``"big"`` or None, and whether all fields of a structured type have it."""
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
