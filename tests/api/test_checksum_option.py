"""The argument `checksum`: a flipped bit in a stored chunk raises an error that names the chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import codecs
from exzarr.errors import ArgumentError, ChunkError, NodeTypeError
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.objects.store import ObjectStore
from exzarr.stores.sqlite.store import SQLiteStore

pytestmark = pytest.mark.slow

DATA = np.repeat(np.arange(1000, dtype="i4"), 2)[:1600].reshape(40, 40)
DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def chunk_keys(store: Any) -> list[str]:
    return sorted(key for key in store.list("") if key.rpartition("/")[2] not in DOCUMENTS)


def flipped(store: Any, key: str, bit: int) -> None:
    value = bytearray(store.get(key))
    value[bit // 8] ^= 1 << bit % 8
    store.put(key, bytes(value))


def some_bits(nbits: int) -> list[int]:
    """Return all bits of the first and last bytes, and some bits between."""
    ends = [*range(min(88, nbits)), *range(max(0, nbits - 40), nbits)]
    return sorted({*ends, *range(0, nbits, max(1, nbits // 47))})


LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (20, 20)},
    "shards": {"chunks": (10, 10), "shards": (20, 20)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "compressors", [None, "blosc", "gzip", "crc32c", ["gzip", "blosc"], "numcodecs.lzma"]
)
def test_every_flipped_bit_raises_an_error_with_the_chunk(compressors: Any, layout: str) -> None:
    store = MemoryStore()
    exzarr.create_array(store, data=DATA, compressors=compressors, checksum=True, **LAYOUTS[layout])
    key = chunk_keys(store)[1]
    good = store.get(key)
    assert good is not None
    for bit in some_bits(len(good) * 8):
        store.put(key, good)
        flipped(store, key, bit)
        with pytest.raises(ChunkError, match=key):
            exzarr.open_array(store)[...]


def outcome(store: Any, data: np.ndarray) -> str:
    """Return the result of a read: the chunk named by the error, or "right" or "wrong" elements."""
    try:
        found = exzarr.open_array(store)[...]
    except ChunkError as error:
        return next((key for key in chunk_keys(store) if key in str(error)), str(error))
    return "right" if np.array_equal(found, data) else "wrong"


def outcomes(store: Any, key: str, data: np.ndarray) -> set[str]:
    good = store.get(key)
    seen = set()
    for bit in some_bits(len(good) * 8):
        store.put(key, good)
        flipped(store, key, bit)
        seen.add(outcome(store, data))
    return seen


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compressors", ["auto", "zstd", codecs.Zstd(level=5), "gzip"])
def test_zstd_and_gzip_checksums_detect_changed_elements(compressors: Any, layout: str) -> None:
    """Decoders ignore some bits of a frame. Flipping them changes no element and raises no error."""
    store = MemoryStore()
    exzarr.create_array(store, data=DATA, compressors=compressors, **LAYOUTS[layout])
    key = chunk_keys(store)[0]
    assert outcomes(store, key, DATA) == {key, "right"}


def test_blosc_and_raw_chunks_have_no_checksum() -> None:
    for compressors in (None, "blosc"):
        store = MemoryStore()
        exzarr.create_array(store, data=DATA, compressors=compressors, chunks=(20, 20))
        assert "wrong" in outcomes(store, "c/0/0", DATA)


@pytest.mark.parametrize("compressors", [None, "blosc", "gzip", "zstd", ["zstd", "gzip"]])
@pytest.mark.parametrize("dtype", ["i4", str])
def test_format_2_has_checksums_that_zarr_python_reads(compressors: Any, dtype: Any, tmp_path: Path) -> None:
    data = DATA if dtype == "i4" else DATA[:4].astype(str).astype(object)
    array = exzarr.create_array(
        tmp_path / "a.zarr",
        data=data,
        dtype=dtype,
        chunks=(20, 20),
        compressors=compressors,
        checksum=True,
        zarr_format=2,
    )
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[...], data)
    seen = outcomes(array.store, "0.1", data)
    assert seen - {"right"} == {"0.1"}
    assert compressors == "zstd" or "right" not in seen  # zstd's own checksum is of the elements


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compressors", [None, "blosc", "gzip", "zstd"])
def test_zarr_python_reads_arrays_with_checksum(compressors: Any, layout: str, tmp_path: Path) -> None:
    exzarr.create_array(tmp_path / "a", data=DATA, compressors=compressors, checksum=True, **LAYOUTS[layout])
    other = zarr.open_array(tmp_path / "a", mode="r+")
    np.testing.assert_array_equal(other[...], DATA)
    other[:3] = 7
    want = np.vstack([np.full((3, 40), 7), DATA[3:]])
    np.testing.assert_array_equal(exzarr.open_array(tmp_path / "a")[...], want)


def object_store(_: Path) -> Any:
    return ObjectStore(pytest.importorskip("obstore.store").MemoryStore())


STORES: dict[str, Callable[[Path], Any]] = {
    "folder": lambda tmp_path: LocalStore(tmp_path / "a.zarr"),
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda tmp_path: SQLiteStore(tmp_path / "a.sqlite"),
    "objects": object_store,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", STORES)
def test_raw_partial_reads_verify_the_whole_chunk(place: str, layout: str, tmp_path: Path) -> None:
    """A raw chunk could be read in part. With a checksum the whole chunk is read."""
    store = STORES[place](tmp_path)
    exzarr.create_array(store, data=DATA, compressors=None, checksum=True, **LAYOUTS[layout])
    key = chunk_keys(store)[0]
    # The last element of the first chunk, or of the first inner chunk of a shard.
    inner = 400 if layout == "chunks" else 100
    flipped(store, key, (inner * 4 - 1) * 8)
    array = exzarr.open_array(store)
    reads: list[Callable[[], Any]] = [
        lambda: array[0, 0],
        lambda: array[:1],
        lambda: array[1:2, 3:5],
        lambda: array.oindex[[0], [1]],
        lambda: array.vindex[[0], [1]],
        lambda: array.blocks[0, 0],
    ]
    for read in reads:
        with pytest.raises(ChunkError, match=key):
            read()
    with pytest.raises(ChunkError, match=key):
        exzarr.open_array(store, mode="r+")[0, 0] = 3  # a partial write reads the chunk first


def names(array: exzarr.Array) -> list[str]:
    return [codec.name for codec in array.compressors]


def by_codecs(compressors: Any, **options: Any) -> exzarr.Array:
    return exzarr.create((4,), codecs=["bytes", *([compressors] if compressors else [])], **options)


def by_metadata(**options: Any) -> exzarr.Array:
    meta = exzarr.array_metadata(shape=(4,), dtype="i4", **options)
    nodes = dict(exzarr.create_hierarchy(store=MemoryStore(), nodes={"x": meta}))
    return nodes["x"]  # type: ignore[return-value]


MAKERS: dict[str, Callable[..., exzarr.Array]] = {
    "create_array": lambda **o: exzarr.create_array(shape=(4,), dtype="i4", **o),
    "create": lambda **o: exzarr.create((4,), **o),
    "create codecs=": by_codecs,
    "zeros": lambda **o: exzarr.zeros((4,), **o),
    "ones": lambda **o: exzarr.ones((4,), **o),
    "full": lambda **o: exzarr.full((4,), 3, **o),
    "empty": lambda **o: exzarr.empty((4,), **o),
    "array": lambda **o: exzarr.array(np.arange(4), **o),
    "from_array": lambda **o: exzarr.from_array(data=np.arange(4), **o),
    "zeros_like": lambda **o: exzarr.zeros_like(np.arange(4), **o),
    "open_array": lambda **o: exzarr.open_array(MemoryStore(), mode="w", shape=(4,), dtype="i4", **o),
    "Group.create_array": lambda **o: exzarr.create_group().create_array("x", shape=(4,), dtype="i4", **o),
    "Group.require_array": lambda **o: exzarr.create_group().require_array("x", shape=(4,), **o),
    "array_metadata": by_metadata,
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("compressors", [None, "blosc", "gzip"])
def test_all_creating_functions_take_checksum(make: str, compressors: Any) -> None:
    assert names(MAKERS[make](compressors=compressors, checksum=True))[-1] == "crc32c"
    assert "crc32c" not in names(MAKERS[make](compressors=compressors, checksum=False))
    assert "crc32c" not in names(MAKERS[make](compressors=compressors, checksum="auto"))


def test_save_array_takes_checksum() -> None:
    store = MemoryStore()
    exzarr.save_array(store, DATA, compressors="blosc", checksum=True)
    assert names(exzarr.open_array(store)) == ["blosc", "crc32c"]


def test_false_writes_no_checksum() -> None:
    for options in ({}, {"compressors": "zstd"}):
        array = exzarr.create_array(shape=(4,), dtype="i4", checksum=False, **options)  # type: ignore[arg-type]
        assert array.compressors == (codecs.Zstd(level=3, checksum=False),)
    for chosen in ("crc32c", ["zstd", "crc32c"], codecs.Zstd(checksum=True)):
        with pytest.raises(ArgumentError, match="checksum=False contradicts"):
            exzarr.create_array(shape=(4,), dtype="i4", checksum=False, compressors=chosen)


@pytest.mark.parametrize("wrong", ["crc32c", 1, 0, None, "yes"])
def test_invalid_checksum_raises(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="checksum must be 'auto', True or False"):
        exzarr.create_array(shape=(4,), dtype="i4", checksum=wrong)
    exzarr.save(tmp_path / "a", DATA)
    with pytest.raises(ArgumentError, match="checksum must be 'auto', True or False"):
        exzarr.copy(tmp_path / "a", tmp_path / "b", checksum=wrong)


def test_given_sharding_codec_gets_inner_checksums() -> None:
    inner = codecs.Sharding((2,), [codecs.Bytes(), codecs.Gzip()], [codecs.Bytes()])
    chain = [codecs.Sharding((4,), [inner])]
    array = exzarr.create((8,), chunks=(8,), dtype="i4", codecs=chain, checksum=True)
    outer = array.metadata.codecs
    assert [codec.name for codec in outer] == ["sharding_indexed"]
    nested = outer[0].configuration["codecs"][0]["configuration"]
    assert [codec["name"] for codec in nested["codecs"]] == ["bytes", "gzip", "crc32c"]
    assert [codec["name"] for codec in nested["index_codecs"]] == ["bytes", "crc32c"]


def test_like_functions_add_and_remove_checksums() -> None:
    plain = exzarr.create_array(data=DATA, compressors="blosc")
    safe = exzarr.from_array(data=plain, checksum=True)
    assert names(safe) == ["blosc", "crc32c"]
    assert names(exzarr.from_array(data=safe)) == ["blosc", "crc32c"]
    assert names(exzarr.from_array(data=safe, checksum=False)) == ["blosc"]
    assert exzarr.zeros_like(exzarr.zeros((4,)), checksum=False).compressors == (codecs.Zstd(checksum=False),)


def damaged(folder: Path, name: str) -> None:
    """Flip a bit in the middle of a chunk of one array."""
    store = LocalStore(folder)
    key = next(key for key in chunk_keys(store) if key.startswith(name))
    flipped(store, key, len(store.get(key) or b"") * 4)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_copy_adds_and_removes_checksums(layout: str, zarr_format: Any, tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "a")
    group.create_array("x", data=DATA, compressors="blosc", **LAYOUTS[layout])  # type: ignore[arg-type]
    group.create_array("y", data=DATA, chunks=(20, 20))
    shards: Any = {} if zarr_format == 3 else {"shards": None}
    exzarr.copy(tmp_path / "a", tmp_path / "b", checksum=True, zarr_format=zarr_format, **shards)
    exzarr.copy(tmp_path / "b", tmp_path / "c", checksum=False)
    copies = {name: exzarr.open_group(tmp_path / name) for name in "bc"}
    for name in ("x", "y"):
        for found in copies.values():
            np.testing.assert_array_equal(found.get_array(name)[...], DATA)
        left = copies["c"].get_array(name).compressors
        assert not {"crc32c", "numcodecs.crc32"}.intersection(str(codec) for codec in left)
        assert not any(getattr(codec, "checksum", False) for codec in left)
        damaged(tmp_path / "b", name)
        with pytest.raises(ChunkError, match=name):
            copies["b"].get_array(name)[...]


def test_the_command_copies_with_a_checksum(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from exzarr._cli.app import app

    exzarr.save_array(tmp_path / "a", DATA, compressors="blosc")
    for option, want in (("--checksum", ["blosc", "crc32c"]), ("--no-checksum", ["blosc"])):
        done = CliRunner().invoke(app, ["copy", str(tmp_path / "a"), str(tmp_path / option), option])
        assert done.exit_code == 0, done.output
        assert names(exzarr.open_array(tmp_path / option)) == want


def test_require_array_refuses_an_array_without_checksum() -> None:
    group = exzarr.create_group()
    group.create_array("plain", shape=(4,), dtype="f8", compressors="blosc")
    group.create_array("safe", shape=(4,), dtype="f8")
    group.create_array(
        "sharded", shape=(4,), dtype="f8", chunks=2, shards=4, compressors="blosc", checksum=True
    )
    with pytest.raises(NodeTypeError, match=r"no checksum.*exzarr\.copy"):
        group.require_array("plain", shape=(4,), checksum=True)
    for name in ("safe", "sharded"):
        assert group.require_array(name, shape=(4,), checksum=True).shape == (4,)


def test_a_check_finds_the_flipped_bit(tmp_path: Path) -> None:
    exzarr.create_array(tmp_path / "a", data=DATA, compressors=None, chunks=(20, 20), checksum=True)
    flipped(LocalStore(tmp_path / "a"), "c/1/0", 20 * 20 * 4 * 8)
    report = exzarr.check(tmp_path / "a", deep=True)
    assert [(found.code, found.key) for found in report.findings] == [("EXZ203", "c/1/0")]
