"""Reads from stores with a latency of 20 ms per request, with the same number of requests in flight for each library.

Over HTTP, all libraries read the same files from a local server that delays its answers (`slow_server`). exzarr and
zarr-python use obstore, and TensorStore uses its http driver. Only exzarr and zarr-python have a latency *store* in
memory. The *ideal* time counts requests only: requests × latency ÷ concurrency.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

import exzarr
from benchmarks.harness import Cell, Contest, Result
from benchmarks.peers import NotSupportedError, Peer, TensorStore, ZarrPython
from benchmarks.probe import Figures
from benchmarks.slow_server import slow_server

GROUP = "20 ms a request"
IDEAL = "Time of a whole read at 20 ms a request over the ideal"
LEAST = 0.9
"""Target: fraction of the ideal throughput."""

SECONDS = 0.02
CONCURRENCY = 64
EDGE = 64
STORE, HTTP = "latency store", "HTTP"


class LatencyCells:
    """The cells and their server. `close` stops the server."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self._chunks = 192 if quick else 1000
        self._quick = quick
        self._folder = folder / "latency"
        rng = np.random.default_rng(0)
        self._data = rng.integers(0, 100, (self._chunks, EDGE, EDGE)).astype("f4")
        self._exits = ExitStack()
        self._url = ""

    def close(self) -> None:
        self._exits.close()

    def cells(self) -> Iterator[Cell]:
        data, chunks = self._data, (1, EDGE, EDGE)
        exzarr.create_array(self._folder / "chunks.zarr", data=data, chunks=chunks)
        if not self._quick:
            shards = (10, EDGE, EDGE)
            exzarr.create_array(self._folder / "shards.zarr", data=data, chunks=chunks, shards=shards)
        self._url = self._exits.enter_context(slow_server(self._folder, SECONDS))
        yield self._cell(self._name(STORE), self._in_memory, np.s_[...])
        yield self._cell(self._name(HTTP), self._over_http("chunks.zarr"), np.s_[...])
        if not self._quick:
            # Each call opens the array again, so that no library has cached the index of a shard.
            window = np.s_[3:200:10, 16:32, 16:32]
            yield self._cell(
                "a chunk of each of 20 shards, HTTP", self._over_http("shards.zarr"), window, reopen=True
            )
            yield self._opening()

    def _name(self, where: str) -> str:
        return f"{self._chunks} chunks, zstd, {where}"

    def ideal(self, results: list[Result]) -> list[Figures]:
        """Return the times of whole reads, divided by the ideal. The target is for the latency store only."""
        rows = []
        for result in results:
            if result.group != GROUP or not result.name.startswith(f"{self._chunks} chunks"):
                continue
            ideal = self._chunks * SECONDS / CONCURRENCY
            values = {label: statistics.median(times) / ideal for label, times in result.times.items()}
            rows.append(Figures(IDEAL, result.name, 1 / LEAST, values))
        return rows

    def _cell(
        self, name: str, opener: Callable[[Peer], Callable[[], Any]], selection: Any, *, reopen: bool = False
    ) -> Cell:
        def contest(peer: Peer) -> Contest:
            open_array = opener(peer)
            array = open_array()

            def run(array: Any) -> Any:
                return _read(peer, array, selection)

            def check() -> None:
                if not np.array_equal(run(array), self._data[selection]):
                    raise AssertionError("the data that were read differ from the stored data")

            return Contest(check, run, open_array if reopen else lambda: array)

        return Cell(GROUP, name, contest)

    def _opening(self) -> Cell:
        def contest(peer: Peer) -> Contest:
            open_array = self._over_http("chunks.zarr")(peer)

            def check() -> None:
                if tuple(open_array().shape) != self._data.shape:
                    raise AssertionError("the opened array has the wrong shape")

            return Contest(check, lambda _: open_array())

        return Cell(GROUP, "open an array, HTTP", contest)

    def _over_http(self, name: str) -> Callable[[Peer], Callable[[], Any]]:
        def opener(peer: Peer) -> Callable[[], Any]:
            url = f"{self._url}/{name}"
            if isinstance(peer, TensorStore):
                import tensorstore

                spec = {
                    "driver": "zarr3",
                    "kvstore": {"driver": "http", "base_url": url},
                    "context": {"http_request_concurrency": {"limit": CONCURRENCY}},
                }
                return lambda: tensorstore.open(spec, open=True, read=True).result()
            if isinstance(peer, ZarrPython):
                if peer.package != "zarr":
                    raise NotSupportedError("zarrs reads files")
                import zarr
                from obstore.store import HTTPStore

                options: Any = {"allow_http": True}
                theirs = zarr.storage.ObjectStore(
                    HTTPStore.from_url(url, client_options=options), read_only=True
                )
                return lambda: zarr.open_array(theirs, mode="r", zarr_format=3)
            from exzarr.stores import HTTPOptions, ObjectStore

            store = ObjectStore(url, options=HTTPOptions(), concurrency=CONCURRENCY)
            return lambda: exzarr.open_array(store, mode="r")

        return opener

    def _in_memory(self, peer: Peer) -> Callable[[], Any]:
        chunks = (1, EDGE, EDGE)
        if "fused" in peer.label:
            # It assumes that a store in memory answers immediately, and reads one chunk after another.
            raise NotSupportedError("it reads chunks of a latency store one after another")
        if isinstance(peer, ZarrPython) and peer.package == "zarr":
            import zarr
            from zarr.testing.store import LatencyStore as Theirs

            memory = zarr.storage.MemoryStore()
            zarr.create_array(memory, data=self._data, chunks=chunks)
            slow = Theirs(memory, get_latency=SECONDS, set_latency=SECONDS)
            return lambda: zarr.open_array(slow, mode="r")
        if peer.label != "exzarr":
            raise NotSupportedError("no latency store")
        from exzarr.stores import LatencyStore, MemoryStore

        ours = MemoryStore()
        exzarr.create_array(ours, data=self._data, chunks=chunks)
        return lambda: exzarr.open_array(LatencyStore(ours, SECONDS, concurrency=CONCURRENCY), mode="r")


def _read(peer: Peer, array: Any, selection: Any) -> Any:
    if isinstance(peer, TensorStore):
        return array[selection].read().result()
    if isinstance(peer, ZarrPython):
        import zarr

        with zarr.config.set({"async.concurrency": CONCURRENCY}):
            return array[selection]
    return array[selection]
