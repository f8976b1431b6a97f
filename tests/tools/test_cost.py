"""Money: what is told before a read is what is measured in it, times the prices."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import exzarr
from exzarr import cost
from exzarr.errors import ArgumentError
from exzarr.stores import CachedStore, CountingStore, MemoryCache, ObjectStore

obstore = pytest.importorskip("obstore")


def cube(shards=(4, 32, 32), **more):
    store = CountingStore(ObjectStore(obstore.store.MemoryStore()))
    made = exzarr.create_array(
        store, shape=(16, 64, 64), chunks=(1, 32, 32), shards=shards, dtype="f4", **more
    )
    made[...] = np.random.default_rng(0).normal(size=(16, 64, 64))
    return store


@settings(max_examples=30)
@given(
    start=st.tuples(st.integers(0, 15), st.integers(0, 63)),
    length=st.tuples(st.integers(1, 16), st.integers(1, 64)),
    shards=st.sampled_from([None, (4, 32, 32), (16, 64, 64)]),
    compressors=st.sampled_from([None, "auto"]),
)
def test_what_is_told_is_what_is_paid_for(start, length, shards, compressors):
    store = cube(shards, compressors=compressors)
    a = exzarr.open(store)
    window = tuple(slice(at, at + n) for at, n in zip(start, length, strict=True))
    for _ in range(2):
        told = cost.of(a.explain[window], "s3-ia", internet=True)
        store.reset()
        with exzarr.profile() as report:
            a[window]
        paid = cost.of(report, "s3-ia", internet=True)
        assert dict(told.kinds) == dict(paid.kinds) == dict(store.requests)
        assert told.bytes_read == paid.bytes_read == store.bytes_read
        assert told.total == paid.total > 0


def test_the_sum_is_that_of_paper():
    a = exzarr.open(cube(None))
    assert a.explain[...].requests == 64
    own = cost.Prices(get=2.0, retrieval=3.0, egress=4.0)
    told = cost.of(a.explain[...], own)
    nbytes = a.explain[...].fetch_bytes
    assert told.for_requests == pytest.approx(64 * 2.0 / 1000)
    assert told.for_bytes == pytest.approx(nbytes / 2**30 * 3.0)
    assert cost.of(a.explain[...], own, internet=True).for_bytes == pytest.approx(nbytes / 2**30 * 7.0)
    assert told.total == told.for_requests + told.for_bytes
    # A million gets of Amazon's: 40 cents.
    assert cost.Cost({"get": 1_000_000}, 0, 0, cost.prices("s3")).total == pytest.approx(0.4)
    assert cost.Cost({"put": 1_000_000}, 0, 0, cost.prices("s3")).total == pytest.approx(5.0)
    assert cost.Cost({}, 2**40, 0, cost.prices("s3"), internet=True).total == pytest.approx(92.16)
    assert cost.Cost({}, 2**40, 0, cost.prices("s3")).total == 0


def test_a_report_of_writes_is_priced_by_kind_and_by_store():
    store = ObjectStore(obstore.store.MemoryStore())
    own = cost.Prices(get=1000.0, put=10_000.0, list=7000.0, delete=5.0, upload=2.0**30)
    with exzarr.profile() as report:
        made = exzarr.create_array(store, shape=(10,), chunks=(5,), dtype="u1", compressors=None)
        made[...] = 1
    paid = cost.of(report, own)
    asked = {kind: use for (_, kind), use in report.requests.items()}
    assert asked["put"].requests >= 3
    assert paid.bytes_written == asked["put"].bytes
    expected = sum(
        use.requests * {"get": 1, "range": 1, "size": 1, "put": 10, "list": 7, "delete": 0.005}[kind]
        for kind, use in asked.items()
    )
    assert paid.total == pytest.approx(expected + asked["put"].bytes)
    assert cost.of(report, own, store=store.url).total == paid.total
    assert cost.of(report, own, store="s3://other").total == 0


def test_what_a_cache_has_costs_nothing():
    far = cube()
    near = CachedStore(far, MemoryCache())
    exzarr.open(near)[...]
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(near)[...]
    assert far.total == 0
    assert report.caches["values"].hits > 0
    paid = cost.of(report, "s3", internet=True)
    assert (dict(paid.kinds), paid.bytes_read, paid.total) == ({}, 0, 0)


def test_of_what_a_cache_has_in_part_the_rest_is_paid_for():
    far = cube(None)
    near = CachedStore(far, MemoryCache())
    exzarr.open(near)[:8]
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(near)[...]
    paid = cost.of(report, "s3")
    assert dict(paid.kinds) == dict(far.requests) == {"get": 32}
    assert paid.bytes_read == far.bytes_read
    old = CachedStore(far, near.keeper, max_age=0)  # asks whether what it has is right
    far.reset()
    with exzarr.profile() as report:
        exzarr.open(old)[:8]
    assert dict(cost.of(report, "s3").kinds) == dict(far.requests) == {"size": 33}


def test_the_table_names_its_sources():
    for name, prices in cost.known().items():
        assert prices.source.startswith("https://"), name
        assert re.fullmatch(r"20\d\d-\d\d", prices.date), name
        assert prices.provider
        assert prices.storage_class
        assert prices.currency == "USD"
        assert 0 < prices.get < prices.put < 0.1, name
        assert cost.prices(name) is prices
    assert {"s3", "gcs", "azure-hot", "r2"} <= cost.known().keys()


def test_printing_says_the_money_the_requests_and_whose_prices(tmp_path):
    told = cost.of(exzarr.open(cube(None)).explain[...], "s3", internet=True)
    text = str(told)
    assert repr(told) == text
    for part in (
        "64 get",
        "over the internet",
        "Amazon S3 Standard",
        "check your provider's price page",
        "USD",
    ):
        assert part in text
    assert told.asdict()["source"] == "https://aws.amazon.com/s3/pricing/"
    assert told.asdict()["total"] == told.total


def test_prices_of_ones_own_come_from_a_file(tmp_path):
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
    with pytest.raises(ArgumentError, match="not a str"):
        cost.of("s3", "s3")
