"""Hypothesis strategies for arrays and selections, with the result of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from exzarr._nodes.array import Array
from tests.engine.tools import data_for, make

__all__ = ["Pick", "arrays", "configs", "grids", "picks", "values_for"]

# -- arrays ------------------------------------------------------------------------------

PLAIN = ["bool", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16"]
BYTES = ["M8[s]", "m8[us]", "M8[25ns]", "S3", "U2", "r24"]
RECORD = np.dtype([("x", "f4"), ("y", "i2"), ("z", "S2")])
NESTED = np.dtype([("p", "u1"), ("q", [("a", "f8"), ("b", "i4")])])
ML = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint2"]
VARIABLE = ["string", bytes]

numbers = st.sampled_from(PLAIN)
fixed = st.one_of(numbers, st.sampled_from(BYTES), st.sampled_from([RECORD, NESTED]))
v3_types = st.one_of(fixed, st.sampled_from(ML), st.sampled_from(VARIABLE))
v2_types = st.one_of(
    fixed.filter(lambda dtype: dtype != "r24"),
    st.sampled_from([">i4", ">f8", ">U2", ">M8[s]"]),
    st.sampled_from(VARIABLE),
)

COMPRESSORS: list[Any] = [
    None,
    "zstd",
    "auto",
    {"name": "gzip", "configuration": {"level": 1}},
    {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 1, "shuffle": "shuffle"}},
    [{"name": "crc32c"}],
    [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}, {"name": "crc32c"}],
]
V2_COMPRESSORS: list[Any] = [
    None,
    "zstd",
    {"id": "zlib", "level": 1},
    {"id": "blosc"},
    {"id": "lz4"},
    {"id": "bz2"},
]

shapes = st.one_of(
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.tuples(st.integers(1, 40)),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8)),
)


@st.composite
def grids(draw: Any, shape: tuple[int, ...], zarr_format: int) -> dict[str, Any]:
    """Draw chunks, shards, shards in shards, and chunks of varying length."""
    chunks = tuple([draw(st.integers(1, max(1, n + 2))) for n in shape])
    kinds = ["regular"]
    if zarr_format == 3 and shape:
        kinds += ["sharded", "sharded", "nested", "rectilinear", "rectilinear shards"]
    kind = draw(st.sampled_from(kinds))
    if kind == "regular":
        return {"chunks": chunks}
    if kind == "rectilinear":
        return {"chunks": tuple([draw(edges(n, 1)) for n in shape])}
    inner = tuple([draw(st.integers(1, 3)) for _ in shape])
    location = draw(st.sampled_from(["start", "end"]))
    if kind == "rectilinear shards":
        return {
            "chunks": inner,
            "shards": tuple([draw(edges(n, size)) for n, size in zip(shape, inner, strict=True)]),
        }
    if kind == "sharded":
        outer = tuple([size * draw(st.integers(1, 4)) for size in inner])
        return {"chunks": inner, "shards": {"shape": outer, "index_location": location}}
    middle = tuple([size * draw(st.integers(1, 2)) for size in inner])
    outer = tuple([size * draw(st.integers(1, 2)) for size in middle])
    crc, little = {"name": "crc32c"}, {"name": "bytes", "configuration": {"endian": "little"}}
    nested = {
        "chunk_shape": inner,
        "codecs": "inner",
        "index_codecs": [little, crc],
        "index_location": location,
    }
    return {
        "chunks": middle,
        "shards": outer,
        "serializer": {"name": "sharding_indexed", "configuration": nested},
    }


@st.composite
def edges(draw: Any, length: int, unit: int) -> list[int]:
    """Draw lengths of chunks, multiples of `unit`, whose sum is at least `length`."""
    sizes: list[int] = []
    while sum(sizes) < max(1, length):
        sizes.append(unit * draw(st.integers(1, 4)))
    if unit == 1 and length:  # as in dask: the sum is the length
        sizes[-1] -= sum(sizes) - length
    return sizes


@st.composite
def arrays(
    draw: Any, /, types: Any = None, shape: Any = shapes, formats: Any = (3, 3, 2), **options: Any
) -> Array:
    """Draw a new, empty array in memory."""
    zarr_format = draw(st.sampled_from(formats))
    lengths = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    if types is None:
        types = v3_types if zarr_format == 3 else v2_types
    dtype = draw(types)
    layout = draw(grids(lengths, zarr_format))
    chosen: dict[str, Any] = {"zarr_format": zarr_format, **layout}
    chosen["compressors"] = draw(st.sampled_from(COMPRESSORS if zarr_format == 3 else V2_COMPRESSORS))
    variable = dtype in VARIABLE
    if "serializer" in layout:
        inner: Any = {"name": "bytes", "configuration": {"endian": draw(st.sampled_from(["little", "big"]))}}
        if variable:
            inner = {"name": "vlen-utf8" if dtype == "string" else "vlen-bytes"}
        configuration = layout["serializer"]["configuration"]
        chosen["serializer"] = {
            "name": "sharding_indexed",
            "configuration": {**configuration, "codecs": [inner]},
        }
    elif zarr_format == 3 and not variable and draw(st.booleans()):
        chosen["serializer"] = {"name": "bytes", "configuration": {"endian": "big"}}
    # A transposed chunk would require transposed shards inside it.
    chosen["order"] = draw(st.sampled_from("CCF")) if "shape" not in str(layout.get("serializer")) else "C"
    if zarr_format == 2:
        chosen["chunk_key_encoding"] = ("v2", draw(st.sampled_from([".", "/"])))
    else:
        chosen["chunk_key_encoding"] = draw(
            st.sampled_from([("default", "/"), ("default", "."), ("v2", "."), ("v2", "/")])
        )
    fill = draw(st.sampled_from(FILLS)) if isinstance(dtype, str) and dtype in PLAIN[1:] else None
    if (
        fill is not None
        and not (dtype[0] == "u" and fill < 0)
        and not (dtype[0] in "iu" and fill != int(fill))
    ):
        chosen["fill_value"] = fill
    chosen.update(options)
    write_empty = draw(st.booleans())
    return make(lengths, dtype, access={"write_empty_chunks": write_empty}, **chosen)


FILLS = [None, 1, 3, -1, 1.5]


def blank(array: Array) -> np.ndarray:
    """Return the NumPy model of `array` before the first write."""
    model = np.empty(array.shape, array.dtype)
    if array.fill_value is None:
        return np.zeros(array.shape, array.dtype)
    model[...] = array.fill_value
    return model


configs = st.sampled_from(
    [
        {"workers": 1},
        {"workers": 2, "inline_bytes": 0},
        {"workers": 2, "inline_bytes": 0, "coalesce_gap": 0},
        {"workers": 1, "coalesce_gap": 0, "coalesce_max": 8},
        {"workers": 3, "inline_bytes": 0, "coalesce_max": 64, "shard_index_cache": 0},
    ]
)

# -- selections ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pick:
    """One selection.

    `read` takes an exzarr array, and `expect` the NumPy model. `write` and `assign` are the same for
    writing. `shape` is the shape of the selection.
    """

    text: str
    read: Callable[[Array], Any]
    expect: Callable[[np.ndarray], Any]
    write: Callable[[Array, Any], None]
    assign: Callable[[np.ndarray, Any], None]
    get: Callable[[Array, np.ndarray], Any] | None = None

    def __repr__(self) -> str:
        return self.text


def slices(n: int) -> Any:
    ends = st.none() | st.integers(-n - 2, n + 2)
    steps = st.sampled_from([None, None, 1, 2, 3, -1, -2, 7, -(n + 1)])
    return st.builds(slice, ends, ends, steps)


def integers(n: int) -> Any:
    plain = st.integers(-n, n - 1)
    return st.one_of(plain, plain.map(np.int64), plain.map(lambda i: np.uint8(i) if i >= 0 else np.int8(i)))


def _basic_part(n: int) -> Any:
    return slices(n) if n == 0 else st.one_of(slices(n), slices(n), integers(n))


@st.composite
def basic(draw: Any, shape: tuple[int, ...], newaxis: bool = True) -> Any:
    parts: list[Any] = [draw(_basic_part(n)) for n in shape]
    if draw(st.booleans()) and parts:  # replace some of them by the ellipsis, or omit them
        first = draw(st.integers(0, len(parts)))
        last = draw(st.integers(first, len(parts)))
        if last < len(parts) or draw(st.booleans()):
            parts[first:last] = [Ellipsis]
        else:
            del parts[first:]
    if newaxis:
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            parts.insert(draw(st.integers(0, len(parts))), None)
    if len(parts) == 1 and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


def index_lists(n: int, size: Any = None) -> Any:
    length = st.integers(0, 8) if size is None else st.just(size)
    if n == 0:
        return st.just(np.zeros(0, int))
    return length.flatmap(lambda k: st.lists(st.integers(-n, n - 1), min_size=k, max_size=k)).map(_as_index)


def _as_index(items: list[int]) -> Any:
    kinds: list[Any] = [list, lambda x: np.array(x, np.int64), lambda x: np.array(x, np.int16)]
    return kinds[len(items) % 3](items)


def masks(n: int) -> Any:
    return st.lists(st.booleans(), min_size=n, max_size=n).map(lambda x: np.array(x, bool))


def _outer_part(n: int) -> Any:
    parts = [slices(n), index_lists(n), masks(n)]
    return st.one_of(*parts, integers(n)) if n else st.one_of(*parts)


def outer(model: np.ndarray, parts: tuple[Any, ...]) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Return ``oindex[parts]`` as an index for NumPy, the shape of its result, and the user's shape."""
    if Ellipsis in [part if part is Ellipsis else None for part in parts]:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = (*parts[:at], *[slice(None)] * (model.ndim - len(parts) + 1), *parts[at + 1 :])
    parts = (*parts, *[slice(None)] * (model.ndim - len(parts)))
    rows, shape = [], []
    for part, n in zip(parts, model.shape, strict=True):
        if isinstance(part, slice):
            rows.append(np.arange(n)[part])
        elif isinstance(part, list | np.ndarray):
            array = np.asarray(part)
            rows.append(np.flatnonzero(array) if array.dtype == bool else array.astype(int).reshape(-1))
        else:
            rows.append(np.array([int(part)]))
            continue
        shape.append(len(rows[-1]))
    return np.ix_(*rows), tuple([len(row) for row in rows]), tuple(shape)


@st.composite
def orthogonal(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    parts: list[Any] = [draw(_outer_part(n)) for n in shape]
    if parts and draw(st.booleans()):
        first = draw(st.integers(0, len(parts)))
        parts[first : draw(st.integers(first, len(parts)))] = [Ellipsis]
    return tuple(parts)


@st.composite
def pointwise(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw index arrays that broadcast, with slices and integers between them."""
    points = draw(st.sampled_from([(), (0,), (1,), (3,), (6,), (2, 3), (1, 2, 2)]))
    chosen = [draw(st.booleans()) and (n > 0 or 0 in points) for n in shape]
    if not any(chosen):
        chosen[draw(st.integers(0, len(shape) - 1))] = True
    parts: list[Any] = []
    for n, is_point in zip(shape, chosen, strict=True):
        if not is_point:
            parts.append(draw(_basic_part(n)))
            continue
        size = points if draw(st.booleans()) else points[1:]
        low = -n if n else 0
        flat = [draw(st.integers(low, max(0, n - 1))) for _ in range(int(np.prod(size)))]
        parts.append(np.array(flat, int).reshape(size) if n or 0 in size else np.zeros((0,), int))
    if draw(st.booleans()) and isinstance(parts[-1], slice):
        parts[-1] = Ellipsis if draw(st.booleans()) or len(parts) == 1 else slice(None)
    return tuple(parts)


@st.composite
def masked(draw: Any, shape: tuple[int, ...]) -> Any:
    """Draw a mask over adjacent dimensions, and slices and integers for the others."""
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first + 1, len(shape)))
    taken = shape[first:last]
    seed = draw(st.integers(0, 2**16))
    mask = np.random.default_rng(seed).random(taken) < draw(st.sampled_from([0.0, 0.2, 0.7, 1.0]))
    before = [draw(_basic_part(n)) for n in shape[:first]]
    after = [draw(_basic_part(n)) for n in shape[last:]]
    if not before and not after and draw(st.booleans()):
        return mask
    return (*before, mask, *(after if draw(st.booleans()) else [Ellipsis] if after else []))


@st.composite
def mixed(draw: Any, shape: tuple[int, ...]) -> Any:
    """Draw mixed selections: slices, integers, ranges, index arrays, 0-dimensional booleans, new dimensions."""
    count = draw(st.sampled_from([0, 1, 1, 3, 4]))
    parts: list[Any] = []
    for n in shape:
        kinds = [slices(n)]
        if n:
            kinds += [integers(n), index_lists(n, count), index_lists(n, 1)]
            step = draw(st.sampled_from([1, -1, 2]))
            run = range(0, step * count, step) if step > 0 else range(-1, -1 - count, -1)
            if count and max(map(abs, run)) < n:
                kinds.append(st.just(run))
        parts.append(draw(st.one_of(kinds)))
        if isinstance(parts[-1], list) and draw(st.booleans()):
            parts[-1] = tuple(parts[-1])
    if parts and draw(st.booleans()):
        first = draw(st.integers(0, len(parts)))
        parts[first : draw(st.integers(first, len(parts)))] = [Ellipsis]
    true: list[Any] = [True, np.True_, np.array(True)]
    false: list[Any] = [False, np.False_, np.array(False)]
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        extra = st.sampled_from(true + false if count < 2 else true)
        parts.insert(draw(st.integers(0, len(parts))), draw(extra))
    for _ in range(draw(st.sampled_from([0, 1, 2]))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if len(parts) == 1 and type(parts[0]) is not tuple and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


def _plain(selection: Any) -> Pick:
    def assign(model: np.ndarray, value: Any) -> None:
        model[selection] = value

    def write(array: Array, value: Any) -> None:
        array[selection] = value

    return Pick(
        f"[{selection!r}]",
        lambda array: array[selection],
        lambda model: model[selection],
        write,
        assign,
        lambda array, out: array.get(selection, out=out),
    )


def _vindex(selection: Any) -> Pick:
    def write(array: Array, value: Any) -> None:
        array.vindex[selection] = value

    return Pick(
        f".vindex[{selection!r}]",
        lambda array: array.vindex[selection],
        _plain(selection).expect,
        write,
        _plain(selection).assign,
        lambda array, out: array.get_coordinate_selection(selection, out=out),
    )


def _oindex(selection: tuple[Any, ...]) -> Pick:
    given = selection[0] if len(selection) == 1 else selection

    def write(array: Array, value: Any) -> None:
        array.oindex[given] = value

    return Pick(
        f".oindex[{selection!r}]",
        lambda array: array.oindex[given],
        lambda model: _outer_read(model, selection),
        write,
        lambda model, value: _outer_write(model, selection, value),
        lambda array, out: array.get_orthogonal_selection(given, out=out),
    )


def _outer_read(model: np.ndarray, parts: tuple[Any, ...]) -> Any:
    index, _, shape = outer(model, parts)
    result = model[index].reshape(shape) if model.ndim else model.copy()
    return result if shape or Ellipsis in parts else result[()]


def _outer_write(model: np.ndarray, parts: tuple[Any, ...], value: Any) -> None:
    index, full, shape = outer(model, parts)
    model[index or ...] = np.broadcast_to(np.asarray(value, model.dtype), shape).reshape(full)


@st.composite
def blocks(draw: Any, array: Array) -> Pick:
    """Draw a selection of whole chunks (shards), with the lengths of `write_chunk_sizes`."""
    parts: list[Any] = []
    region = []
    for sizes in array.write_chunk_sizes:
        ends = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        part = draw(slices(len(sizes)).map(lambda s: slice(s.start, s.stop)))
        if sizes and draw(st.booleans()):
            part = draw(integers(len(sizes)))
        if isinstance(part, slice):
            first, stop, _ = part.indices(len(sizes))
            stop = max(first, stop)
        else:
            first = int(part) % len(sizes)
            stop = first + 1
        parts.append(part)
        region.append(slice(int(ends[first]), int(ends[stop])))
    selection, here = tuple(parts), tuple(region)

    def write(target: Array, value: Any) -> None:
        target.blocks[selection] = value

    return Pick(
        f".blocks[{selection!r}]",
        lambda target: target.blocks[selection],
        lambda model: np.array(model[here]),
        write,
        lambda model, value: model.__setitem__(here, value),
        lambda target, out: target.get_block_selection(selection, out=out),
    )


@st.composite
def picks(draw: Any, array: Array) -> Pick:
    """Draw any kind of selection of `array`."""
    shape = array.shape
    kinds = ["basic", "basic", "outer", "mixed"]
    if shape:
        kinds += ["blocks", "points", "points", "vindex", "mask", "mask", "whole"]
    kind = draw(st.sampled_from(kinds))
    if kind == "basic":
        return _plain(draw(basic(shape)))
    if kind == "mixed":
        return _plain(draw(mixed(shape)))
    if kind == "whole":
        return _plain(Ellipsis)
    if kind == "outer":
        return _oindex(draw(orthogonal(shape)))
    if kind == "blocks":
        return draw(blocks(array))
    if kind == "points":
        return _plain(draw(pointwise(shape)))
    if kind == "vindex":
        return _vindex(draw(st.one_of(pointwise(shape), masked(shape))))
    return _plain(draw(masked(shape)))


@st.composite
def values_for(draw: Any, array: Array, shape: tuple[int, ...]) -> Any:
    """Draw a value that broadcasts to `shape`: a scalar, an array, one of fewer dimensions, a list, a view."""
    value = draw(_values(array, shape))
    # NumPy stores a 0-dimensional array of objects as an object.
    return value[()] if array.dtype == object and isinstance(value, np.ndarray) and not value.ndim else value


@st.composite
def _values(draw: Any, array: Array, shape: tuple[int, ...]) -> Any:
    seed = draw(st.integers(0, 2**16))
    kind = draw(
        st.sampled_from(["full", "full", "scalar", "zero-dimensional", "thin", "short", "strided", "list"])
    )
    if kind == "scalar":
        return data_for(array, seed, (1,))[0]
    if kind == "zero-dimensional":
        return data_for(array, seed, ())
    if kind == "thin":
        return data_for(array, seed, tuple([1 if draw(st.booleans()) else n for n in shape]))
    if kind == "short":
        return data_for(array, seed, shape[draw(st.integers(0, len(shape))) :])
    if kind == "strided":
        return data_for(array, seed, (*shape, 3))[..., 1]
    if kind == "list" and array.dtype.kind in "biufT" and 0 not in shape:
        return data_for(array, seed, shape).tolist()
    return data_for(array, seed, shape)
