"""What exzarr does not have runs on zarr-python's own pipeline, and errors are zarr-python's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec
from zarr.core.buffer import BufferPrototype, cpu, gpu
from zarr.registry import register_buffer, register_codec, register_ndbuffer
from zarr.storage import MemoryStore
from zarr.testing.buffer import (
    NDBufferUsingTestNDArrayLike,
    StoreExpectingTestBuffer,
    TestBuffer,
    TestNDArrayLike,
)

from exzarr.zarr import pipeline
from tests.zarr.tools import create, fallbacks, open_ours, open_plain, plain, same


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_said", set())


class Mine(BytesCodec):  # type: ignore[misc]
    """Codec of a user, registered under the name of a standard one."""


def test_codecs_that_the_user_registered_are_used() -> None:
    register_codec("bytes", Mine, qualname="tests.Mine")
    with zarr.config.set({"codecs.bytes": "tests.Mine"}), fallbacks() as fell_back:
        a = open_ours(create({}, shape=(3,), dtype="i4", compressors=None).store, mode="r+")
        a[:] = [1, 2, 3]
        same(a[:], np.array([1, 2, 3], "i4"))
    assert fell_back == ["write", "read"]


def test_buffers_of_other_classes() -> None:
    class Array(np.ndarray):
        pass

    class MyBuffer(cpu.NDBuffer):  # type: ignore[misc]
        pass

    a = create({}, shape=(6,), chunks=(4,), dtype="i4")
    prototype = BufferPrototype(cpu.Buffer, MyBuffer)
    with fallbacks() as fell_back:
        a.set_basic_selection(slice(None), np.arange(6, dtype="i4"), prototype=prototype)
        same(a.get_basic_selection(slice(1, 5), prototype=prototype), np.arange(1, 5, dtype="i4"))
        a[:] = np.arange(6, dtype="i4").view(Array)
    assert fell_back == ["write", "read", "write"]


PROTOTYPE = BufferPrototype(TestBuffer, NDBufferUsingTestNDArrayLike)


def test_prototype_of_the_caller_reaches_the_store_and_the_result() -> None:
    """zarr-python's tests use these classes in the place of those of a GPU. The store refuses all others.

    Inside shards, zarr-python supports its default prototype only.
    """
    store = StoreExpectingTestBuffer()
    a = create(store, shape=(8, 6), chunks=(4, 3), dtype="i4")
    want = np.arange(48, dtype="i4").reshape(8, 6)
    with fallbacks() as fell_back:
        a.set_basic_selection(slice(None), want, prototype=PROTOTYPE)
        a.set_orthogonal_selection(([1, 5], slice(2, 5)), -1, prototype=PROTOTYPE)
        found = a.get_basic_selection((slice(1, 7), slice(None, None, 2)), prototype=PROTOTYPE)
        picked = a.get_coordinate_selection(([1, 7], [2, 0]), prototype=PROTOTYPE)
    want[np.ix_([1, 5], [2, 3, 4])] = -1
    assert type(found) is TestNDArrayLike
    same(found, want[1:7, ::2])
    same(picked, want[[1, 7], [2, 0]])
    assert fell_back == ["write", "write", "read", "read"]


def test_buffers_of_the_settings_are_used() -> None:
    """`zarr.config.enable_gpu` changes the same two settings."""
    register_buffer(TestBuffer, qualname="tests.Buffer")
    register_ndbuffer(NDBufferUsingTestNDArrayLike, qualname="tests.NDBuffer")
    with zarr.config.set({"buffer": "tests.Buffer", "ndbuffer": "tests.NDBuffer"}), fallbacks() as fell_back:
        a = create(StoreExpectingTestBuffer(), shape=(6,), chunks=(4,), dtype="i4")
        a[1:5] = np.arange(4, dtype="i4")
        found = a[:]
    assert type(found) is TestNDArrayLike
    same(found, np.array([0, 0, 1, 2, 3, 0], "i4"))
    assert fell_back == ["write", "read"]


def test_gpu_without_its_library_fails_as_in_zarr_python() -> None:
    if gpu.cp is not None:
        pytest.skip("cupy is installed")
    values = np.arange(6, dtype="i4")
    arrays = [create({}, shape=(6,), dtype="i4"), plain_array((6,))]
    errors: list[Any] = []
    for array in arrays:
        array[:] = values
        with zarr.config.enable_gpu(), pytest.raises(Exception) as caught:
            array[:]
        errors.append((type(caught.value), str(caught.value)))
        same(array[:], values)
    assert errors[0] == errors[1]


def test_partial_writes_without_protection_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Mine(MemoryStore):  # type: ignore[misc]
        pass

    a = create(Mine(), shape=(8,), chunks=(4,), dtype="i4")
    with caplog.at_level(logging.WARNING, "exzarr.zarr"):
        a[:] = 1
        assert caplog.records == []
        a[1] = 2
        a[2] = 3
    assert len(caplog.records) == 1
    assert "the store Mine" in caplog.text
    same(a[:], np.array([1, 2, 3, 1, 1, 1, 1, 1], "i4"))


def damage(store: Any, key: str) -> None:
    value = bytearray(store._store_dict[key].to_bytes())
    value[-6] ^= 0xFF
    store._store_dict[key] = cpu.Buffer.from_bytes(bytes(value))


@pytest.mark.parametrize("shards", [None, (8,)])
def test_damaged_chunks_raise_the_errors_of_zarr_python(shards: Any) -> None:
    store = MemoryStore()
    a = create(
        store, shape=(8,), chunks=(4,), shards=shards, dtype="i4", compressors=[BloscCodec(), Crc32cCodec()]
    )
    a[:] = np.arange(8)
    damage(store, "c/0")
    errors = []
    for array in (open_plain(store, mode="r"), open_ours(store, mode="r")):
        with pytest.raises(Exception) as caught:
            array[:]
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]
    with pytest.raises(errors[0][0]):
        a[1] = 0
    a[:] = 5  # covers it
    same(a[:], np.full(8, 5, "i4"))


def test_whole_write_replaces_damaged_chunk_at_the_edge() -> None:
    store = MemoryStore()
    a = create(store, shape=(6,), chunks=(4,), dtype="i4", compressors=[Crc32cCodec()])
    a[:] = np.arange(6)
    damage(store, "c/1")
    a[:] = np.arange(6)
    same(a[:], np.arange(6, dtype="i4"))


def test_values_of_another_shape_are_treated_as_zarr_python_does() -> None:
    outcomes = []
    for array in (create({}, shape=(4, 6), chunks=(4, 6), dtype="i4"), plain_array((4, 6))):
        results: list[Any] = []
        for value in (np.ones((1, 6)), np.ones((3, 6)), np.ones(5), np.ones((1, 1))):
            try:
                array[:] = value
                results.append(array[:].tolist())
            except Exception as error:  # noqa: BLE001
                results.append(type(error))
        outcomes.append(results)
    assert outcomes[0] == outcomes[1]


def plain_array(shape: tuple[int, ...]) -> Any:
    with plain():
        return zarr.create_array({}, shape=shape, chunks=shape, dtype="i4")


def test_selections_out_of_bounds_raise_the_errors_of_zarr_python() -> None:
    a = create({}, shape=(4, 6), chunks=(2, 3), dtype="i4")
    for wrong in (np.s_[9], np.s_[::-1], np.s_[0, 0, 0]):
        with pytest.raises(IndexError):
            a[wrong]


def test_failed_writes_raise_the_errors_of_the_system(tmp_path: Path) -> None:
    a = create(tmp_path / "a.zarr", shape=(4,), chunks=(2,), dtype="i4")
    a[:] = 1
    (tmp_path / "a.zarr" / "c" / "0").unlink()
    (tmp_path / "a.zarr" / "c" / "0").mkdir()
    (tmp_path / "a.zarr" / "c" / "0" / "file").touch()
    with pytest.raises(OSError):
        a[:] = 2


@pytest.mark.skipif(
    "read_missing_chunks" not in zarr.config.get("array"), reason="zarr-python has no such setting"
)
@pytest.mark.parametrize("shards", [None, (4, 4)])
def test_missing_chunks_are_errors_if_the_array_says_so(shards: Any) -> None:
    from zarr.errors import ChunkNotFoundError

    a = create(
        {}, shape=(8, 8), chunks=(2, 2), shards=shards, dtype="i4", config={"read_missing_chunks": False}
    )
    a[:4, :3] = 1
    with fallbacks() as fell_back:
        same(a[:2, :2], np.ones((2, 2), "i4"))
        if shards is not None:  # the shard is stored, an inner chunk is not
            same(a[:4, 3], np.zeros(4, "i4"))
        messages = []
        for array in (a, open_plain(a.store, config={"read_missing_chunks": False})):
            with pytest.raises(ChunkNotFoundError) as caught:
                array[3:, 1:]
            messages.append(str(caught.value))
            with pytest.raises(ChunkNotFoundError):
                array[7, 7]
    assert messages[0] == messages[1]
    assert fell_back == []


def test_codecs_that_only_zarr_python_has() -> None:
    from zarr.abc.codec import BytesBytesCodec

    class Mirror(BytesBytesCodec):  # type: ignore[misc]
        is_fixed_size = True

        @classmethod
        def from_dict(cls, data: Any) -> Any:
            return cls()

        def to_dict(self) -> Any:
            return {"name": "tests.mirror", "configuration": {}}

        def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
            return input_byte_length

        async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
            return type(chunk_data).from_bytes(chunk_data.to_bytes()[::-1])

        _encode_single = _decode_single

    register_codec("tests.mirror", Mirror)
    a = create({}, shape=(6,), chunks=(3,), dtype="u1", compressors=[Mirror()], fill_value=9)
    with fallbacks() as fell_back:
        a[:] = np.arange(6)
        same(a[:], np.arange(6, dtype="u1"))
    assert fell_back == ["write", "read"]


def test_keys_that_exzarr_reserves_are_left_to_zarr_python(caplog: pytest.LogCaptureFixture) -> None:
    a = create(MemoryStore(), name=".exzarr-x", shape=(6,), chunks=(3,), dtype="i4")
    with fallbacks() as fell_back:
        a[:4] = 2
        same(a[:], np.array([2, 2, 2, 2, 0, 0], "i4"))
    assert fell_back in ([], ["write", "read"])


def test_lock_that_is_not_released_is_an_error(tmp_path: Path) -> None:
    import exzarr
    from exzarr.stores import LocalStore

    a = create(tmp_path / "a.zarr", shape=(6,), chunks=(6,), dtype="i4")
    a[:] = 1
    store = LocalStore(tmp_path / "a.zarr")

    def change(value: Any) -> Any:
        with pytest.raises(TimeoutError), exzarr.config.override(lock_timeout=0.05):
            a[1] = 2
        return exzarr.stores.KEEP

    store.update("c/0", change)
    same(a[:], np.ones(6, "i4"))
