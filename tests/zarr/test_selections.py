"""Reads and writes through exzarr equal those of zarr-python's own pipeline, for all layouts and selections."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import Phase, given, strategies as st
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from tests.breadth import examples
from tests.zarr.tools import HAS_RECTILINEAR, at, create, fallbacks, open_ours, open_plain, plain, same

pytestmark = pytest.mark.slow

DTYPES = ["i4", ">i2", "f8", "bool", "c8", "M8[s]", "S3", "U2", "u1"]
CODECS: list[dict[str, Any]] = [
    {},
    {"compressors": None},
    {"compressors": [GzipCodec(level=1), Crc32cCodec()]},
    {"compressors": BloscCodec(cname="lz4")},
    {"compressors": ZstdCodec(checksum=True)},
]


@st.composite
def layouts(draw: Any) -> dict[str, Any]:
    ndim = draw(st.integers(0, 3))
    shape = tuple(draw(st.integers(1, 14)) for _ in range(ndim))
    chunks: Any = tuple(draw(st.integers(1, 6)) for _ in range(ndim))
    zarr_format = draw(st.sampled_from([2, 3, 3]))
    options: dict[str, Any] = {
        "shape": shape,
        "chunks": chunks,
        "dtype": draw(st.sampled_from(DTYPES)),
        "zarr_format": zarr_format,
    }
    if zarr_format == 2:
        return {**options, "order": draw(st.sampled_from("CF"))}
    options |= draw(st.sampled_from(CODECS))
    kind = draw(st.sampled_from(["plain", "shards", "transpose", "big", "rectilinear"]))
    if kind == "shards" and ndim:
        options["shards"] = tuple(n * draw(st.integers(1, 3)) for n in chunks)
    if kind == "transpose" and ndim:
        options["filters"] = [TransposeCodec(order=tuple(draw(st.permutations(range(ndim)))))]
    if kind == "big" and options["dtype"] in ("i4", "f8"):
        options["serializer"] = BytesCodec(endian="big")
    if kind == "rectilinear" and ndim and HAS_RECTILINEAR:
        options["chunks"] = [_lengths(draw, n) for n in shape]
    return options


def _lengths(draw: Any, n: int) -> list[int]:
    cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=4))) if n > 1 else []
    return np.diff([0, *cuts, n]).tolist()


@st.composite
def slices(draw: Any, n: int) -> slice:
    start = draw(st.integers(0, n - 1))
    return slice(start, draw(st.integers(start, n + 2)), draw(st.integers(1, 4)))


def positions(n: int, *, unique: bool) -> Any:
    return st.lists(
        st.integers(-n, n - 1), min_size=1, max_size=6, unique_by=lambda i: i % n if unique else object()
    )


@st.composite
def selections(draw: Any, shape: tuple[int, ...], *, unique: bool) -> tuple[str, Any]:
    """Draw a selection; with `unique`, no element twice."""
    how = draw(st.sampled_from(["basic", "oindex", "vindex", "mask"] if shape else ["basic"]))
    if how == "vindex":
        count = draw(st.integers(1, 8))
        points = [tuple(draw(st.integers(0, n - 1)) for n in shape) for _ in range(count)]
        points = [*dict.fromkeys(points)] if unique else points
        return how, tuple(np.array(dim) for dim in zip(*points, strict=True))
    if how == "mask":
        seed = draw(st.integers(0, 1000))
        mask = np.random.default_rng(seed).random(shape) < 0.4
        mask.flat[0] = True
        return "vindex", mask
    parts: list[Any] = []
    for n in shape:
        kinds = [slices(n), st.integers(-n, n - 1), st.just(slice(None))]
        if how == "oindex":
            masks = st.lists(st.booleans(), min_size=n, max_size=n).filter(any).map(np.array)
            kinds += [positions(n, unique=unique).map(np.array), masks]
        parts.append(draw(st.one_of(kinds)))
    return how, tuple(parts)


def values_for(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int) -> Any:
    numbers = np.random.default_rng(seed).integers(0, 99, shape)
    return np.asarray(numbers).astype(dtype)


@pytest.mark.parametrize("kind", ["memory", "local"])
@given(data=st.data())
@examples(40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_reads_and_writes_equal_those_of_zarr_python(kind: str, data: Any) -> None:
    options = data.draw(layouts())
    fill = data.draw(st.sampled_from([0, 1]))
    dtype = np.dtype(options["dtype"])
    with (
        tempfile.TemporaryDirectory() as folder,
        zarr.config.set({"array.rectilinear_chunks": True} if HAS_RECTILINEAR else {}),
    ):
        store: Any = LocalStore(folder) if kind == "local" else MemoryStore()
        options["fill_value"] = np.zeros((), dtype)[()] if not fill else values_for(dtype, (), 5)[()]
        ours = create(store, **options)
        with plain():
            # Without shards, because zarr-python 3.1 cannot write all selections of them.
            theirs = zarr.create_array({}, **{**options, "shards": None})
        with fallbacks() as fell_back:
            for _ in range(4):
                how, selection = data.draw(selections(ours.shape, unique=False))
                same(at(ours, how)[selection], at(theirs, how)[selection])
                how, selection = data.draw(selections(ours.shape, unique=True))
                shape = np.shape(at(theirs, how)[selection])
                value = values_for(
                    dtype, data.draw(st.sampled_from([shape, ()])), data.draw(st.integers(0, 99))
                )
                if not value.ndim:
                    value = value[()]
                at(theirs, how)[selection] = value
                at(ours, how)[selection] = value
                same(ours[...], theirs[...])
            assert fell_back == []
        # Documents of v3 do not have the order of bytes.
        np.testing.assert_array_equal(open_plain(store)[...], theirs[...])
        np.testing.assert_array_equal(open_ours(theirs.store)[...], theirs[...])
        assert options.get("shards") is not None or stored(ours) == stored(theirs)


def stored(array: Any) -> set[str]:
    async def keys() -> set[str]:
        return {
            key
            async for key in array.store.list()
            if not key.rpartition("/")[2].startswith((".", "zarr.json"))
        }

    return set(zarr.core.sync.sync(keys()))


@pytest.mark.parametrize("dtype", ["string", "vlen-bytes"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_strings_and_bytes_of_any_length(dtype: str, zarr_format: int) -> None:
    values: Any = np.array(["", "ä", "long " * 9, "x"] * 3, object)
    options: dict[str, Any] = {"dtype": str}
    if dtype == "vlen-bytes":
        from zarr.dtype import VariableLengthBytes

        values = np.array([text.encode() for text in values], object)
        options = {"dtype": VariableLengthBytes()}
    if zarr_format == 3 and dtype == "string":
        options["shards"] = (6,)
    a = create({}, shape=(12,), chunks=(3,), zarr_format=zarr_format, **options)
    with fallbacks() as fell_back:
        a[:] = values
        a[2:5] = values[5:8]
        values[2:5] = values[5:8]
        np.testing.assert_array_equal(np.asarray(a[:], object), values)
        np.testing.assert_array_equal(np.asarray(a[1:9:3], object), values[1:9:3])
    assert fell_back == []
    np.testing.assert_array_equal(np.asarray(open_plain(a.store)[:], object), values)


def test_structured_values_and_fields() -> None:
    dtype = np.dtype([("x", "i4"), ("y", "f8")])
    values = np.zeros(20, dtype)
    values["x"], values["y"] = np.arange(20), np.arange(20) / 3
    for zarr_format in (2, 3):
        a = create({}, shape=(20,), chunks=(6,), dtype=dtype, zarr_format=zarr_format)
        a[:] = values
        a[3:8] = values[8:13]
        with plain():
            b = zarr.create_array({}, shape=(20,), chunks=(6,), dtype=dtype, zarr_format=zarr_format)
        b[:] = values
        b[3:8] = values[8:13]
        same(a[:], b[:])
        same(open_plain(a.store)[:], b[:])


@pytest.mark.parametrize("shards", [None, (8,)])
def test_writes_of_the_fill_value_delete_chunks_unless_the_array_keeps_them(shards: Any) -> None:
    for keep in (False, True):
        a = create(
            {}, shape=(16,), chunks=(4,), shards=shards, dtype="i4", config={"write_empty_chunks": keep}
        )
        a[:] = 1
        a[:8] = 0
        a[8:10] = 0
        a[10:16] = 0
        assert len(stored(a)) == (0 if not keep else 4 if shards is None else 2)


def test_blocks_and_resized_arrays() -> None:
    a = create({}, shape=(10,), chunks=(4,), dtype="i4")
    with fallbacks() as fell_back:
        a[:] = np.arange(10)
        same(a.blocks[1], np.arange(4, 8, dtype="i4"))
        a.resize((21,))
        a[10:] = np.arange(10, 21)
        same(a[:], np.arange(21, dtype="i4"))
        a.append(np.arange(21, 30, dtype="i4"))
        same(a[:], np.arange(30, dtype="i4"))
        a.blocks[2] = 7
        same(a[7:13], np.array([7, 7, 7, 7, 7, 12], "i4"))
    assert fell_back == []


def test_reads_into_the_users_array() -> None:
    from zarr.core.buffer import default_buffer_prototype

    a = create({}, shape=(10, 10), chunks=(4, 4), dtype="i4")
    a[:] = np.arange(100).reshape(10, 10)
    for out in (np.empty((10, 10), "i4"), np.empty((10, 10), "i4", order="F")):
        a.get_basic_selection(Ellipsis, out=default_buffer_prototype().nd_buffer.from_numpy_array(out))
        same(out, np.arange(100, dtype="i4").reshape(10, 10))
