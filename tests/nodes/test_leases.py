"""Appends on stores without locks: a writer that is late, or has lost its lease, loses and overwrites nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

import exzarr
from exzarr import config
from exzarr._format.appends import MEMBER
from exzarr.errors import LockTimeoutError, MetadataError, StoreError
from exzarr.stores import CountingStore, ObjectStore

obstore = pytest.importorskip("obstore")

pytestmark = pytest.mark.slow

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (4, 3)},
    "shards": {"chunks": (2, 3), "shards": (8, 3)},
    "raw": {"chunks": (5, 2), "compressors": None},
    "v2": {"chunks": (4, 3), "zarr_format": 2},
}
WAIT = 0.03


class PausingStore(ObjectStore):
    """A store whose puts block from a given put on, until they are released, like those of a paused process.

    No two instances are equal, so that each acts as a separate process.
    """

    def __init__(self, where: Any, **more: Any) -> None:
        super().__init__(where, **more)
        self.go = threading.Event()
        self.paused = threading.Event()
        self.left = -1
        """Number of puts that still pass; negative: all."""

    def _pause(self) -> None:
        if self.left == 0:
            self.paused.set()
            assert self.go.wait(60)
        elif self.left > 0:
            self.left -= 1

    def _put_if(self, key: str, value: Any, version: Any) -> bool:
        self._pause()
        return super()._put_if(key, value, version)

    def put(self, key: str, value: Any) -> None:
        self._pause()
        super().put(key, value)

    __eq__ = object.__eq__  # type: ignore[assignment]
    __hash__ = object.__hash__


@pytest.fixture(params=LAYOUTS)
def place(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Return a function that opens the array with its own store. The array has seven rows: -1, -2, ..."""
    client = obstore.store.MemoryStore()
    rows = -np.arange(1, 8)[:, None] * np.ones((1, 3), "i4")
    exzarr.create_array(ObjectStore(client), data=rows.astype("i4"), fill_value=0, **LAYOUTS[request.param])
    with config.override(lease_timeout=WAIT):
        yield lambda: exzarr.open_array(PausingStore(client), mode="r+")


def rows_of(array: Any) -> list[int]:
    found = np.asarray(array.refresh()[:])
    assert (found == found[:, :1]).all()
    return found[:, 0].tolist()


def late(array: Any, puts: int, act: Callable[[Any], Any]) -> Callable[[], None]:
    """Start ``act(array)``, which pauses after `puts` puts; return a function that resumes it and waits for it."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with config.override(lease_timeout=WAIT):
                act(array)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
        finally:
            array.store.paused.set()

    array.store.left = puts
    thread = threading.Thread(target=run)
    thread.start()
    assert array.store.paused.wait(60)

    def wake() -> None:
        array.store.left = -1
        array.store.go.set()
        thread.join()
        if errors:
            raise errors[0]

    return wake


OLD = [-1, -2, -3, -4, -5, -6, -7]


@pytest.mark.parametrize("puts", range(7))
@pytest.mark.parametrize("count", [1, 6])
def test_paused_append_overwrites_nothing_and_completes(place, puts, count):
    """It resumes after other writers have appended fewer, or more, rows than it appends."""
    wake = late(place(), puts, lambda a: a.append(np.full((4, 3), 9)))
    other = place()
    for value in range(1, 1 + count):
        other.append(np.full((2, 3), value))
    others = [value for value in range(1, 1 + count) for _ in range(2)]
    done = [value for value in rows_of(other) if value != 9]
    assert done == OLD + others
    wake()
    found = rows_of(place())
    assert [value for value in found if value != 9] == OLD + others
    assert found.count(9) == 4
    at = found.index(9)
    assert found[at : at + 4] == [9] * 4


@pytest.mark.parametrize("puts", range(1, 6))
def test_paused_append_keeps_appended_fill_values(place, puts):
    wake = late(place(), puts, lambda a: a.append(np.full((2, 3), 9)))
    other = place()
    other.append(np.zeros((20, 3), "i4"))
    done = rows_of(other)
    wake()
    found = rows_of(place())
    assert found in (OLD + [0] * 20 + [9] * 2, OLD + [9] * 2 + [0] * 20)
    assert found[: len(done)] == done


@pytest.mark.parametrize("puts", range(1, 6))
def test_paused_append_during_resize_leaves_only_fill_value(place, puts):
    wake = late(place(), puts, lambda a: a.append(np.full((9, 3), 9)))
    other = place()
    other.resize((30, 3))
    assert rows_of(other) in (OLD + [0] * 23, OLD + [9] * 9 + [0] * 14)
    wake()
    found = rows_of(place())
    assert found in (OLD + [0] * 23 + [9] * 9, OLD + [9] * 9 + [0] * 14)


@pytest.mark.parametrize("puts", range(6))
@pytest.mark.parametrize("shape", [(2, 3), (25, 3)])
def test_paused_resize_keeps_appended_rows(place, puts, shape):
    place().append(np.full((6, 3), 8))
    wake = late(place(), puts, lambda a: a.resize(shape))
    other = place()
    other.append(np.full((5, 3), 1))
    wake()
    found = rows_of(place())
    before = OLD + [8] * 6
    if shape[0] == 2:  # before the append, or after it
        assert found in (before[:2], before[:2] + [1] * 5)
    else:
        assert found in (before + [0] * 12 + [1] * 5, (before + [1] * 5 + [0] * 12)[:25])


@pytest.mark.parametrize("puts", range(5))
def test_attributes_set_during_append_are_kept(place, puts):
    if place().zarr_format == 2:
        pytest.skip("two documents")
    wake = late(place(), puts, lambda a: a.append(np.full((4, 3), 9)))
    place().attrs["x"] = 1
    wake()
    again = place()
    assert dict(again.attrs) == {"x": 1}
    assert rows_of(again) == OLD + [9] * 4


def test_append_waits_for_lease_of_other_writer(place):
    """The holder renews its lease beyond the lease timeout."""
    array = place()
    began, go = threading.Event(), threading.Event()
    put_if_absent = array.store.put_if_absent

    def slow(key: str, value: Any) -> bool:
        began.set()
        assert go.wait(60)
        return put_if_absent(key, value)

    array.store.put_if_absent = slow

    def append() -> None:
        with config.override(lease_timeout=0.4):
            array.append(np.full((9, 3), 9))

    with config.override(lease_timeout=0.4):
        thread = threading.Thread(target=append)
        thread.start()
        assert began.wait(60)
        with config.override(lock_timeout=1.0), pytest.raises(LockTimeoutError, match="renewing its lease"):
            place().append(np.full((1, 3), 1))
        go.set()
        thread.join()
        assert rows_of(array) == OLD + [9] * 9


def test_lease_leaves_no_attribute_and_no_key_and_other_libraries_read_the_document(tmp_path):
    """This holds during an append, and permanently after a killed one."""
    client = obstore.store.LocalStore(tmp_path, mkdir=True)
    for zarr_format, name in ((3, "zarr.json"), (2, ".zarray")):
        folder = tmp_path / f"v{zarr_format}"
        memory = obstore.store.MemoryStore()
        exzarr.create_array(
            ObjectStore(memory), data=np.arange(7), chunks=4, zarr_format=zarr_format, attributes={"x": 1}
        )
        with config.override(lease_timeout=WAIT):
            wake = late(exzarr.open_array(PausingStore(memory), mode="r+"), 2, lambda a: a.append([7, 8]))
            exzarr.copy(ObjectStore(memory), tmp_path / "copy", overwrite=True)
            for key in ObjectStore(memory).list():
                ObjectStore(client, prefix=f"v{zarr_format}").put(key, ObjectStore(memory).get(key))
            wake()
        assert MEMBER in (folder / name).read_text()
        assert {path.name for path in folder.rglob("*") if path.is_file()} <= {name, ".zattrs", "0", "1", "2"}
        driver = {3: "zarr3", 2: "zarr"}[zarr_format]
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder)}}
        theirs = tensorstore.open(spec).result().read().result()
        for found in (theirs, zarr.open_array(folder, mode="r")[:], exzarr.open_array(folder)[:]):
            assert found.tolist() == [*range(7)]
        assert (
            dict(zarr.open_array(folder, mode="r").attrs) == dict(exzarr.open_array(folder).attrs) == {"x": 1}
        )
        assert MEMBER not in (tmp_path / "copy" / name).read_text()
        (tmp_path / "copy" / name).unlink()


def test_invalid_lease_raises_error_with_advice():
    client = obstore.store.MemoryStore()
    store = ObjectStore(client)
    a = exzarr.create_array(store, shape=(4,), chunks=(2,), dtype="i1")
    good = bytes(store.get("zarr.json") or b"")
    for member, error in (
        ({"holder": 3}, MetadataError),
        ({"reach": {"": [10**14]}}, StoreError),
        ({"count": -1}, MetadataError),
        ({"done": [1]}, MetadataError),
        ({"reach": 7}, MetadataError),
    ):
        text = str({"must_understand": False, **member}).replace("'", '"').replace("False", "false")
        store.put("zarr.json", good.rstrip()[:-1] + f', "{MEMBER}": {text}}}'.encode())
        assert exzarr.open_array(store)[:].tolist() == [0] * 4
        with pytest.raises(error, match=MEMBER):
            a.append([1])


def test_requests_of_append_match_design_note():
    store = CountingStore(ObjectStore(obstore.store.MemoryStore()))
    a = exzarr.create_array(store, shape=(0, 3), chunks=(4, 3), dtype="i4")
    store.reset()
    a.append(np.ones((12, 3), "i4"))
    assert (store.total, store.requests["get"]) == (3 + 4, 2)
    a.append(np.ones((1, 3), "i4"))
    store.reset()
    a.append(np.ones((1, 3), "i4"))
    assert store.total == 4 + 3, "reads the chunk and the document, and puts the chunk"
