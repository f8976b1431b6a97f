"""Costs: the estimate before a read equals the measured requests and bytes, multiplied by the prices."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr import cost
from exzarr.errors import ArgumentError
from exzarr.stores import CachedStore, CountingStore, MemoryCache, ObjectStore
from tests.breadth import examples

obstore = pytest.importorskip("obstore")


def cube(shards=(4, 32, 32), **more):
    store = CountingStore(ObjectStore(obstore.store.MemoryStore()))
    made = exzarr.create_array(
        store, shape=(16, 64, 64), chunks=(1, 32, 32), shards=shards, dtype="f4", **more
    )
    made[...] = np.random.default_rng(0).normal(size=(16, 64, 64))
    return store


@examples(12)
@given(
    start=st.tuples(st.integers(0, 15), st.integers(0, 63)),
    length=st.tuples(st.integers(1, 16), st.integers(1, 64)),
    shards=st.sampled_from([None, (4, 32, 32), (16, 64, 64)]),
    compressors=st.sampled_from([None, "auto"]),
)
def test_estimated_cost_equals_measured_cost(start, length, shards, compressors):
    store = cube(shards, compressors=compressors)
    a = exzarr.open(store)
    window = tuple(slice(at, at + n) for at, n in zip(start, length, strict=True))
    for _ in range(2):
        estimate = cost.of(a.explain[window], "s3-ia", internet=True)
        store.reset()
        with exzarr.profile() as report:
            a[window]
        measured = cost.of(report, "s3-ia", internet=True)
        assert dict(estimate.kinds) == dict(measured.kinds) == dict(store.requests)
        assert estimate.bytes_read == measured.bytes_read == store.bytes_read
        assert estimate.total == measured.total > 0


def test_cost_equals_hand_computed_sum():
    a = exzarr.open(cube(None))
    assert a.explain[...].requests == 64
    own = cost.Prices(get=2.0, retrieval=3.0, egress=4.0)
    estimate = cost.of(a.explain[...], own)
    nbytes = a.explain[...].fetch_bytes
    assert estimate.for_requests == pytest.approx(64 * 2.0 / 1000)
    assert estimate.for_bytes == pytest.approx(nbytes / 2**30 * 3.0)
    assert cost.of(a.explain[...], own, internet=True).for_bytes == pytest.approx(nbytes / 2**30 * 7.0)
    assert estimate.total == estimate.for_requests + estimate.for_bytes
    # A million GET requests to Amazon S3 cost 40 cents.
    assert cost.Cost({"get": 1_000_000}, 0, 0, cost.prices("s3")).total == pytest.approx(0.4)
    assert cost.Cost({"put": 1_000_000}, 0, 0, cost.prices("s3")).total == pytest.approx(5.0)
    assert cost.Cost({}, 2**40, 0, cost.prices("s3"), internet=True).total == pytest.approx(92.16)
    assert cost.Cost({}, 2**40, 0, cost.prices("s3")).total == 0


def test_cost_of_writes_by_kind_and_store():
    store = ObjectStore(obstore.store.MemoryStore())
    own = cost.Prices(get=1000.0, put=10_000.0, list=7000.0, delete=5.0, upload=2.0**30)
    with exzarr.profile() as report:
        made = exzarr.create_array(store, shape=(10,), chunks=(5,), dtype="u1", compressors=None)
        made[...] = 1
    measured = cost.of(report, own)
    requests = {kind: use for (_, kind), use in report.requests.items()}
    assert requests["put"].requests >= 3
    assert measured.bytes_written == requests["put"].bytes
    expected = sum(
        use.requests * {"get": 1, "range": 1, "size": 1, "put": 10, "list": 7, "delete": 0.005}[kind]
        for kind, use in requests.items()
    )
    assert measured.total == pytest.approx(expected + requests["put"].bytes)
    assert cost.of(report, own, store=store.url).total == measured.total
    assert cost.of(report, own, store="s3://other").total == 0


def test_cached_reads_are_free():
    far = cube()
    near = CachedStore(far, MemoryCache())
    exzarr.open(near)[...]
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(near)[...]
    assert far.total == 0
    assert report.caches["values"].hits > 0
    measured = cost.of(report, "s3", internet=True)
    assert (dict(measured.kinds), measured.bytes_read, measured.total) == ({}, 0, 0)


def test_partly_cached_reads_cost_only_the_rest():
    far = cube(None)
    near = CachedStore(far, MemoryCache())
    exzarr.open(near)[:8]
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(near)[...]
    measured = cost.of(report, "s3")
    assert dict(measured.kinds) == dict(far.requests) == {"get": 32}
    assert measured.bytes_read == far.bytes_read
    old = CachedStore(far, near.cache, max_age=0)  # validates its values with a request
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(old)[:8]
    assert dict(cost.of(report, "s3").kinds) == dict(far.requests) == {"size": 33}


def test_included_prices_have_sources_and_dates():
    for name, prices in cost.known().items():
        assert prices.source.startswith("https://"), name
        assert re.fullmatch(r"20\d\d-\d\d", prices.date), name
        assert prices.provider
        assert prices.storage_class
        assert prices.currency == "USD"
        assert 0 < prices.get < prices.put < 0.1, name
        assert cost.prices(name) is prices
    assert {"s3", "gcs", "azure-hot", "r2"} <= cost.known().keys()


def test_str_shows_cost_requests_and_provider(tmp_path):
    estimate = cost.of(exzarr.open(cube(None)).explain[...], "s3", internet=True)
    text = str(estimate)
    assert repr(estimate) == text
    for part in (
        "64 get",
        "over the internet",
        "Amazon S3 Standard",
        "check your provider's price page",
        "USD",
    ):
        assert part in text
    assert estimate.asdict()["source"] == "https://aws.amazon.com/s3/pricing/"
    assert estimate.asdict()["total"] == estimate.total


def test_custom_prices_from_file(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('[house]\nprovider = "our own"\nget = 0.1\ncurrency = "EUR"\n')
    own = cost.prices("house", path)
    assert (own.get, own.currency, str(own)) == (0.1, "EUR", "our own")
    with pytest.raises(ArgumentError, match="'s3'.*house"):
        cost.prices("s3", path)
    for text in ("[house", "house = 3", "[house]\nfree = 1", "[house]\nget = -1", '[house]\nget = "x"'):
        path.write_text(text)
        with pytest.raises(ArgumentError):
            cost.prices("house", path)
    with pytest.raises(ArgumentError, match="azure-hot"):
        cost.prices("s4")
    with pytest.raises(ArgumentError, match="cost of a str"):
        cost.of("s3", "s3")
