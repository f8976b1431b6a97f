"""Web server that serves the files of a folder over HTTP, and delays each answer.

It runs in a separate process, so that it shares only the processor's cores with the measured library. It supports the
parts of HTTP/1.1 that clients of object stores need: GET, HEAD, single ranges, and persistent connections.
``python -m benchmarks.slow_server FOLDER SECONDS`` prints its port.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]


class _Connection(asyncio.Protocol):
    def __init__(self, folder: Path, seconds: float, cache: dict[str, bytes | None]) -> None:
        self._folder, self._seconds, self._cache = folder, seconds, cache
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            request, self._received = self._received[:end].decode("latin1"), self._received[end + 4 :]
            asyncio.get_running_loop().call_later(self._seconds, self._answer, request)

    def _answer(self, request: str) -> None:
        if self._transport.is_closing():
            return
        first, *lines = request.split("\r\n")
        method, path, _ = first.split(" ", 2)
        value = self._value(unquote(path.partition("?")[0]))
        if value is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        status, more, size = "200 OK", "", len(value)
        wanted = headers.get("range", "")
        if wanted.startswith("bytes=") and "," not in wanted:
            begin, _, end = wanted[6:].partition("-")
            start = int(begin) if begin else max(0, size - int(end))
            stop = min(size, int(end) + 1) if begin and end else size
            if start >= size:
                self._transport.write(
                    f"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n"
                    "Content-Length: 0\r\n\r\n".encode()
                )
                return
            status, more = "206 Partial Content", f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n"
            value = value[start:stop]
        head = (
            f'HTTP/1.1 {status}\r\nContent-Length: {len(value)}\r\n{more}ETag: "{size}"\r\n'
            "Accept-Ranges: bytes\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n\r\n"
        ).encode()
        self._transport.write(head if method == "HEAD" else head + value)

    def _value(self, path: str) -> bytes | None:
        if path not in self._cache:
            file = self._folder / path.lstrip("/")
            inside = file.resolve().is_relative_to(self._folder.resolve())
            self._cache[path] = file.read_bytes() if inside and file.is_file() else None
        return self._cache[path]


@contextmanager
def slow_server(folder: Path, seconds: float) -> Iterator[str]:
    """Run a slow server during the block, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.slow_server", str(folder), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


async def _serve(folder: Path, seconds: float) -> None:
    cache: dict[str, bytes | None] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(folder, seconds, cache), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2])))
