"""Correction of invalid documents that older software wrote.

A document is corrected only if it has exactly one possible meaning, and if other readers (zarr-python's repair of
metadata) agree on it. Parsers use the correction when a document is invalid. `exzarr.check` reports every such
document, and `exzarr.repair` stores the corrected one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exzarr._format.named import shorten

__all__ = ["mend", "mend_v2", "mend_v3", "sized_shuffle", "strict_fill"]

Json = dict[str, Any]
Fixes = list[str]

_INTEGER = re.compile(r"\s*([+-]?[0-9]+)(?:\.0*)?\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_SPECIAL = {
    "nan": "NaN",
    "+nan": "NaN",
    "-nan": "NaN",
    "inf": "Infinity",
    "+inf": "Infinity",
    "-inf": "-Infinity",
    "infinity": "Infinity",
    "+infinity": "Infinity",
    "-infinity": "-Infinity",
}


def mend(name: str, document: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """Correct the document `name` (``"zarr.json"``, ``".zarray"``, ``".zmetadata"``, ...).

    Returns the document and descriptions of the corrections. There are none if the document is valid
    or if its meaning is ambiguous.
    """
    if name == "zarr.json":
        return _group_v3(document) if document.get("node_type") == "group" else mend_v3(document)
    if name == ".zarray":
        return mend_v2(document)
    if name == ".zmetadata":
        return _members(document, _member_v2)
    return dict(document), ()


def mend_v2(zarray: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """Correct a ``.zarray``; return the same as `mend`."""
    made, fixes = dict(zarray), Fixes()
    if "compressor" not in made:
        made["compressor"] = None
        fixes.append("'compressor' is missing, and is read as null")
    if "filters" in made and made["filters"] is not None and not made["filters"]:
        fixes.append(f"'filters' is {shorten(made['filters'])}, and is read as null")
        made["filters"] = None
    dtype = made.get("dtype")
    if isinstance(dtype, str) and dtype[1:2] in ("m", "M") and "μs" in dtype.replace("µ", "μ"):
        made["dtype"] = dtype.replace("µ", "μ").replace("μs", "us")
        fixes.append(f"the unit of 'dtype' {shorten(dtype)} is read as 'us'")
    _mend_lengths(made, "shape", fixes)
    _mend_lengths(made, "chunks", fixes)
    shape = made.get("shape")
    if isinstance(shape, list) and isinstance(made.get("chunks"), list):
        made["chunks"] = _sizes(made["chunks"], shape, (1,) * len(shape), "'chunks'", fixes)
    if isinstance(dtype, str):
        _mend_fill(made, _kind_v2(dtype), fixes)
        _mend_shuffle(made, dtype, fixes)
    return made, tuple(fixes)


def mend_v3(document: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """Correct the ``zarr.json`` of an array; return the same as `mend`."""
    made, fixes = dict(document), Fixes()
    if made.get("attributes") in ([], ""):
        fixes.append(f"'attributes' is {shorten(made['attributes'])}, and is read as none")
        made["attributes"] = {}
    _mend_lengths(made, "shape", fixes)
    if isinstance(made.get("codecs"), list):
        made["codecs"] = [_codec(codec, fixes) for codec in made["codecs"]]
    grid = made.get("chunk_grid")
    if isinstance(grid, dict) and isinstance(grid.get("configuration"), dict):
        made["chunk_grid"] = _grid(grid, made, fixes)
    data_type = made.get("data_type")
    if isinstance(data_type, dict):
        data_type = data_type.get("name")
    if isinstance(data_type, str):
        _mend_fill(made, _KINDS_V3.get(data_type, ""), fixes)
    return made, tuple(fixes)


def strict_fill(document: Any) -> Any:
    """Replace a bare ``NaN`` or ``Infinity`` as fill value of a node's document, which is not JSON."""
    fill = document.get("fill_value") if isinstance(document, dict) else None
    if type(fill) is float and not math.isfinite(fill):
        return {**document, "fill_value": _SPECIAL[str(fill)]}
    return document


def _mend_shuffle(document: Json, dtype: str, fixes: Fixes) -> None:
    """Set the element size of a shuffle that netCDF omitted: other readers do not shuffle without it."""
    filters, digits = document.get("filters"), dtype[2:].partition("[")[0]
    if not isinstance(filters, list) or not digits.isdecimal():
        return
    size = int(digits[:9]) * (4 if dtype[1:2] == "U" else 1)
    document["filters"] = [*sized_shuffle(filters, size)]
    if document["filters"] != filters:
        fixes.append(f"'elementsize' of shuffle is {filters[0]['elementsize']}, and is read as {size}")


def sized_shuffle(filters: Sequence[Any], itemsize: int) -> Sequence[Any]:
    """Return v2 filters in which a shuffle at the first position has an element size."""
    first = filters[0] if filters else None
    if isinstance(first, dict) and first.get("id") == "shuffle" and first.get("elementsize", 4) in (0, None):
        return [{**first, "elementsize": itemsize}, *filters[1:]]
    return filters


# -- groups ------------------------------------------------------------------------------


def _group_v3(document: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    made, fixes = dict(document), Fixes()
    inline = made.get("consolidated_metadata")
    if inline is not None and not inline and isinstance(inline, dict | list | str):
        fixes.append(f"'consolidated_metadata' is {shorten(inline)}, and is read as none")
        del made["consolidated_metadata"]
    elif isinstance(inline, dict):
        made["consolidated_metadata"], more = _members(inline, _member_v3)
        fixes += more
    if made.get("attributes") in ([], ""):
        fixes.append(f"'attributes' is {shorten(made['attributes'])}, and is read as none")
        made["attributes"] = {}
    return made, tuple(fixes)


Mend = Callable[[str, Json], tuple[Json, tuple[str, ...]]]


def _members(document: Mapping[str, Any], mended: Mend) -> tuple[Json, tuple[str, ...]]:
    """Correct each member of consolidated metadata."""
    members, fixes = document.get("metadata"), Fixes()
    if not isinstance(members, dict):
        return dict(document), ()
    made = {}
    for key, member in members.items():
        made[key] = member
        if isinstance(member, dict):
            made[key], more = mended(key, member)
            fixes += [f"{key}: {fix}" for fix in more]
    return {**document, "metadata": made}, tuple(fixes)


def _member_v2(key: str, member: Json) -> tuple[Json, tuple[str, ...]]:
    return mend_v2(member) if key.rpartition("/")[2] == ".zarray" else (member, ())


def _member_v3(_: str, member: Json) -> tuple[Json, tuple[str, ...]]:
    return mend("zarr.json", member)


# -- chunks ------------------------------------------------------------------------------


def _mend_lengths(document: Json, key: str, fixes: Fixes) -> None:
    """Correct lengths: a number means a list with one item, and ``true`` means 1."""
    stored = document.get(key)
    made = [stored] if type(stored) in (int, bool) else stored
    if isinstance(made, list):
        made = [1 if length is True else length for length in made]
    if not _same(made, stored):
        document[key] = made
        fixes.append(f"{key!r} is {shorten(stored)}, and is read as {shorten(made)}")


def _sizes(sizes: list[Any], shape: list[Any], units: tuple[int, ...], what: str, fixes: Fixes) -> list[Any]:
    """Correct chunk sizes of 0 to the smallest size: an array with such a size has no chunks."""
    if len(sizes) != len(shape):
        return sizes
    made = [
        1 if size is True else unit if type(size) is int and size == 0 else size
        for size, unit in zip(sizes, units, strict=True)
    ]
    if not _same(made, sizes):
        fixes.append(f"{what} is {shorten(sizes)}, and is read as {shorten(made)}")
    return made


def _codec(codec: Any, fixes: Fixes) -> Any:
    """Correct the inner chunk sizes of a sharding codec."""
    if not isinstance(codec, dict) or codec.get("name") != "sharding_indexed":
        return codec
    configuration = codec.get("configuration")
    if not isinstance(configuration, dict):
        return codec
    made = dict(configuration)
    sizes = made.get("chunk_shape")
    if isinstance(sizes, list) and any(size is True for size in sizes):
        made["chunk_shape"] = [1 if size is True else size for size in sizes]
        fixes.append(f"the inner 'chunk_shape' is {shorten(sizes)}, and is read as {made['chunk_shape']}")
    if isinstance(made.get("codecs"), list):
        made["codecs"] = [_codec(inner, fixes) for inner in made["codecs"]]
    return {**codec, "configuration": made}


def _grid(grid: Json, document: Json, fixes: Fixes) -> Json:
    configuration, shape = grid["configuration"], document.get("shape")
    if grid.get("name") == "regular":
        sizes = configuration.get("chunk_shape")
        if not isinstance(sizes, list) or not isinstance(shape, list):
            return grid
        units = _inner_sizes(document.get("codecs"), len(shape))
        sizes = _sizes(sizes, shape, units, "'chunk_shape'", fixes)
        lists = [isinstance(size, list) for size in sizes]
        if any(lists) and not all(lists):  # zarr-python 3.2 wrote such grids
            fixes.append("the chunk grid is called 'regular', lists sizes, and is read as 'rectilinear'")
            grid = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": sizes}}
            return _grid(grid, document, fixes)
        return {**grid, "configuration": {**configuration, "chunk_shape": sizes}}
    specs = configuration.get("chunk_shapes")
    if grid.get("name") != "rectilinear" or not isinstance(specs, list):
        return grid
    made = [_edges(spec) for spec in specs]
    if not _same(made, specs):
        fixes.append(f"'chunk_shapes' is {shorten(specs)}, and is read as {shorten(made)}")
    return {**grid, "configuration": {**configuration, "chunk_shapes": made}}


def _inner_sizes(codecs: Any, ndim: int) -> tuple[int, ...]:
    """Return the sizes of inner chunks. Those of shards are multiples of them."""
    for codec in codecs if isinstance(codecs, list) else ():
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            configuration = codec.get("configuration")
            inner = configuration.get("chunk_shape") if isinstance(configuration, dict) else None
            if isinstance(inner, list) and len(inner) == ndim:
                return tuple([size if type(size) is int and size > 0 else 1 for size in inner])
    return (1,) * ndim


def _edges(spec: Any) -> Any:
    """Correct the chunk sizes of one dimension, such as ``4.0`` or ``true``, but not the counts."""
    if spec is True:
        return 1
    if not isinstance(spec, list):
        return spec
    return [
        [_edge(item[0]), item[1]] if isinstance(item, list) and len(item) == 2 else _edge(item)
        for item in spec
    ]


def _edge(size: Any) -> Any:
    if size is True:
        return 1
    return int(size) if type(size) is float and size.is_integer() and size >= 1 else size


def _same(made: Any, stored: Any) -> bool:
    """Return True if both are the same JSON. In Python, ``true`` equals 1 and ``4.0`` equals 4."""
    if isinstance(made, list) and isinstance(stored, list):
        return len(made) == len(stored) and all(map(_same, made, stored))
    return type(made) is type(stored) and made == stored


# -- fill values -------------------------------------------------------------------------

_KINDS_V3 = {
    "bool": "b",
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), "i"),
    **dict.fromkeys(("bfloat16", "float16", "float32", "float64"), "f"),
    **dict.fromkeys(("complex64", "complex128"), "c"),
    "string": "s",
    **dict.fromkeys(("raw_bytes", "null_terminated_bytes"), "V"),
}


def _kind_v2(dtype: str) -> str:
    return {"u": "i"}.get(dtype[1:2], dtype[1:2])


def _mend_fill(document: Json, kind: str, fixes: Fixes) -> None:
    if "fill_value" not in document:
        return
    stored = document["fill_value"]
    made = _fill(stored, kind)
    if not _same(made, stored):
        document["fill_value"] = made
        fixes.append(f"'fill_value' is {shorten(stored)}, and is read as {shorten(made)}")


def _fill(json: Any, kind: str) -> Any:
    """Correct a fill value that is a text, or a number of another type, for a kind of data type."""
    if kind == "i":
        if type(json) is bool:
            return int(json)
        if isinstance(json, str) and (found := _INTEGER.fullmatch(json)) and len(json) < 100:
            return int(found[1])
        if type(json) is float and json.is_integer():
            return int(json)
    elif kind == "f":
        return _float(json)
    elif kind == "c" and isinstance(json, list) and len(json) == 2:
        return [_float(part) for part in json]
    elif kind == "b":
        # zarr-python reads all other text as True, even "false" and "0", so its meaning is ambiguous.
        if type(json) in (int, float) and json in (0, 1):
            return bool(json)
        if isinstance(json, str) and json.strip().lower() in ("true", "1"):
            return True
    elif kind == "s" and type(json) in (int, float):
        return str(json)
    return json


def _float(json: Any) -> Any:
    if type(json) is bool:
        return float(json)
    if type(json) is float and not math.isfinite(json):
        return _SPECIAL[str(json)]
    if not isinstance(json, str) or json in _SPECIAL.values():
        return json
    text = json.strip().lower()
    if text in _SPECIAL:
        return _SPECIAL[text]
    return float(json) if _FLOAT.fullmatch(json) and math.isfinite(float(json)) else json
