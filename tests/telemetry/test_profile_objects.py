"""Profiles of reads and writes in S3: a real server behind a proxy that injects errors."""

from __future__ import annotations

import numpy as np
import pytest

import exzarr
from exzarr import cost
from exzarr._retrying import Retry
from exzarr.stores import CachedStore, CountingStore, MemoryCache, ObjectStore, RetryStore
from tests.faulty_proxy import faulty_proxy

pytest.importorskip("obstore")


@pytest.fixture
def proxy(s3_server):
    with faulty_proxy(s3_server.endpoint) as proxy:
        yield proxy


def by_kind(report):
    return {kind: use.requests for (_, kind), use in report.requests.items()}


@pytest.mark.parametrize("wrapped", [False, True])
def test_report_of_requests_bytes_retries_and_cache_hits(s3_server, proxy, wrapped):
    straight = s3_server.store()
    data = np.random.default_rng(0).normal(size=(24, 10))
    made = exzarr.create_array(straight, shape=(24, 10), chunks=(4, 10), dtype="f8", compressors=None)
    retry = Retry(attempts=10, wait_initial=0, wait_jitter=0)
    behind = s3_server.options(endpoint=proxy.endpoint)
    if wrapped:
        store = RetryStore(ObjectStore(straight.url, options=behind, retry=Retry(attempts=1)), retry)
    else:
        store = ObjectStore(straight.url, options=behind, retry=retry)
    near = CachedStore(store, MemoryCache())
    array = exzarr.open(near, mode="r+")
    proxy.plan[:] = [503, "", 503, "", 500]
    with exzarr.profile() as report:
        array[...] = data
    assert by_kind(report) == {"put": 6}
    assert report.requests[straight.url, "put"].bytes == data.nbytes
    assert report.retries == 3
    proxy.plan[:] = ["", 503]
    with exzarr.profile() as report:
        assert (array[...] == data).all()
        assert (array[:8] == data[:8]).all()
    use = report.requests[straight.url, "get"]
    assert (use.requests, use.cached, use.bytes - use.cached_bytes) == (8, 2, data.nbytes)
    assert use.seconds > 0
    assert report.retries == 1
    assert report.caches["values"].hits == 2
    assert report.phases["read"]["fetching"] > 0
    assert report.phases["read"].keys() >= {"waiting", "decoding"}
    costs = cost.of(report, "s3")
    assert dict(costs.kinds) == {"get": 6}
    assert costs.total == pytest.approx(6 * 0.0004 / 1000)
    assert (made[...] == data).all()


@pytest.mark.parametrize("shards", [None, (8, 10)])
def test_explain_equals_requests_to_s3(s3_server, shards):
    store = CountingStore(s3_server.store())
    made = exzarr.create_array(store, shape=(24, 10), chunks=(4, 5), shards=shards, dtype="f8")
    made[:20] = np.random.default_rng(0).normal(size=(20, 10))
    array = exzarr.open(store)
    for selection in (np.s_[...], np.s_[3:5], np.s_[:, 0], np.s_[20:]):
        plan = array.explain[selection]
        store.reset()
        with exzarr.profile() as report:
            array[selection]
        assert plan.kinds == dict(store.requests) == by_kind(report)
        assert plan.fetch_bytes == store.bytes_read
        assert cost.of(plan, "s3").total == cost.of(report, "s3").total > 0
