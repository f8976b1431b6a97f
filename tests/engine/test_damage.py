"""Damaged values raise the right error, which names the array, the chunk's index and its key."""

from __future__ import annotations

import copy
import json
import resource
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exzarr import config
from exzarr._nodes.array import Array
from exzarr._nodes.hierarchy import Location
from exzarr.errors import (
    ChunkCorruptError,
    ChunkMissingError,
    CodecError,
    ExzarrError,
    MetadataError,
    NodeNotFoundError,
    StoreError,
    UnsupportedError,
)
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.base import StoreWrapper
from tests.breadth import examples
from tests.engine.spy import Hook, Short
from tests.engine.tools import SHARES, assert_same, contents, make, numbered, open_array, raw

SHAPE = (12, 18)
PATH = "deep/a"

CODECS: dict[str, Any] = {
    "raw": None,
    "crc32c": [{"name": "crc32c"}],
    "zstd": "zstd",
    "gzip": {"name": "gzip", "configuration": {"level": 1}},
    "blosc": {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}},
}
"""Codec chains. Those in `CHECKED` detect every flipped bit."""

CHECKED = ("crc32c", "zstd", "gzip")

CHUNKS: dict[str, Any] = {
    "runs": {"chunks": (4, 3)},
    "bands": {"chunks": (4, 18)},
    "rectilinear": {"chunks": ([4, 8], [6, 12])},
    "one": {"chunks": (12, 18)},
}


def filled(**options: Any) -> Array:
    array = make(SHAPE, "i4", path=PATH, **options)
    array[...] = numbered(SHAPE)
    return array


def chunk_keys(array: Array) -> list[str]:
    return sorted(key for key in array.store.list() if "/c/" in key)


def replace(array: Array, key: str, value: bytes) -> None:
    array.store.put(key, value)


def names(error: Any, array: Array, key: str) -> None:
    """Check that the error names this chunk."""
    index = tuple(int(i) for i in key.removeprefix(f"{PATH}/c/").split("/"))
    assert issubclass(type(error), ValueError | KeyError)
    assert (error.array, error.index, error.key) == (array.path, index, key)
    assert str(error).startswith(f"chunk {index} of array 'deep/a' (key {key!r}): ")
    assert error.reason in str(error)


def settings_of(shared: bool) -> Any:
    return config.override(**(SHARES if shared else {"workers": 1}))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", CHUNKS)
@pytest.mark.parametrize("damage", ["empty", "one byte", "cut", "cut by one", "longer", "garbage"])
def test_a_damaged_chunk(damage: str, layout: str, codec: str, shared: bool) -> None:
    array = filled(compressors=CODECS[codec], **CHUNKS[layout])
    key = chunk_keys(array)[-1]
    good = bytes(array.store.get(key) or b"")
    rng = np.random.default_rng(3)
    bad = {
        "empty": b"",
        "one byte": good[:1],
        "cut": good[: len(good) // 2],
        "cut by one": good[:-1],
        "longer": good + b"\1\2\3\4\5",
        "garbage": rng.bytes(len(good) + (codec == "raw")),
    }[damage]
    if damage == "longer" and codec == "blosc":
        pytest.skip("what lies behind a blosc frame is not looked at by any reader")
    replace(array, key, bad)
    with settings_of(shared):
        for selection in (
            np.s_[...],
            np.s_[-1, -1],
            np.s_[10:, 2:],
            np.s_[[11, 0], [17, 0]],
            np.s_[[11, 9, 11]],
        ):
            if damage in ("longer", "garbage") and codec == "raw" and selection is not Ellipsis:
                continue  # a partial read of a raw chunk reads only that part
            with pytest.raises(ChunkCorruptError) as caught:
                array[selection]
            names(caught.value, array, key)
        before = contents(array.store)
        with pytest.raises(ChunkCorruptError) as caught:
            array[-1, -1] = 0  # reads the rest of the chunk
        names(caught.value, array, key)
        assert contents(array.store) == before
        array[...] = numbered(SHAPE)  # covers the chunk, so it is not read
        assert_same(array[...], numbered(SHAPE))


@given(st.data())
@examples(50)
def test_flipped_bit_never_gives_wrong_data_with_checksum(data: Any) -> None:
    codec = data.draw(st.sampled_from(CHECKED))
    array = filled(compressors=CODECS[codec], **CHUNKS[data.draw(st.sampled_from(sorted(CHUNKS)))])
    key = data.draw(st.sampled_from(chunk_keys(array)))
    value = bytearray(array.store.get(key) or b"")
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    value[bit // 8] ^= 1 << bit % 8
    replace(array, key, bytes(value))
    try:
        result = array[...]
    except ChunkCorruptError as error:
        names(error, array, key)
    else:  # headers have unused bits (gzip: time and system; zstd: one reserved bit)
        assert_same(result, numbered(SHAPE))


def test_new_arrays_have_a_checksum_unless_asked_otherwise() -> None:
    array = filled()
    (config_,) = [codec for codec in array.metadata.codecs if codec.name == "zstd"]
    assert config_.configuration["checksum"] is True


# -- shards ------------------------------------------------------------------------------------

INDEX_SIZE = 16 * 9 + 4


def sharded(location: str, **options: Any) -> Array:
    return filled(chunks=(2, 3), shards={"shape": (6, 9), "index_location": location}, **options)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize(
    "damage", ["empty", "shorter than its index", "index only", "cut", "index bits", "zeros"]
)
def test_a_damaged_shard(damage: str, location: str, shared: bool) -> None:
    array = sharded(location)
    key = f"{PATH}/c/1/0"
    good = bytes(array.store.get(key) or b"")
    index = good[:INDEX_SIZE] if location == "start" else good[-INDEX_SIZE:]
    at = 17 if location == "start" else len(good) - INDEX_SIZE + 17
    bad = {
        "empty": b"",
        "shorter than its index": index[:-1],
        "index only": index,
        "cut": good[:-1] if location == "start" else good[1:],
        "index bits": good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :],
        "zeros": bytes(len(good)),
    }[damage]
    array.store.put(key, bad)
    with settings_of(shared):
        for selection in (np.s_[...], np.s_[6, 0], np.s_[7:11, 1:5]):
            with pytest.raises(ChunkCorruptError) as caught:
                array[selection]
            error = caught.value
            assert (error.array, error.key) == (PATH, key)
            assert "shard (1, 0)" in str(error)
        before = contents(array.store)
        with pytest.raises(ChunkCorruptError) as caught:
            array[6, 0] = 1
        assert caught.value.key == key
        assert contents(array.store) == before
        array[6:, :9] = numbered(SHAPE)[6:, :9]
        assert_same(array[...], numbered(SHAPE))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("codec", ["crc32c", "zstd", "gzip", "blosc"])
def test_a_damaged_inner_chunk_is_named_by_its_own_index(codec: str, shared: bool) -> None:
    array = sharded("end", compressors=CODECS[codec])
    key = f"{PATH}/c/1/0"
    shard = bytearray(array.store.get(key) or b"")
    table = np.frombuffer(bytes(shard[-INDEX_SIZE:-4]), "<u8").reshape(9, 2)
    number = 5  # inner chunk (1, 2) of shard (1, 0)
    start, length = (int(n) for n in table[number])
    shard[start : start + length] = bytes(reversed(shard[start : start + length]))
    array.store.put(key, bytes(shard))
    with settings_of(shared):
        for selection in (np.s_[...], np.s_[8, 6:9], np.s_[8:10, 8]):
            with pytest.raises(ChunkCorruptError) as caught:
                array[selection]
            assert (caught.value.array, caught.value.index, caught.value.key) == (PATH, (4, 2), key)
            assert "inner chunk 5 of shard (1, 0)" in str(caught.value)
        assert_same(array[6:8], numbered(SHAPE)[6:8])
        with pytest.raises(ChunkCorruptError) as caught:
            array[9, 7] = 1
        assert caught.value.index == (4, 2)


def test_an_index_that_points_past_the_shard() -> None:
    array = filled(chunks=(2, 3), shards=(6, 9), compressors=None)
    # without the checksum of the index, so that its entries are accepted
    document = json.loads(bytes(array.store.get(f"{PATH}/zarr.json") or b""))
    sharding = document["codecs"][0]["configuration"]
    sharding["index_codecs"] = sharding["index_codecs"][:1]
    array.store.put(f"{PATH}/zarr.json", json.dumps(document).encode())
    array = open_array(array.store, PATH)
    array[...] = numbered(SHAPE)
    key = f"{PATH}/c/0/0"
    good = bytes(array.store.get(key) or b"")
    for start, length in [
        (2**40, 24),
        (0, 2**62),
        (2**63, 2**63),
        (2**64 - 1, 3),
        (len(good) - 8, 24),
        (0, 25),
    ]:
        table = np.frombuffer(good[-16 * 9 :], "<u8").reshape(9, 2).copy()
        table[4] = start, length
        array.store.put(key, good[: -16 * 9] + table.tobytes())
        with pytest.raises(ChunkCorruptError) as caught:
            array[...]
        assert caught.value.key == key
        before = contents(array.store)
        with pytest.raises(ChunkCorruptError):
            array[3, 4] = 1
        assert contents(array.store) == before


def test_shards_with_false_sizes_allocate_nothing() -> None:
    array = sharded("end", compressors="zstd")
    key = f"{PATH}/c/0/0"
    array.store.put(key, np.random.default_rng(0).bytes(5000))
    tracemalloc.start()
    try:
        with pytest.raises(ChunkCorruptError):
            array[...]
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# -- missing chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("codec", ["raw", "zstd"])
@pytest.mark.parametrize("layout", CHUNKS)
def test_a_missing_chunk_is_the_fill_value_or_an_error(layout: str, codec: str, shared: bool) -> None:
    array = filled(compressors=CODECS[codec], fill_value=-7, **CHUNKS[layout])
    key = chunk_keys(array)[-1]
    array.store.delete(key)
    strict = open_array(array.store, PATH, missing="error")
    with settings_of(shared):
        assert array[-1, -1] == -7
        assert (array[...] == -7).sum() == np.prod([sizes[-1] for sizes in array.write_chunk_sizes])
        for selection in (np.s_[...], np.s_[-1, -1], np.s_[10:, 2:], np.s_[[0, 11], [0, 17]], np.s_[:, ::2]):
            with pytest.raises(ChunkMissingError, match="not stored") as caught:
                strict[selection]
            names(caught.value, array, key)
            with pytest.raises(KeyError):
                strict.get(selection, out=np.empty(array[selection].shape, "f8"))
        if len(chunk_keys(array)):
            assert strict[0, 0] == 1


@pytest.mark.parametrize("shared", [False, True])
def test_missing_shard_or_inner_chunk_error_names_it(shared: bool) -> None:
    array = sharded("end", fill_value=-7)
    array[2:4, 3:6] = -7  # inner chunk (1, 1) is no longer stored
    array.store.delete(f"{PATH}/c/1/1")
    strict = open_array(array.store, PATH, missing="error")
    with settings_of(shared):
        assert (array[...] == -7).sum() == 6 + 54
        for selection in (np.s_[:6, :9], np.s_[3, 4]):
            with pytest.raises(ChunkMissingError, match="inner chunk 4 of shard") as caught:
                strict[selection]
            assert (caught.value.array, caught.value.index, caught.value.key) == (
                PATH,
                (1, 1),
                f"{PATH}/c/0/0",
            )
        with pytest.raises(ChunkMissingError, match="not stored") as caught:
            strict[6:, 9:]
        names(caught.value, array, f"{PATH}/c/1/1")


def test_missing_is_fill_or_error() -> None:
    with pytest.raises(ExzarrError, match="missing is 'fill' or 'error', not 'ignore'"):
        make((3,), access={"missing": "ignore"})


# -- stores that fail or return too little -----------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 5, 1000])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", CHUNKS)
def test_short_reads_are_repeated(layout: str, codec: str, cut: int) -> None:
    array = filled(compressors=CODECS[codec], **CHUNKS[layout])
    short = Array(Location(Short(array.store, cut), PATH), array.metadata)
    model = numbered(SHAPE)
    for selection in (np.s_[...], np.s_[-1, -1], np.s_[2:11, 2:16], np.s_[3:5], np.s_[:, 4]):
        assert_same(short[selection], model[selection])
    key = chunk_keys(array)[0]
    array.store.put(key, bytes(array.store.get(key) or b"")[:-1])
    with pytest.raises(ChunkCorruptError) as caught:
        short[...]
    names(caught.value, array, key)


@pytest.mark.parametrize("layout", CHUNKS)
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_chunk_deleted_during_a_read_is_missing(layout: str, codec: str) -> None:
    """The chunk is deleted between the short read and the repeated read."""
    array = filled(compressors=CODECS[codec], **CHUNKS[layout])
    key = chunk_keys(array)[0]

    class Gone(Short):
        def get(self, key_: str, byte_range: Any = None) -> Any:
            return None if key_ == key else super().get(key_, byte_range)

    gone = Array(Location(Gone(array.store), PATH), array.metadata)
    try:
        assert (gone[...] == 0).any()
    except ChunkCorruptError as error:
        names(error, array, key)


def test_store_error_is_not_converted() -> None:
    def hook(what: str, key: str) -> None:
        if key.endswith("c/1/0"):
            raise StoreError(f"the disk failed at {key}")

    for options in ({"compressors": None}, {}, {"shards": (6, 9)}):
        array = filled(chunks=(6, 9) if not options.get("shards") else (2, 3), **options)
        broken = Array(Location(Hook(array.store, hook), PATH), array.metadata)
        with pytest.raises(StoreError, match="the disk failed"):
            broken[...]
        assert_same(broken[:6], numbered(SHAPE)[:6])
        with pytest.raises(StoreError, match="the disk failed"):
            broken[...] = 0


# -- values that cannot be encoded -----------------------------------------------------------------

NARROW = {"name": "cast_value", "configuration": {"data_type": "uint8"}}


@pytest.mark.parametrize("shards", [None, (6, 9)])
def test_failing_encode_names_the_chunk_and_leaves_it(shards: Any) -> None:
    array = make(SHAPE, "i4", path=PATH, chunks=(2, 3), shards=shards, filters=[NARROW])
    array[...] = 7
    before = contents(array.store)
    key = f"{PATH}/c/0/0"
    with pytest.raises(CodecError) as caught:
        array[0, 0] = 1000
    assert not isinstance(caught.value, ChunkCorruptError)
    assert f"chunk (0, 0) of array 'deep/a' (key {key!r}): " in str(caught.value)
    assert contents(array.store) == before
    with pytest.raises(CodecError, match="chunk"):
        array[...] = 1000
    assert contents(array.store) == before


# -- metadata ------------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    array = make((6, 6), "f4", chunks=(2, 3), dimension_names=("y", "x"), attributes={"a": 1})
    found: dict[str, Any] = json.loads(bytes(array.store.get("zarr.json") or b""))
    return found


def opened(text: Any) -> Array:
    store = MemoryStore()
    store.put("zarr.json", text if isinstance(text, bytes) else json.dumps(text).encode())
    array = open_array(store)
    array[...]
    return array


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"zarr_format": 3}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_invalid_document_raises(text: bytes) -> None:
    with pytest.raises(MetadataError, match=r"zarr\.json"):
        opened(text)


def test_missing_document_raises() -> None:
    with pytest.raises(NodeNotFoundError, match="there is no array or group"):
        open_array(MemoryStore(), "nowhere")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("zarr_format", 4),
        ("zarr_format", "3"),
        ("node_type", "table"),
        ("shape", None),
        ("shape", [6]),
        ("shape", [6, -1]),
        ("shape", [6, 2**70]),
        ("shape", [6, 1.5]),
        ("shape", [6, "three"]),
        ("shape", "66"),
        ("data_type", "float33"),
        ("data_type", None),
        ("data_type", {"name": 3}),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [2]}}),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [-1, 3]}}),
        ("chunk_grid", {"name": "regular"}),
        ("chunk_grid", {"name": "hexagonal", "configuration": {}}),
        ("chunk_grid", 7),
        ("chunk_key_encoding", {"name": "default", "configuration": {"separator": "-"}}),
        ("chunk_key_encoding", {"name": "other"}),
        ("fill_value", "text"),
        ("fill_value", None),
        ("fill_value", [1, 2]),
        ("codecs", []),
        ("codecs", None),
        ("codecs", [{"name": "bytes", "configuration": {"endian": "middle"}}]),
        ("codecs", [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}]),
        ("codecs", ["bytes", "bytes"]),
        ("codecs", ["crc32c", "bytes"]),
        ("codecs", [{"name": "unheard-of"}]),
        ("codecs", [{"name": 3}]),
        ("codecs", [{"name": "bytes", "configuration": 3}]),
        ("codecs", [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": "high"}}]),
        ("dimension_names", ["y"]),
        ("dimension_names", [1, 2]),
        ("attributes", [1]),
        ("unheard-of", {"must_understand": True}),
        ("unheard-of", 1),
        ("storage_transformers", [{"name": "x"}]),
    ],
    ids=repr,
)
def test_document_with_one_invalid_member_raises(where: str, value: Any) -> None:
    changed = {**document(), where: value}
    with pytest.raises(MetadataError) as caught:
        opened(changed)
    assert str(caught.value)


@pytest.mark.parametrize("name", ["unheard-of", "numcodecs.unheard-of", "sharding_indexed_2"])
def test_an_unknown_codec_is_named(name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        opened(
            {
                **document(),
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": name}],
            }
        )


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**65) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged_documents(draw: Any) -> Any:
    """Draw a valid document with one member, at any depth, replaced or removed."""
    sharded_ = draw(st.booleans())
    array = make(
        (6, 6),
        draw(st.sampled_from(["f4", "M8[s]", "string", "U3"])),
        chunks=(2, 3),
        shards=(4, 6) if sharded_ else None,
    )
    root: Any = json.loads(bytes(array.store.get("zarr.json") or b""))
    node = copy.deepcopy(root)
    root = node
    while True:
        keys = [*node] if isinstance(node, dict) else [*range(len(node))]
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
            node = node[key]
            continue
        if draw(st.booleans()):
            del node[key]
        else:
            node[key] = draw(junk)
        return root


@given(damaged_documents())
@examples(100)
def test_damaged_document_raises_an_exzarr_error_or_is_harmless(changed: Any) -> None:
    store = MemoryStore()
    store.put("zarr.json", json.dumps(changed).encode())
    try:
        array = open_array(store)
        array.chunk_source  # noqa: B018 - binds the codecs
        if array.size < 1000:
            array[...]
    except ExzarrError:
        pass
    except MemoryError:  # a fill value, a data type or a chunk that is really so large
        assert "2" in str(changed)


@pytest.mark.parametrize("shards", [None, [2**40, 2**20]])
@pytest.mark.parametrize("codecs", ["raw", "zstd"])
def test_huge_chunks_allocate_nothing_until_one_is_stored(shards: Any, codecs: str) -> None:
    changed = document()
    inner: Any = [{"name": "bytes", "configuration": {"endian": "little"}}]
    if codecs == "zstd":
        inner.append({"name": "zstd", "configuration": {"level": 1, "checksum": True}})
    if shards:
        sharding = {"chunk_shape": [2**39, 2**20], "codecs": inner, "index_codecs": inner[:1]}
        inner = [{"name": "sharding_indexed", "configuration": sharding}]
    changed["shape"] = [2**40, 2**20]
    changed["chunk_grid"]["configuration"]["chunk_shape"] = shards or [2**39, 2**20]
    changed["codecs"] = inner
    store = MemoryStore()
    store.put("zarr.json", json.dumps(changed).encode())
    array = open_array(store)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_same(array[5:7, 3:5], np.zeros((2, 2), "f4"))
    if codecs == "zstd" or shards:  # raw chunks are read whole for points
        assert_same(array[[1, 2**39], [0, 3]], np.zeros(2, "f4"))
    assert_same(array[2**40 - 1, :: 2**18], np.zeros(4, "f4"))
    store.put("c/0/0", b"x" * 40)
    with pytest.raises((ChunkCorruptError, MemoryError)):
        array[5:7, 3:5]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


def test_chunk_with_false_huge_size_allocates_nothing() -> None:
    """Frames declare a larger size than the metadata allows."""
    import gzip

    import zstandard

    array = raw((64,), "u1", path=PATH)
    bomb = bytes(64 << 20)
    for name, text in [
        ("zstd", zstandard.ZstdCompressor().compress(bomb)),
        ("gzip", gzip.compress(bomb, 9)),
    ]:
        array = make((64,), "u1", path=PATH, compressors=CODECS[name])
        array.store.put(f"{PATH}/c/0", text)
        tracemalloc.start()
        try:
            with pytest.raises(ChunkCorruptError) as caught:
                array[...]
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        names(caught.value, array, f"{PATH}/c/0")


def test_strings_with_invalid_utf8_raise() -> None:
    array = make((2,), "string", path=PATH, compressors=None)
    array[...] = np.array(["ab", "cd"], np.dtypes.StringDType())
    key = f"{PATH}/c/0"
    good = bytes(array.store.get(key) or b"")
    for bad in (good.replace(b"ab", b"\xff\xfe"), good[:-1], b"\xff" * len(good)):
        array.store.put(key, bad)
        with pytest.raises(ChunkCorruptError) as caught:
            array[...]
        names(caught.value, array, key)


def test_a_read_only_store_refuses_writes() -> None:
    array = filled(chunks=(4, 3))
    locked = Array(Location(StoreWrapper(array.store.as_read_only()), PATH), array.metadata)
    with pytest.raises(PermissionError, match="read-only"):
        locked[0, 0] = 1
    with pytest.raises(StoreError):
        Array(Location(array.store, PATH), array.metadata, read_only=True)[...] = 1
