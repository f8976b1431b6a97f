"""Many clients together: none starves, and the server's memory, threads and files stay bounded."""

from __future__ import annotations

import hashlib
import http.client
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serve.conftest import TOKEN, Running

psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.slow

CLIENTS = 64
ROUNDS = 2


def fetch(client: http.client.HTTPConnection, key: str, **headers: str) -> tuple[int, bytes]:
    client.request(
        "GET", f"/{TOKEN}/{key}", headers={name.replace("_", "-"): v for name, v in headers.items()}
    )
    response = client.getresponse()
    return response.status, response.read()


def test_64_clients(server: Running) -> None:
    """The large chunk has 3 MiB: 64 responses of it would be 192 MiB, in memory together."""
    process = psutil.Process(server.process.pid)
    large = (server.folder / "deep/large/c/0").read_bytes()
    digest = hashlib.sha256(large).digest()
    shard = (server.folder / "air/c/1/0/0").read_bytes()
    start = threading.Barrier(CLIENTS)
    done: Counter[int] = Counter()
    most = 0

    def work(number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        try:
            start.wait()
            for turn in range(ROUNDS):
                status, body = fetch(client, "deep/large/c/0")
                assert (status, hashlib.sha256(body).digest()) == (200, digest)
                begin = (number * 37 + turn) % len(shard)
                status, body = fetch(client, "air/c/1/0/0", Range=f"bytes={begin}-{begin + 99}")
                assert (status, body) == (206, shard[begin : begin + 100])
                assert fetch(client, f"air/c/{number}/9/9")[0] == 404
                assert fetch(client, "zarr.json")[0] == 200
                done[number] += 1
        finally:
            client.close()

    def round_of_all() -> None:
        nonlocal most
        with ThreadPoolExecutor(CLIENTS) as pool:
            tasks = [pool.submit(work, number) for number in range(CLIENTS)]
            while not all(task.done() for task in tasks):
                most = max(most, process.memory_info().rss)
                threading.Event().wait(0.02)
            for task in tasks:
                task.result()

    round_of_all()  # starts the threads, and fills the caches
    before = process.memory_info().rss, process.num_threads(), process.num_fds()
    round_of_all()
    after = process.memory_info().rss, process.num_threads(), process.num_fds()
    assert done == dict.fromkeys(range(CLIENTS), 2 * ROUNDS)
    mib = 1 << 20
    assert after[0] - before[0] < 24 * mib
    assert most - before[0] < 80 * mib
    assert max(before[1], after[1]) <= 32 + 12  # `store_requests`, and those of the interpreter
    assert after[2] <= before[2] + 2
