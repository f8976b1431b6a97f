"""An object store behind a network that loses, breaks and throttles: nothing is lost, torn or done twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exzarr
from exzarr.errors import StoreError
from exzarr.retrying import Retry
from exzarr.stores import ObjectStore
from tests.faulty_proxy import faulty_proxy

pytest.importorskip("obstore")

FAULTS = st.sampled_from(["", "", 503, 429, 500, "reset", "lost", "cut"])
LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def proxy(s3_server):
    with faulty_proxy(s3_server.endpoint) as proxy:
        yield proxy


def new_array(s3_server, proxy, shards, attempts):
    """An array behind the proxy, and the same, reached straight."""
    proxy.plan.clear()
    straight = s3_server.store()
    made = exzarr.create_array(straight, shape=(24, 10), chunks=(4, 5), shards=shards, dtype="i4")
    retry = Retry(attempts=attempts, wait_initial=0, wait_jitter=0)
    store = ObjectStore(straight.url, options=s3_server.options(endpoint=proxy.endpoint), retry=retry)
    return exzarr.open(store, mode="r+"), made


@given(st.data())
@settings(max_examples=25, suppress_health_check=LENIENT)
def test_what_passes_is_outlived(s3_server, proxy, data):
    array, straight = new_array(s3_server, proxy, data.draw(st.sampled_from([None, (12, 10)])), 20)
    model = np.zeros((24, 10), "i4")
    for step in range(1, 5):
        proxy.plan[:] = data.draw(st.lists(FAULTS, max_size=8))
        a, b = sorted((data.draw(st.integers(0, len(model))), data.draw(st.integers(0, len(model)))))
        what = data.draw(st.sampled_from(["write", "append", "read", "attributes"]))
        if what == "write":
            array[a:b, 2:9] = step
            model[a:b, 2:9] = step
        elif what == "append":
            array.append(np.full((3, 10), step, "i4"))
            model = np.concatenate([model, np.full((3, 10), step, "i4")])
        elif what == "attributes":
            array.attrs["step"] = step
        else:
            assert (array[a:b] == model[a:b]).all()
    proxy.plan.clear()
    again = exzarr.open(straight.store)
    assert again.shape == model.shape
    assert (again[...] == model).all()


@given(st.data())
@settings(max_examples=15, suppress_health_check=LENIENT)
def test_what_does_not_pass_is_an_error_and_leaves_whole_chunks(s3_server, proxy, data):
    shards = data.draw(st.sampled_from([None, (12, 10)]))
    array, straight = new_array(s3_server, proxy, shards, 2)
    array[...] = 1
    proxy.plan[:] = data.draw(st.lists(FAULTS, min_size=4, max_size=40))
    failed = False
    try:
        array[...] = 2
    except StoreError:
        failed = True
    proxy.plan.clear()
    rows, columns = shards or (4, 5)
    found = straight[...]
    for i in range(0, 24, rows):
        for j in range(0, 10, columns):
            chunk = found[i : i + rows, j : j + columns]
            assert (chunk == chunk[0, 0]).all()
            assert chunk[0, 0] in ((1, 2) if failed else (2,))
