"""Statistics on stores of several kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import statistics
from exzarr.errors import UnsupportedError
from exzarr.statistics.identity import lasting
from exzarr.stores import CachedStore, CountingStore, LocalStore, MemoryCache, MemoryStore


@pytest.mark.parametrize("options", [{"chunks": 5}, {"chunks": 5, "shards": 10}])
def test_etags_prove_chunks_on_object_stores(object_server: Any, options: Any) -> None:
    store = object_server.store()
    a = exzarr.create_group(store).create_array("a", data=np.arange(1.0, 31), **options)
    statistics.build(a)
    other = exzarr.open_array(store, path="a")
    found = statistics.open(other)
    chunks = found.read()
    assert chunks.proved.all()
    assert chunks.max.tolist() == [5, 10, 15, 20, 25, 30]
    a[2] = 100
    chunks = found.read()
    assert chunks.max.tolist() == [100, 10, 15, 20, 25, 30]
    changed = [True, "shards" in options, False, False, False, False]
    assert (~chunks.proved).tolist() == changed
    assert found.refresh() == statistics.Refreshed(stored=6, read=sum(changed), left_out=0)


def test_versions_that_are_not_lasting_prove_nothing(tmp_path: Path) -> None:
    class Bucket(MemoryStore):
        @property
        def url(self) -> str:
            return "s3://bucket"

    assert lasting(Bucket(), '"abc"') == ["etag", '"abc"']
    assert lasting(Bucket(), ('"abc"', "7")) == ["etag", '"abc"']  # listings lack the version
    for version in (None, 5, "abc", 'W/"abc"', '""', '"', (7, '"abc"'), (1, 2, 3, 4)):
        assert lasting(Bucket(), version) is None
    assert lasting(MemoryStore(), '"abc"') is None
    assert lasting(LocalStore(tmp_path), (1, 2, 3, 4)) == ["file", 1, 2, 3, 4]
    assert lasting(LocalStore(tmp_path), '"abc"') is None


def test_statistics_are_not_built_through_a_cache(tmp_path: Path) -> None:
    a = exzarr.create_group(tmp_path / "s.zarr").create_array("a", data=np.ones(4), chunks=2)
    cached = CachedStore(LocalStore(tmp_path / "s.zarr"), MemoryCache(1 << 20))
    with pytest.raises(UnsupportedError, match="without the cache"):
        statistics.build(exzarr.open_array(cached, path="a", mode="r+"))
    statistics.build(a)
    cached = CachedStore(LocalStore(tmp_path / "s.zarr"), MemoryCache(1 << 20))
    assert statistics.open(exzarr.open_array(cached, path="a", mode="r")).read().proved.all()


@pytest.mark.parametrize("options", [{"chunks": 5}, {"chunks": 5, "shards": 10}])
def test_one_listing_proves_all_chunks_of_an_object_store(object_server: Any, options: Any) -> None:
    store = object_server.store()
    a = exzarr.create_group(store).create_array("a", data=np.arange(1.0, 101), **options)
    statistics.build(a)
    counting = CountingStore(store)
    counted = exzarr.open_array(counting, path="a")
    counting.reset()
    assert counted.where(exzarr.value > 99).count() == 1
    assert counted.max() == 100
    assert counting.requests["size"] <= 1  # a shard is opened
    overhead = 2 * 17  # the statistics: a group, and the document and one chunk of each array
    assert counting.requests["list"] == 2 * 2
    assert counting.requests["get"] + counting.requests["range"] <= overhead + 2
