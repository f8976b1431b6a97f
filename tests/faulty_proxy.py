"""An HTTP proxy that loses, breaks and delays requests according to a plan."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["FaultyProxy", "faulty_proxy"]

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"
)
ACCESS_DENIED = (
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class FaultyProxy:
    """A proxy for one server.

    Attributes
    ----------
    plan
        Faults of the next requests, in order: a status (503, 429), ``reset`` (before the request reaches the server),
        ``lost`` (after it took effect), ``cut`` (half of the body), ``trickle`` (single bytes until the client
        disconnects), ``hang`` (no response, although it took effect), ``""`` (no fault).
    seen
        Method and path of each request.
    deny
        Requests whose path contains this text get status 403.
    """

    def __init__(self, endpoint: str, behind: str) -> None:
        self.endpoint = endpoint
        self.behind = behind
        self.plan: list[int | str] = []
        self.seen: list[str] = []
        self.deny = ""
        self.over = threading.Event()
        self._lock = threading.Lock()

    def next_fault(self, request: str) -> int | str:
        with self._lock:
            self.seen.append(request)
            return self.plan.pop(0) if self.plan else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else the body waits until the client acknowledges the headers, which takes 40 ms.
    disable_nagle_algorithm = True
    proxy: FaultyProxy

    def _pass_on(self) -> None:
        body = self._body()
        fault = self.proxy.next_fault(f"{self.command} {self.path}")
        if self.proxy.deny and self.proxy.deny in self.path:
            self._answer(403, {}, ACCESS_DENIED, ACCESS_DENIED)
            return
        if isinstance(fault, int):
            self._answer(fault, {}, SLOW_DOWN, SLOW_DOWN)
            return
        if fault == "reset":
            self._reset()
            return
        server = http.client.HTTPConnection(urlsplit(self.proxy.behind).netloc)
        headers = {
            k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "content-length")
        }
        server.request(self.command, self.path, body, headers)
        response = server.getresponse()
        data = response.read()
        server.close()
        if fault == "lost":
            self._reset()
            return
        if fault in ("trickle", "hang"):
            self._dawdle(response.status, fault == "trickle")
            return
        self._answer(
            response.status,
            dict(response.getheaders()),
            data,
            data[: len(data) // 2] if fault == "cut" else data,
        )
        if fault == "cut":
            self._reset()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, headers: dict[str, str], whole: bytes, sent: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(whole))) if self.command == "HEAD" else str(len(whole))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    def _dawdle(self, status: int, trickle: bool) -> None:
        self.close_connection = True
        if trickle:
            self.send_response_only(status)
            self.send_header("Content-Length", "1000000")
            self.send_header("ETag", '"slow"')
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
        while not self.proxy.over.wait(0.05):
            if trickle:
                self.wfile.write(b" ")  # raises an error after the client disconnects
                self.wfile.flush()
            elif not self._is_open():
                break

    def _is_open(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True

    def _reset(self) -> None:
        self.wfile.flush()
        # With a linger time of 0, close() resets the connection.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            pass

    def log_message(self, *args: Any) -> None:
        pass


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler._pass_on)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        pass  # the client disconnected, as planned


@contextmanager
def faulty_proxy(behind: str) -> Iterator[FaultyProxy]:
    """Run a proxy for the server at `behind`."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    handler.proxy = FaultyProxy(f"http://127.0.0.1:{server.server_address[1]}", behind)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield handler.proxy  # type: ignore[attr-defined]
    finally:
        handler.proxy.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()
