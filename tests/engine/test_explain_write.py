"""The explanation of a write states what the write then does."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr.errors import SelectionError
from exzarr.stores.base import Change, Store
from exzarr.stores.wrappers.base import StoreWrapper


class Recording(StoreWrapper):
    """Counts values that are put whole, and values that are updated with how many bytes they had."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.whole = self.updated = self.read_back = 0
        self._count = threading.Lock()

    def put(self, key: str, value: Any) -> None:
        with self._count:
            self.whole += 1
        self.inner.put(key, value)

    def put_parts(self, key: str, parts: Any) -> None:
        with self._count:
            self.whole += 1
        self.inner.put_parts(key, parts)

    def update(self, key: str, change: Change) -> None:
        with self._count:
            self.updated += 1
            self.read_back += self.inner.size(key) or 0
        self.inner.update(key, change)


LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (5, 4)},
    "shards": {"chunks": (5, 2), "shards": (10, 4)},
    "rectilinear": {"chunks": ((3, 9, 11), (4, 4, 9))},
    "v2": {"chunks": (5, 4), "zarr_format": 2},
}


def axis(length: int) -> Any:
    return st.one_of(
        st.just(slice(None)),
        st.builds(slice, st.integers(0, length), st.integers(0, length), st.sampled_from([1, 1, 2, -1])),
        st.integers(0, length - 1),
        st.lists(st.integers(0, length - 1), min_size=1, max_size=length),
    )


@given(layout=st.sampled_from([*LAYOUTS]), selection=st.tuples(axis(23), axis(17)))
def test_write_does_what_was_explained(layout: str, selection: Any) -> None:
    store = Recording(exzarr.MemoryStore())
    array = exzarr.create_array(store, shape=(23, 17), dtype="i4", compressors=None, **LAYOUTS[layout])
    array[:12] = 1
    explained = array.explain.write.oindex(*selection)
    store.whole = store.updated = store.read_back = 0
    array.oindex[selection] = 5
    assert (explained.whole, explained.partial) == (store.whole, store.updated)
    assert explained.read_bytes == store.read_back
    assert explained.locks == store.updated
    assert explained.aligned == (store.updated == 0)
    assert (
        explained.value_bytes
        == np.empty((23, 17), "i4")[np.ix_(*map(np.atleast_1d, _lists(selection)))].nbytes
    )


def _lists(selection: Any) -> list[Any]:
    return [np.arange(n)[part] for n, part in zip((23, 17), selection, strict=True)]


def test_text_says_that_whole_chunks_need_no_lock() -> None:
    array = exzarr.create_array(None, shape=(40, 4), chunks=(10, 4), dtype="f8")
    assert str(array.explain.write[10:30]) == (
        "writing to /\n"
        "  values     640 B\n"
        "  chunks     2 (2 whole, 0 in part)\n"
        "  locks      none needed: every chunk is written whole\n"
        "  read back  0 B\n"
        "  to encode  640 B (1 x the values)"
    )
    assert "locks      2, one after the other" in str(array.explain.write[5:15])
    assert array.explain.write[0:10].asdict()["aligned"] is True


def test_chunks_that_end_after_the_array_are_partial_and_named() -> None:
    array = exzarr.create_array(None, shape=(35, 4), chunks=(10, 4), dtype="f8")
    explained = array.explain.write[...]
    assert (explained.whole, explained.partial, explained.at_end) == (3, 1, 1)
    assert "1 in part, of which 1 end after the array" in str(explained)


def test_stores_without_locks_take_conditional_puts() -> None:
    class Objects(exzarr.MemoryStore):
        traits = exzarr.stores.StoreTraits(exclusive_update=False, concurrency=8)

    array = exzarr.create_array(Objects(), shape=(40,), chunks=(10,), dtype="f8")
    explained = array.explain.write[5:25]
    assert (explained.whole, explained.locks, explained.conditional_puts) == (1, 0, 2)
    assert "none; 2 conditional puts" in str(explained)


def test_field_of_a_structured_type_is_partial_everywhere() -> None:
    array = exzarr.create_array(None, shape=(40,), chunks=(10,), dtype=[("x", "f4"), ("n", "i2")])
    assert array.explain.write["x"].partial == 4
    assert array.explain.write[...].partial == 0
    with pytest.raises(SelectionError, match="no field"):
        array.explain.write["y"]


def test_points_and_empty_selections() -> None:
    array = exzarr.create_array(None, shape=(40, 4), chunks=(10, 4), dtype="f8")
    assert array.explain.write.vindex([0, 39, 1], [0, 1, 2]).partial == 2
    nothing = array.explain.write[5:5]
    assert (nothing.chunks, nothing.encode_bytes, nothing.amplification) == (0, 0, 0.0)
