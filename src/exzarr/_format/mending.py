"""Invalid documents that older software wrote, as the valid documents that they stand for.

Nothing here guesses: a document is mended where it can mean one thing only, and where other readers (zarr-python's
repair of metadata) take it for the same. Parsers try this when a document is refused as it is. `exzarr.check` tells
of every such document, and `exzarr.repair` stores the mended one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exzarr._format.named import shorten

__all__ = ["mend", "mend_v2", "mend_v3", "sized_shuffle", "strict_fill"]

Json = dict[str, Any]
Notes = list[str]

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
    """The document called `name` (``"zarr.json"``, ``".zarray"``, ``".zmetadata"``, ...) as it should be.

    Returns it, and what was wrong with it: nothing for a document that is as it should be, and for one of which it
    is not clear what it means.
    """
    if name == "zarr.json":
        return _group_v3(document) if document.get("node_type") == "group" else mend_v3(document)
    if name == ".zarray":
        return mend_v2(document)
    if name == ".zmetadata":
        return _members(document, _member_v2)
    return dict(document), ()


def mend_v2(zarray: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """A ``.zarray``, as `mend` returns it."""
    made, notes = dict(zarray), Notes()
    if "compressor" not in made:
        made["compressor"] = None
        notes.append("'compressor' is missing, and is read as null")
    if "filters" in made and made["filters"] is not None and not made["filters"]:
        notes.append(f"'filters' is {shorten(made['filters'])}, and is read as null")
        made["filters"] = None
    dtype = made.get("dtype")
    if isinstance(dtype, str) and dtype[1:2] in ("m", "M") and "μs" in dtype.replace("µ", "μ"):
        made["dtype"] = dtype.replace("µ", "μ").replace("μs", "us")
        notes.append(f"the unit of 'dtype' {shorten(dtype)} is read as 'us'")
    _mend_lengths(made, "shape", notes)
    _mend_lengths(made, "chunks", notes)
    shape = made.get("shape")
    if isinstance(shape, list) and isinstance(made.get("chunks"), list):
        made["chunks"] = _sizes(made["chunks"], shape, (1,) * len(shape), "'chunks'", notes)
    if isinstance(dtype, str):
        _mend_fill(made, _kind_v2(dtype), notes)
        _mend_shuffle(made, dtype, notes)
    return made, tuple(notes)


def mend_v3(document: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """The ``zarr.json`` of an array, as `mend` returns it."""
    made, notes = dict(document), Notes()
    if made.get("attributes") in ([], ""):
        notes.append(f"'attributes' is {shorten(made['attributes'])}, and is read as none")
        made["attributes"] = {}
    _mend_lengths(made, "shape", notes)
    if isinstance(made.get("codecs"), list):
        made["codecs"] = [_codec(codec, notes) for codec in made["codecs"]]
    grid = made.get("chunk_grid")
    if isinstance(grid, dict) and isinstance(grid.get("configuration"), dict):
        made["chunk_grid"] = _grid(grid, made, notes)
    data_type = made.get("data_type")
    if isinstance(data_type, dict):
        data_type = data_type.get("name")
    if isinstance(data_type, str):
        _mend_fill(made, _KINDS_V3.get(data_type, ""), notes)
    return made, tuple(notes)


def strict_fill(document: Any) -> Any:
    """A node's document without a bare ``NaN`` or ``Infinity`` as its fill value, which are no JSON."""
    fill = document.get("fill_value") if isinstance(document, dict) else None
    if type(fill) is float and not math.isfinite(fill):
        return {**document, "fill_value": _SPECIAL[str(fill)]}
    return document


def _mend_shuffle(document: Json, dtype: str, notes: Notes) -> None:
    """Say the size of elements where netCDF left it to the reader: other readers do not shuffle then."""
    filters, digits = document.get("filters"), dtype[2:].partition("[")[0]
    if not isinstance(filters, list) or not digits.isdecimal():
        return
    size = int(digits[:9]) * (4 if dtype[1:2] == "U" else 1)
    document["filters"] = [*sized_shuffle(filters, size)]
    if document["filters"] != filters:
        notes.append(f"'elementsize' of shuffle is {filters[0]['elementsize']}, and is read as {size}")


def sized_shuffle(filters: Sequence[Any], itemsize: int) -> Sequence[Any]:
    """v2 filters, of which the first, where it is a shuffle, says of how many bytes an element is."""
    first = filters[0] if filters else None
    if isinstance(first, dict) and first.get("id") == "shuffle" and first.get("elementsize", 4) in (0, None):
        return [{**first, "elementsize": itemsize}, *filters[1:]]
    return filters


# -- groups ------------------------------------------------------------------------------


def _group_v3(document: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    made, notes = dict(document), Notes()
    inline = made.get("consolidated_metadata")
    if inline is not None and not inline and isinstance(inline, dict | list | str):
        notes.append(f"'consolidated_metadata' is {shorten(inline)}, and is read as none")
        del made["consolidated_metadata"]
    elif isinstance(inline, dict):
        made["consolidated_metadata"], more = _members(inline, _member_v3)
        notes += more
    if made.get("attributes") in ([], ""):
        notes.append(f"'attributes' is {shorten(made['attributes'])}, and is read as none")
        made["attributes"] = {}
    return made, tuple(notes)


Mend = Callable[[str, Json], tuple[Json, tuple[str, ...]]]


def _members(document: Mapping[str, Any], mended: Mend) -> tuple[Json, tuple[str, ...]]:
    """Consolidated metadata, each of its members mended."""
    members, notes = document.get("metadata"), Notes()
    if not isinstance(members, dict):
        return dict(document), ()
    made = {}
    for key, member in members.items():
        made[key] = member
        if isinstance(member, dict):
            made[key], more = mended(key, member)
            notes += [f"{key}: {note}" for note in more]
    return {**document, "metadata": made}, tuple(notes)


def _member_v2(key: str, member: Json) -> tuple[Json, tuple[str, ...]]:
    return mend_v2(member) if key.rpartition("/")[2] == ".zarray" else (member, ())


def _member_v3(_: str, member: Json) -> tuple[Json, tuple[str, ...]]:
    return mend("zarr.json", member)


# -- chunks ------------------------------------------------------------------------------


def _mend_lengths(document: Json, key: str, notes: Notes) -> None:
    """Lengths, of which one stood for a list of one, and ``true`` for 1."""
    stored = document.get(key)
    made = [stored] if type(stored) in (int, bool) else stored
    if isinstance(made, list):
        made = [1 if length is True else length for length in made]
    if not _same(made, stored):
        document[key] = made
        notes.append(f"{key!r} is {shorten(stored)}, and is read as {shorten(made)}")


def _sizes(sizes: list[Any], shape: list[Any], units: tuple[int, ...], what: str, notes: Notes) -> list[Any]:
    """Chunk sizes, of which 0 stands for the smallest there is: no chunk was ever stored under it."""
    if len(sizes) != len(shape):
        return sizes
    made = [
        1 if size is True else unit if type(size) is int and size == 0 else size
        for size, unit in zip(sizes, units, strict=True)
    ]
    if not _same(made, sizes):
        notes.append(f"{what} is {shorten(sizes)}, and is read as {shorten(made)}")
    return made


def _codec(codec: Any, notes: Notes) -> Any:
    """A codec; of shards, the sizes of inner chunks."""
    if not isinstance(codec, dict) or codec.get("name") != "sharding_indexed":
        return codec
    configuration = codec.get("configuration")
    if not isinstance(configuration, dict):
        return codec
    made = dict(configuration)
    sizes = made.get("chunk_shape")
    if isinstance(sizes, list) and any(size is True for size in sizes):
        made["chunk_shape"] = [1 if size is True else size for size in sizes]
        notes.append(f"the inner 'chunk_shape' is {shorten(sizes)}, and is read as {made['chunk_shape']}")
    if isinstance(made.get("codecs"), list):
        made["codecs"] = [_codec(inner, notes) for inner in made["codecs"]]
    return {**codec, "configuration": made}


def _grid(grid: Json, document: Json, notes: Notes) -> Json:
    configuration, shape = grid["configuration"], document.get("shape")
    if grid.get("name") == "regular":
        sizes = configuration.get("chunk_shape")
        if not isinstance(sizes, list) or not isinstance(shape, list):
            return grid
        units = _inner_sizes(document.get("codecs"), len(shape))
        sizes = _sizes(sizes, shape, units, "'chunk_shape'", notes)
        lists = [isinstance(size, list) for size in sizes]
        if any(lists) and not all(lists):  # zarr-python 3.2 wrote such grids
            notes.append("the chunk grid is called 'regular', lists sizes, and is read as 'rectilinear'")
            grid = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": sizes}}
            return _grid(grid, document, notes)
        return {**grid, "configuration": {**configuration, "chunk_shape": sizes}}
    specs = configuration.get("chunk_shapes")
    if grid.get("name") != "rectilinear" or not isinstance(specs, list):
        return grid
    made = [_edges(spec) for spec in specs]
    if not _same(made, specs):
        notes.append(f"'chunk_shapes' is {shorten(specs)}, and is read as {shorten(made)}")
    return {**grid, "configuration": {**configuration, "chunk_shapes": made}}


def _inner_sizes(codecs: Any, ndim: int) -> tuple[int, ...]:
    """The sizes of inner chunks, of which those of shards are multiples."""
    for codec in codecs if isinstance(codecs, list) else ():
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            configuration = codec.get("configuration")
            inner = configuration.get("chunk_shape") if isinstance(configuration, dict) else None
            if isinstance(inner, list) and len(inner) == ndim:
                return tuple([size if type(size) is int and size > 0 else 1 for size in inner])
    return (1,) * ndim


def _edges(spec: Any) -> Any:
    """The sizes of one dimension, of which some wrote ``4.0`` or ``true``; counts are left alone."""
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
    """Whether both are the same JSON: to Python, ``true`` is 1 and ``4.0`` is 4."""
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


def _mend_fill(document: Json, kind: str, notes: Notes) -> None:
    if "fill_value" not in document:
        return
    stored = document["fill_value"]
    made = _fill(stored, kind)
    if not _same(made, stored):
        document["fill_value"] = made
        notes.append(f"'fill_value' is {shorten(stored)}, and is read as {shorten(made)}")


def _fill(json: Any, kind: str) -> Any:
    """The fill value of a kind of data type, of which some wrote the text, or another type of number."""
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
        # Of other text zarr-python makes True, also of "false" and "0": it does not mean one thing only.
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
