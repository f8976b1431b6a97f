"""Object stores behind a network that drops, breaks, throttles and delays: no data is lost, torn or written twice; nothing hangs."""

from __future__ import annotations

import contextvars
import os
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr import config
from exzarr._retrying import Retry
from exzarr.errors import StoreError
from exzarr.stores import ObjectStore
from tests.breadth import SOAK, examples
from tests.faulty_proxy import faulty_proxy
from tests.nodes.test_transactions import blocks

pytest.importorskip("obstore")

FAULTS = st.sampled_from(["", "", 503, 429, 500, "reset", "lost", "cut"])
SEEDS = 20 if SOAK else 1
PATIENCE = 2.0
"""Seconds after which a request counts as lost: some connections never tell that they were reset."""
LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def proxy(object_server):
    with faulty_proxy(object_server.endpoint) as proxy:
        yield proxy


on_s3 = pytest.mark.parametrize("object_server", ["s3"], indirect=True)


def new_array(object_server, proxy, shards, attempts):
    """Return an array behind the proxy, and the same array without the proxy."""
    proxy.plan.clear()
    straight = object_server.store()
    made = exzarr.create_array(straight, shape=(24, 10), chunks=(4, 5), shards=shards, dtype="i4")
    retry = Retry(attempts=attempts, wait_initial=0, wait_jitter=0)
    store = ObjectStore(
        straight.url, options=object_server.options(endpoint=proxy.endpoint, timeout=PATIENCE), retry=retry
    )
    return exzarr.open(store, mode="r+"), made


@on_s3
@given(st.data())
@examples(12, suppress_health_check=LENIENT)
def test_temporary_faults_are_retried(object_server, proxy, data):
    array, straight = new_array(object_server, proxy, data.draw(st.sampled_from([None, (12, 10)])), 20)
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


@on_s3
@given(st.data())
@examples(8, suppress_health_check=LENIENT)
def test_permanent_faults_raise_and_leave_whole_chunks(object_server, proxy, data):
    shards = data.draw(st.sampled_from([None, (12, 10)]))
    array, straight = new_array(object_server, proxy, shards, 2)
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


# -- several writers -------------------------------------------------------------------------------


class Apart(ObjectStore):
    """A store that is equal to no other, so that each instance acts as a separate process."""

    __eq__ = object.__eq__  # type: ignore[assignment]
    __hash__ = object.__hash__


def apart(object_server, proxy, straight, attempts):
    retry = Retry(attempts=attempts, wait_initial=0, wait_jitter=0.02)
    return Apart(
        straight.url, options=object_server.options(endpoint=proxy.endpoint, timeout=PATIENCE), retry=retry
    )


def faults(seed, what, count=3000):
    rng = random.Random(f"{os.environ.get('EXZARR_TEST_SEED', '')}{seed}")
    return [rng.choice(what) for _ in range(count)]


@pytest.mark.cover
@pytest.mark.parametrize("seed", range(SEEDS))
def test_concurrent_appends_with_lost_responses_store_each_row_once(object_server, proxy, seed):
    """Parts of one chunk and of one shard, and attributes, have the last value that was set."""
    straight = object_server.store()
    root = exzarr.create_group(straight)
    root.create_array("log", shape=(0, 3), chunks=(7, 3), dtype="i4", fill_value=-1)
    root.create_array("chunk", shape=40, chunks=40, dtype="i4")
    root.create_array("shard", shape=40, chunks=10, shards=40, dtype="i4")

    def work(me: int) -> None:
        group = exzarr.open_group(apart(object_server, proxy, straight, 50), mode="r+")
        log, parts = group.get_array("log"), [group.get_array("chunk"), group.get_array("shard")]
        for i in range(5):
            log.append(np.full((10, 3), 1 + me + 3 * i))
            for part in parts:
                part[me::4] = 10 * me + i
            log.attrs[f"{me}-{i}"] = i

    proxy.plan[:] = faults(seed, ["", "", "", "", 503, "reset", "lost", "lost", "cut"])
    with ThreadPoolExecutor(3) as pool:
        [*pool.map(work, range(3))]
    assert proxy.plan, "there were faults to the end"
    proxy.plan.clear()
    again = exzarr.open_group(straight)
    assert sorted(blocks(again["log"][:])) == [*range(1, 16)]
    assert dict(again["log"].attrs) == {f"{me}-{i}": i for me in range(3) for i in range(5)}
    for name in ("chunk", "shard"):
        assert again[name][:].tolist() == [4, 14, 24, 0] * 10


@pytest.mark.cover
@pytest.mark.parametrize("seed", range(SEEDS))
def test_ingestion_with_network_failures_stores_each_block_once(object_server, proxy, seed):
    straight = object_server.store()
    root = exzarr.create_group(straight)
    for name in ("a", "b"):
        root.create_array(name, shape=(0, 2), chunks=(7, 2), dtype="i4", dimension_names=("t", None))
    exzarr.consolidate_metadata(straight)
    single = exzarr.create_array(straight, name="single", shape=(0, 2), chunks=(7, 2), dtype="i4")
    proxy.plan[:] = faults(seed, ["", "", "", "", "", 503, "reset", "lost", "cut"])

    def feed(key: int) -> int:
        broken = 0
        data = [np.full((3, 2), 1 + key + 2 * i) for i in range(6)]
        while True:
            try:
                store = apart(object_server, proxy, straight, 4)
                exzarr.ingest(
                    exzarr.open_array(store, path="single", mode="r+"), data, key=str(key), retry=None
                )
                group = exzarr.open_group(store, mode="r+")
                both = [{"a": block, "b": -block} for block in data]
                exzarr.ingest(group, both, key=str(key), axis="t", retry=None)
                return broken
            except (StoreError, exzarr.ChunkError):
                broken += 1
                assert broken < 1000

    with config.override(lease_timeout=0.2), ThreadPoolExecutor(2) as pool:
        for running in [pool.submit(contextvars.copy_context().run, feed, key) for key in range(2)]:
            running.result()
    proxy.plan.clear()
    found = single.refresh()[:]
    assert (found == found[:, :1]).all()
    again = exzarr.open_group(straight)
    for rows in (found, again["a"][:], -again["b"][:]):
        values = rows[:, 0].tolist()
        assert sorted(values) == sorted([1 + key + 2 * i for key in range(2) for i in range(6)] * 3)
        for key in range(2):
            assert [value for value in values if value % 2 != key] == sorted(
                value for value in values if value % 2 != key
            )


# -- slow responses ----------------------------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["trickle", "hang"])
def test_endless_responses_end_at_the_deadline(object_server, proxy, fault):
    straight = object_server.store()
    a = exzarr.create_array(straight, data=np.arange(8), chunks=4)
    for options, retry in (
        ({"timeout": 0.3}, Retry(attempts=2, wait_initial=0, wait_jitter=0)),
        ({"timeout": 60.0}, Retry(attempts=None, timeout=0.4, wait_initial=0, wait_jitter=0)),
    ):
        access = object_server.options(endpoint=proxy.endpoint, **options)
        store = ObjectStore(straight.url, options=access, retry=retry)
        array = exzarr.open_array(store, mode="r+")
        reads = [lambda array=array: array[:], lambda store=store: [*store.list()]]
        changes = [lambda array=array: array.__setitem__(1, 1), lambda array=array: array.append([1])]
        proxy.plan[:] = [fault] * 100
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(act) for act in reads + changes]
        proxy.plan.clear()
        for each in running:
            assert isinstance(each.exception(), StoreError)
    assert a.refresh().shape == (8,)
    proxy.plan[:] = [fault]
    access = object_server.options(endpoint=proxy.endpoint, timeout=0.3)
    retry = Retry(attempts=9, wait_initial=0)
    array = exzarr.open_array(ObjectStore(straight.url, options=access, retry=retry), mode="r+")
    for i in range(5):
        proxy.plan[:] = [""] * i + [fault]
        array.append([i])
    assert a.refresh()[8:].tolist() == [*range(5)]
