"""A web server awaits reads for a hundred concurrent clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore

httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytestmark = pytest.mark.slow

CLIENTS = 100
SHAPE = (200, 64)


def application(array: exzarr.Array) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def row(request: Request) -> Response:
        found = await exzarr.aio.get(array, request.path_params["number"])
        return Response(found.tobytes())

    async def whole(_: Request) -> Response:
        async def parts() -> Any:
            async with array.chunk_stream() as stream:
                async for chunk in stream:
                    yield chunk.data.tobytes()

        return StreamingResponse(parts())

    return Starlette(routes=[Route("/rows/{number:int}", row), Route("/array", whole)])


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # No protocol of websockets: their library warns when it is imported.
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off", backlog=256))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
    assert not thread.is_alive()


@pytest.fixture
def data() -> Any:
    return np.arange(SHAPE[0] * SHAPE[1], dtype="i4").reshape(SHAPE)


@pytest.fixture
def array(tmp_path: Path, data: Any) -> exzarr.Array:
    exzarr.save_array(tmp_path / "a.zarr", data, chunks=(4, SHAPE[1]))
    store = LatencyStore(CountingStore(exzarr.LocalStore(tmp_path / "a.zarr")), 0.002)
    return exzarr.open_array(store, mode="r")


async def ask_concurrently(address: str, paths: list[str]) -> list[bytes]:
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(*[client.get(path) for path in paths])
    return [answer.raise_for_status().content for answer in answers]


def test_hundred_clients_get_their_rows(array: exzarr.Array, data: Any) -> None:
    before = threading.active_count()
    with serving(application(array)) as address:
        rows = [2 * number for number in range(CLIENTS)]
        bodies = asyncio.run(ask_concurrently(address, [f"/rows/{row}" for row in rows]))
        assert threading.active_count() - before <= 2 * exzarr.config.get().requests + 8
    assert bodies == [data[row].tobytes() for row in rows]


def test_clients_that_go_away_release_their_streams(array: exzarr.Array, data: Any) -> None:
    async def leave(address: str) -> None:
        async with (
            httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client,
            client.stream("GET", "/array") as answer,
        ):
            async for _ in answer.aiter_bytes():
                return

    async def several(address: str) -> None:
        await asyncio.gather(*[leave(address) for _ in range(10)])

    with serving(application(array)) as address:
        asyncio.run(several(address))
        (body,) = asyncio.run(ask_concurrently(address, ["/array"]))
        assert body == data.tobytes()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exzarr-stream")]
