"""Equal content has equal checksums. A second implementation of the definition verifies them."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st

import exzarr
from exzarr._tools.checksum.canonical import block_shape
from exzarr.stores.memory import MemoryStore
from tests.breadth import examples

FORMATS: Any = [2, 3]

# -- a second implementation in NumPy -----------------------------------------------------------


def blocks_of(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    lengths = [1] * len(shape)
    while np.prod(lengths, dtype=object) * itemsize * 2 <= 2**20:
        short = [axis for axis in range(len(shape)) if lengths[axis] < shape[axis]]
        if not short:
            break
        least = min(lengths[axis] for axis in short)
        lengths[max(axis for axis in short if lengths[axis] == least)] *= 2
    return tuple(lengths)


def elements(values: np.ndarray, itemsize: int, encode: Any) -> str:
    joined = b""
    if values.size:
        lengths = blocks_of(values.shape, itemsize)
        counts = [range(-(-n // m)) for n, m in zip(values.shape, lengths, strict=True)]
        for index in itertools.product(*counts):
            at = tuple(slice(i * m, (i + 1) * m) for i, m in zip(index, lengths, strict=True))
            joined += hashlib.sha256(encode(values[at])).digest()
    return hashlib.sha256(joined).hexdigest()


def by_definition(values: np.ndarray, data_type: Any, itemsize: int, encode: Any, **more: Any) -> str:
    """Compute the checksum of a root array."""
    record = {
        "path": "",
        "kind": "array",
        "attributes": {},
        "dimension_names": None,
        "data_type": data_type,
        "shape": list(values.shape),
        "elements": elements(values, itemsize, encode),
        **more,
    }
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"exzarr checksum 1\n{text}".encode()).hexdigest()


def little(values: np.ndarray) -> bytes:
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def counted(values: np.ndarray) -> bytes:
    items = [item if isinstance(item, bytes) else str(item).encode() for item in values.ravel().tolist()]
    return b"".join(struct.pack("<Q", len(item)) + item for item in items)


NUMBERS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16"]
NUMBERS += ["float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers(dtype: str, zarr_format: Any) -> None:
    values = np.arange(60).reshape(3, 4, 5).astype(dtype)
    array = exzarr.array(values, chunks=(2, 2, 2), zarr_format=zarr_format)
    wanted = by_definition(values, dtype, values.itemsize, little)
    assert exzarr.checksum(array).hexdigest == wanted
    if zarr_format == 2 and values.itemsize > 1 and dtype != "bool":
        big = exzarr.array(values.astype(values.dtype.newbyteorder(">")), zarr_format=2)
        assert big.dtype.byteorder == ">"
        assert exzarr.checksum(big).hexdigest == wanted


@pytest.mark.parametrize(
    ("dtype", "name", "itemsize", "encode"),
    [
        ("M8[ns]", "datetime64[1ns]", 8, lambda v: v.view("i8").astype("<i8").tobytes()),
        ("m8[10s]", "timedelta64[10s]", 8, lambda v: v.view("i8").astype("<i8").tobytes()),
        ("S3", "bytes[3]", 3, lambda v: v.tobytes()),
        ("U2", "utf32[2]", 8, little),
        ("V4", "raw[4]", 4, lambda v: v.tobytes()),
        ([("x", "f4"), ("n", "u2")], [["x", "float32"], ["n", "uint16"]], 6, lambda v: v.tobytes()),
        (ml_dtypes.bfloat16, "bfloat16", 2, lambda v: v.view("u2").astype("<u2").tobytes()),
        (ml_dtypes.float8_e4m3fn, "float8_e4m3fn", 1, lambda v: v.view("u1").tobytes()),
        (ml_dtypes.int4, "int4", 1, lambda v: v.astype("i1").tobytes()),
        (ml_dtypes.uint2, "uint2", 1, lambda v: v.astype("u1").tobytes()),
        (str, "string", 16, counted),
        (bytes, "bytes", 16, counted),
    ],
    ids=lambda value: str(value)[:20],
)
def test_other_data_types(dtype: Any, name: Any, itemsize: int, encode: Any) -> None:
    numbers = np.arange(21).reshape(3, 7) % 4
    values: Any
    if dtype in (str, bytes):
        values = np.empty((3, 7), object)
        values[...] = [["x" * n if dtype is str else b"y" * n for n in row] for row in numbers.tolist()]
    elif dtype == "V4":
        values = numbers.astype("<u4").view("V4")
    elif isinstance(dtype, list):
        values = np.zeros((3, 7), dtype)
        values["x"], values["n"] = numbers / 2, numbers
    elif isinstance(dtype, str) and dtype[0] in "SU":
        values = numbers.astype(dtype)
    else:
        values = (numbers - (numbers % 2 if dtype is ml_dtypes.int4 else 0)).astype(dtype)
    array = exzarr.create_array(None, shape=(3, 7), chunks=(2, 3), dtype=dtype)
    array[...] = values
    assert exzarr.checksum(array).hexdigest == by_definition(values, name, itemsize, encode)


def test_nans_keep_their_payload() -> None:
    bits = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000, 0x7F800001, 0x80000000, 0], "u4")
    values = bits.view("f4")
    wanted = by_definition(values, "float32", 4, lambda v: v.view("u4").astype("<u4").tobytes())
    for zarr_format, order in itertools.product(FORMATS, "<>"):
        array = exzarr.create_array(
            None,
            shape=(6,),
            dtype=f"{order if zarr_format == 2 else ''}f4",
            chunks=(4,),
            zarr_format=zarr_format,
        )
        array[...] = values
        assert exzarr.checksum(array).hexdigest == wanted
    others = [np.roll(bits, n).view("f4") for n in range(1, 6)]
    assert len({exzarr.checksum(exzarr.array(v)).hexdigest for v in [values, *others]}) == 6


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (3, 0), (70_001,), (300, 700), (3, 90_000), (90_000, 3), (40, 50, 60, 3)]
)
@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_shapes(shape: tuple[int, ...], dtype: str) -> None:
    """Arrays of one block and of many blocks."""
    values = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    array = exzarr.array(values)
    assert block_shape(shape, values.itemsize) == blocks_of(shape, values.itemsize)
    assert exzarr.checksum(array).hexdigest == by_definition(
        values, values.dtype.name, values.itemsize, little
    )


def test_hierarchy_matches_the_definition(tmp_path: Path) -> None:
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w", attributes={"b": [1, 2.5], "a": {"é": None}})
    root.create_array("g/x", shape=(3,), dtype="i2", dimension_names=("t",), attributes={"u": float("nan")})
    root.create_group("g-1")
    records = [
        {"path": "", "kind": "group", "attributes": {"b": [1, 2.5], "a": {"é": None}}},
        {"path": "g", "kind": "group", "attributes": {}},
        {"path": "g-1", "kind": "group", "attributes": {}},
        {
            "path": "g/x", "kind": "array", "attributes": {"u": float("nan")}, "dimension_names": ["t"],
            "data_type": "int16", "shape": [3], "elements": elements(np.zeros(3, "i2"), 2, little),
        },
    ]  # fmt: skip
    lines = [json.dumps(record, sort_keys=True, separators=(",", ":")) for record in records]
    found = exzarr.checksum(tmp_path / "s.zarr")
    assert found.hexdigest == hashlib.sha256("\n".join(["exzarr checksum 1", *lines]).encode()).hexdigest()
    assert str(found) == found.hexdigest
    assert list(found.nodes) == ["", "g", "g-1", "g/x"]
    assert found.nodes["g/x"] == hashlib.sha256(lines[3].encode()).hexdigest()
    assert (
        exzarr.checksum(tmp_path / "s.zarr", path="g/x").hexdigest == exzarr.checksum(root["g/x"]).hexdigest
    )  # type: ignore[arg-type]


# -- equal content --------------------------------------------------------------------------


@given(st.data())
@examples(20)
def test_chunks_codecs_stores_and_versions_do_not_matter(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)))
    dtype = data.draw(st.sampled_from(["i2", "f4", "U3", "bool"]))
    values = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 2, shape).astype(dtype)

    def made() -> exzarr.Array:
        zarr_format = data.draw(st.sampled_from([2, 3]))
        chunks = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
        shards = None
        if zarr_format == 3 and data.draw(st.booleans()):
            shards = tuple(n * data.draw(st.integers(1, 3)) for n in chunks)
        array = exzarr.create_array(
            MemoryStore(),
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            shards=shards,
            zarr_format=zarr_format,
            compressors=data.draw(st.sampled_from([None, "auto", "gzip"])),
            order=data.draw(st.sampled_from("CF")) if zarr_format == 2 else None,
            dimension_names=[f"d{i}" for i in range(len(shape))],
            attributes={"one": 1},
        )
        array[...] = values
        return array

    memory = data.draw(st.sampled_from([1, 100, 2**28]))
    assert exzarr.checksum(made(), memory=memory).hexdigest == exzarr.checksum(made()).hexdigest


def test_copies_and_conversions_have_equal_checksums(tmp_path: Path) -> None:
    root = exzarr.open_group(tmp_path / "a.zarr", mode="w", attributes={"title": "x"})
    for name, dtype in (("f", "f4"), ("s", "string"), ("t", "M8[s]")):
        array = root.create_array(
            f"g/{name}", shape=(50, 40), chunks=(7, 9), shards=(14, 18), dtype=dtype,
            dimension_names=("y", "x"), attributes={"units": "m"},
        )  # fmt: skip
        values: Any = np.arange(1200).reshape(30, 40)
        array[:30] = values.astype(array.dtype)
    wanted = exzarr.checksum(root).hexdigest
    exzarr.copy(tmp_path / "a.zarr", tmp_path / "b.zip", chunks=(5, 40), shards=None, compressors="blosc")
    exzarr.copy(tmp_path / "a.zarr", tmp_path / "c.zarr", zarr_format=2, shards=None)
    exzarr.convert(tmp_path / "c.zarr", 3, destination=tmp_path / "d.zarr")
    exzarr.consolidate_metadata(str(tmp_path / "d.zarr"))
    (tmp_path / "a.zarr" / "notes.txt").write_text("no part of it")
    for name in ("a.zarr", "b.zip", "c.zarr", "d.zarr"):
        assert exzarr.checksum(tmp_path / name).hexdigest == wanted, name


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_hierarchies_of_zarr_python_have_equal_checksums(tmp_path: Path, zarr_format: Any) -> None:
    values = np.arange(300, dtype="i4").reshape(20, 15)
    theirs = zarr.create_array(
        tmp_path / "z", shape=(20, 15), chunks=(6, 4), dtype="i4", zarr_format=zarr_format
    )
    theirs[...] = values
    theirs.attrs["k"] = [1, {"b": 2, "a": 1}]
    ours = exzarr.array(values, attributes={"k": [1, {"a": 1, "b": 2}]})
    assert exzarr.checksum(tmp_path / "z").hexdigest == exzarr.checksum(ours).hexdigest


def test_missing_chunks_count_as_fill_value() -> None:
    plain = exzarr.array(np.full((10, 10), 7, "i4"), fill_value=0)
    filled = exzarr.full((10, 10), 7, chunks=(3, 3), dtype="i4")
    assert exzarr.checksum(plain).hexdigest == exzarr.checksum(filled).hexdigest


# -- other content --------------------------------------------------------------------------


def test_every_change_of_content_changes_the_checksum(tmp_path: Path) -> None:
    def fresh() -> exzarr.Group:
        root = exzarr.open_group(None, mode="w", attributes={"a": 1})
        array = root.create_array(
            "g/x", shape=(30, 20), chunks=(7, 7), dtype="f4", dimension_names=("y", "x")
        )
        array[...] = np.arange(600).reshape(30, 20)
        return root

    def array(root: exzarr.Group) -> exzarr.Array:
        return root["g/x"]  # type: ignore[return-value]

    def renamed(root: exzarr.Group) -> None:
        root.move("g/x", "g/y")

    def other_names(root: exzarr.Group) -> None:
        root["g/x"] = exzarr.array(np.arange(600, dtype="f4").reshape(30, 20), dimension_names=("x", "y"))

    def other_type(root: exzarr.Group) -> None:
        root["g/x"] = exzarr.array(np.arange(600, dtype="i4").reshape(30, 20), dimension_names=("y", "x"))

    changes: list[Any] = [
        lambda root: None,
        lambda root: array(root).__setitem__((29, 19), 0),
        lambda root: array(root).__setitem__((0, 0), -0.0),
        lambda root: array(root).__setitem__(slice(None), array(root)[::-1]),
        lambda root: array(root).resize((31, 20)),
        lambda root: array(root).attrs.update(a=1),
        lambda root: root.attrs.update(a=2),
        lambda root: root.attrs.update(a=1.0),
        lambda root: root.attrs.update(a="1"),
        lambda root: root.create_group("empty"),
        renamed,
        other_names,
        other_type,
    ]
    digests = []
    for change in changes:
        root = fresh()
        change(root)
        digests.append(exzarr.checksum(root).hexdigest)
    assert len(set(digests)) == len(changes)
    same = fresh()
    assert exzarr.checksum(same).hexdigest == digests[0]
    assert exzarr.checksum(same).data["g/x"] != digests[0]


def test_unreadable_chunk_raises_error(tmp_path: Path) -> None:
    exzarr.array(np.arange(10), store=tmp_path / "a.zarr", chunks=(5,))
    file = tmp_path / "a.zarr" / "c" / "1"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(exzarr.ChunkCorruptError, match=r"c/1"):
        exzarr.checksum(tmp_path / "a.zarr")
    with pytest.raises(exzarr.NodeNotFoundError):
        exzarr.checksum(tmp_path / "b.zarr")


@pytest.mark.parametrize("chunks", [(4096, 1), (1, 4096), (64, 64)])
def test_memory_is_bounded_for_all_chunk_shapes(chunks: tuple[int, int]) -> None:
    """64 MiB of elements, 4 MiB in memory at a time. Blocks and workers need some more."""
    array = exzarr.create_array(None, shape=(4096, 4096), chunks=chunks, dtype="f4", fill_value=1.0)
    array[7, 7] = 2.0
    exzarr.checksum(array, memory=4 << 20)  # warm up: imports, and scratch memory
    tracemalloc.start()
    try:
        exzarr.checksum(array, memory=4 << 20)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_progress_is_reported() -> None:
    told: list[tuple[int, int]] = []
    exzarr.checksum(exzarr.zeros((100, 100), chunks=(10, 10)), progress=lambda *at: told.append(at))
    assert told[-1] == (80_000, 80_000)  # bytes of elements


# -- on the command line -----------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w")
    root["a"] = np.arange(5)
    command = [sys.executable, "-m", "exzarr", "checksum"]
    plain = subprocess.run([*command, "s.zarr"], capture_output=True, text=True, check=True, cwd=tmp_path)
    found = exzarr.checksum(root)
    assert plain.stdout == f"{found.hexdigest}  s.zarr\n"
    nodes = subprocess.run(
        [*command, "s.zarr", "--nodes"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert nodes.stdout.splitlines()[1:] == [f"{found.nodes['']}    /", f"{found.nodes['a']}    /a"]
    text = subprocess.run(
        [*command, "s.zarr", "--json"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    told = json.loads(text.stdout)
    assert told["sha256"] == found.hexdigest
    assert told["nodes"][1] == {"path": "/a", "sha256": found.nodes["a"], "data": found.data["a"]}
