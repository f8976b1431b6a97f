"""Wrappers that intercept every request: counting, waiting, retrying."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr._retrying import Retry
from exzarr.errors import ArgumentError, InvalidKeyError, ReadOnlyError, StoreError
from exzarr.stores import (
    CountingStore,
    LatencyStore,
    MemoryStore,
    PrefixStore,
    ReadOnlyStore,
    RetryStore,
    StoreWrapper,
    ThrottledStore,
)
from exzarr.stores.wrappers.throttle import BURST_SECONDS, Rate

QUICK = Retry(attempts=4, wait_initial=0, wait_jitter=0)


def buffer(size: int) -> memoryview:
    return memoryview(bytearray(size))


# -- counting --------------------------------------------------------------------------------------


def test_requests_and_bytes_are_counted_by_kind():
    store = CountingStore(MemoryStore())
    store.put("a/k", b"0123456789")
    store.put_parts("a/l", [b"01", b"234"])
    assert store.requests == {"put": 2}
    assert store.bytes_written == 15
    store.get("a/k")
    store.get("absent")
    store.read_into("a/k", buffer(4))
    assert store.requests["get"] == 3
    assert store.bytes_read == 14
    store.get("a/k", (2, 3))
    store.read_into("a/k", buffer(4), 8)
    store.fetch("a/k", (-2, None))
    assert store.requests["range"] == 3
    assert store.bytes_read == 14 + 3 + 2 + 2
    with_value = store.open_value("a/k")
    with_value.read_into(buffer(5), 0)
    assert store.requests["range"] == 4
    store.size("a/k"), store.exists("a/k"), store.fetch("a/k", (0, 0))
    [*store.list()], store.list_dir("a")
    store.delete("a/k")
    store.delete_prefix("a")
    assert store.requests == {"put": 2, "get": 3, "range": 4, "size": 4, "list": 2, "delete": 2}
    assert store.total == 17
    store.reset()
    assert store.total == store.bytes_read == store.bytes_written == 0


def test_counts_of_many_threads_are_exact():
    store = CountingStore(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda i: store.put(f"k{i}", b"12"), range(2000))]
    assert store.requests["put"] == 2000
    assert store.bytes_written == 4000


def test_engine_requests_each_chunk_once():
    store = CountingStore(MemoryStore())
    a = exzarr.create_array(store, shape=(8, 8), chunks=(2, 4), dtype="i4", compressors=None)
    store.reset()
    a[...] = np.arange(64).reshape(8, 8)
    assert store.requests["put"] == 8
    store.reset()
    a[...]
    assert store.requests == {"get": 8}
    assert store.bytes_read == 8 * 8 * 4


# -- latency ---------------------------------------------------------------------------------------


def test_each_request_waits_and_large_ones_longer(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    store = LatencyStore(MemoryStore(), 0.02, bytes_per_second=100)
    store.put("k", b"0123456789")
    assert waits == [0.02, 0.1]
    store.get("k", (0, 5))
    assert waits[2:] == [0.02, 0.05]
    store.exists("k")
    assert waits[4:] == [0.02, 0.0]


def test_concurrency_is_the_given_number():
    assert MemoryStore().traits.concurrency == 0
    store = LatencyStore(MemoryStore(), 0.02, concurrency=7)
    assert store.traits.concurrency == 7
    assert ReadOnlyStore(PrefixStore(RetryStore(store), "p")).traits.concurrency == 7
    for seconds, speed in ((-1, None), (float("nan"), None), (0, 0)):
        with pytest.raises(ArgumentError):
            LatencyStore(MemoryStore(), seconds, bytes_per_second=speed)


# -- throttling ------------------------------------------------------------------------------------


@given(
    st.floats(0.5, 1000),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50)), min_size=1, max_size=40),
)
def test_no_window_of_time_has_more_than_the_rate_and_a_burst(per_second, steps):
    now = 0.0
    rate = Rate(per_second, lambda: now)
    used: list[tuple[float, float]] = []
    for pause, units in steps:
        now += pause
        used.append((now + rate.take(units), units))
    for i, (begin, _) in enumerate(used):
        total = 0.0
        for end, units in used[i:]:
            total += units
            # The first request of the window may have waited before.
            assert total <= per_second * (end - begin + BURST_SECONDS) + used[i][1] + 1e-6


def test_requests_below_the_rate_never_wait():
    now = 0.0
    rate = Rate(10, lambda: now)
    for _ in range(100):
        now += 0.1
        assert rate.take(1) == pytest.approx(0)


def test_after_the_burst_each_request_waits_its_turn(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    store = ThrottledStore(MemoryStore(), requests_per_second=50)
    for _ in range(60):
        store.exists("k")
    assert len(waits) >= 9
    assert waits == sorted(waits)


def test_bytes_read_delay_the_next_request(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    inner = MemoryStore()
    inner.put("k", bytes(1000))
    store = ThrottledStore(inner, bytes_per_second=100)
    store.get("k")
    assert not waits
    store.exists("k")
    assert 5 < waits[0] <= 9
    with pytest.raises(ArgumentError):
        ThrottledStore(inner, requests_per_second=0)


# -- trying again ----------------------------------------------------------------------------------


class Flaky(StoreWrapper):
    """Store that fails a number of times."""

    def __init__(self, inner, *errors):
        super().__init__(inner)
        self.errors = [*errors]

    def _fail(self):
        if self.errors:
            raise self.errors.pop(0)

    def get(self, key, byte_range=None):
        self._fail()
        return super().get(key, byte_range)

    def put(self, key, value):
        self._fail()
        super().put(key, value)

    def list(self, prefix=""):
        for number, key in enumerate(self.inner.list(prefix)):
            if number == 3:
                self._fail()
            yield key


def test_transient_errors_are_retried():
    flaky = Flaky(MemoryStore(), StoreError("503"), TimeoutError("slow"), ConnectionResetError("gone"))
    store = RetryStore(flaky, QUICK)
    store.put("k", b"1")
    assert store.get("k") == b"1"
    assert not flaky.errors


def test_last_error_names_request_store_and_attempts():
    causes = [StoreError(f"SlowDown {i}") for i in range(9)]
    store = RetryStore(Flaky(MemoryStore("bucket"), *causes), QUICK)
    with pytest.raises(
        StoreError, match=r"get of key 'a/c/0' in memory://bucket failed 4 times.*SlowDown 3"
    ) as e:
        store.get("a/c/0")
    assert e.value.__cause__ is causes[3]


@pytest.mark.parametrize(
    "error",
    [
        ReadOnlyError("no"),
        InvalidKeyError("no"),
        PermissionError("403"),
        ValueError("no"),
        KeyboardInterrupt(),
    ],
)
def test_permanent_errors_are_raised_immediately(error):
    flaky = Flaky(MemoryStore(), error, error)
    with pytest.raises(type(error)) as caught:
        RetryStore(flaky, QUICK).get("k")
    assert caught.value is error
    assert len(flaky.errors) == 1


def test_interrupted_listing_resumes_and_yields_each_key_once():
    inner = MemoryStore()
    for i in range(10):
        inner.put(f"k{i}", b"")
    store = RetryStore(Flaky(inner, StoreError("reset"), StoreError("reset")), QUICK)
    assert sorted(store.list()) == [f"k{i}" for i in range(10)]


class Lossy(StoreWrapper):
    """Store that carries out each request and then fails, as if the response was lost."""

    def __init__(self, inner, losses=1):
        super().__init__(inner)
        self.losses = losses

    def _lose(self):
        if self.losses:
            self.losses -= 1
            raise StoreError("the connection was reset")

    def put_if_absent(self, key, value):
        made = super().put_if_absent(key, value)
        self._lose()
        return made

    def update(self, key, change):
        super().update(key, change)
        self._lose()


def grown(value):
    old = bytearray(0 if value is None else value.size)
    if value is not None:
        value.read_into(memoryview(old), 0)
    return [old, b"."]


def test_put_with_a_lost_response_is_not_repeated():
    inner = MemoryStore()
    store = RetryStore(Lossy(inner, 2), QUICK)
    assert store.put_if_absent("k", b"mine") is True
    assert inner.get("k") == b"mine"
    store = RetryStore(Lossy(inner, 2), QUICK)
    store.update("k", grown)
    assert inner.get("k") == b"mine."
    store = RetryStore(Lossy(inner, 1), QUICK)
    store.update("k", lambda value: None)
    assert inner.get("k") is None


def test_put_of_another_writer_is_not_mistaken_for_ones_own():
    inner = MemoryStore()
    inner.put("k", b"theirs")
    assert RetryStore(Lossy(inner), QUICK).put_if_absent("k", b"mine") is False
    assert inner.get("k") == b"theirs"


def test_an_update_is_one_request_that_gets_and_one_that_puts():
    store = CountingStore(MemoryStore())
    store.put("k", b"12")
    store.reset()
    store.update("k", grown)
    assert store.requests == {"get": 1, "put": 1}
    assert (store.bytes_read, store.bytes_written) == (2, 3)
    assert store.inner.get("k") == b"12."
    store.update("k", lambda value: None)
    store.put_if_absent("k", b"1")
    assert store.requests == {"get": 2, "put": 2, "delete": 1}
