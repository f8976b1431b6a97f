"""Hostile requests, by raw sockets."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError
from exzarr.serve import Served, ServeOptions, background

pytestmark = pytest.mark.slow

SECRET = b"outside of the store"
TIMEOUT = 1.0
"""Seconds that the server gives its clients."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret").write_bytes(SECRET)
    array = exzarr.create_array(
        folder / "a.zarr", shape=(64 << 20,), chunks=(64 << 20,), dtype="u1", compressors=None
    )
    array[:] = 1
    options = ServeOptions(write=True, timeout=TIMEOUT, max_upload=1 << 20, max_requests=40)
    with background(folder / "a.zarr", options) as served:
        yield served
        # It has survived everything.
        with urllib.request.urlopen(f"{served.url}/zarr.json") as response:
            assert response.status == 200


def connect(served: Served) -> socket.socket:
    made = socket.create_connection((served.host, served.port))
    made.settimeout(30)
    return made


def everything(client: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    parts = []
    try:
        while part := client.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answer(served: Served, request: bytes) -> tuple[int, bytes]:
    """Send bytes and return the status of the response, and all of it."""
    with connect(served) as client:
        client.sendall(request)
        found = everything(client)
    assert found.startswith(b"HTTP/1.1 "), found[:100]
    return int(found[9:12]), found


def get(target: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", b""]
    return b"\r\n".join(lines)


@pytest.mark.parametrize(
    "target",
    [
        b"/../secret",
        b"/%2e%2e/secret",
        b"/%2E%2E%2Fsecret",
        b"/..%2fsecret",
        b"/c/../../secret",
        b"/c/%2e%2e/%2e%2e/secret",
        b"/%252e%252e/secret",
        b"/..%5csecret",
        b"/..\\secret",
        b"/..%c0%afsecret",
        b"/secret%00",
        b"/%00",
        b"//secret",
        b"/./secret",
        b"//etc/passwd",
        b"/%2fetc%2fpasswd",
        b"/file:///etc/passwd",
        b"http://localhost/../secret",
        b"/.exzarr-lock",
        b"/%ff%fe",
    ],
)
def test_no_path_leaves_the_store(served: Served, target: bytes) -> None:
    status, found = answer(served, get(target))
    assert status == 404
    assert SECRET not in found
    assert b"root:" not in found
    put = (
        b"PUT " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    )
    answer(served, put)
    answer(served, get(target).replace(b"GET", b"DELETE"))  # it may be the name of a key
    folder = Path(exzarr.open(served.store).store.local_path("") or "").parent
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.zarr", "secret"]
    assert (folder / "secret").read_bytes() == SECRET


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n", 400),  # TLS
        (get(b"/" + b"x" * 10_000), 414),
        (get(b"/" + b"x" * 100_000), 414),
        (get(b"/zarr.json", b"X-Long: " + b"x" * 100_000), 431),
        (get(b"/zarr.json", b"X-Long: " + b"x" * 3_000_000), 431),
        (get(b"/zarr.json", *[b"X-%d: y" % i for i in range(5000)]), 431),
        (get(b"/zarr.json", b"Range: bytes=" + b"0-0," * 3000), 416),
        (get(b"/zarr.json", b"Range: bytes=0-0", b"Range: bytes=1-1"), 416),
        (get(b"/zarr.json", b"Range: bytes=" + b"9" * 5000 + b"-"), 200),
        (get(b"/zarr.json", b'If-None-Match: "' + b"x" * 9000), 400),
        (get(b"/zarr.json", b"If-None-Match: " + b'"x", ' * 2000), 200),
        (get(b"/zarr.json", b"X\0: y"), 400),
        (get(b"/zarr.json", b"Authorization: Bearer \xff\xfe"), 200),
        (get(b"/zarr.json", b"Content-Length: 5", b"Content-Length: 6"), 400),
        (get(b"/zarr.json", b"Content-Length: -5"), 400),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"GET /zarr.json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        (
            b"PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n",
            413,
        ),
        (
            (
                b"PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\n\r\n"
            ),
            411,
        ),
        (
            (
                b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\n\r\n"
            ),
            400,
        ),
    ],
)
def test_malformed_and_huge_requests_are_refused(served: Served, request_: bytes, status: int) -> None:
    found = answer(served, request_)
    assert found[0] == status, found
    assert exzarr.stores.LocalStore(served.store.local_path("") or "").get("x") is None


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /zarr.json HT", get(b"/zarr.json")[:-2], b"\r\n"],
    ids=["nothing", "line", "headers", "blank"],
)
def test_client_that_sends_a_head_too_slowly_is_disconnected(served: Served, start: bytes) -> None:
    with connect(served) as client:
        client.sendall(start)
        assert everything(client)[9:12] in (b"408", b"400", b"")


def test_client_that_sends_a_body_too_slowly_is_disconnected(served: Served) -> None:
    head = b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with connect(served) as client:
        client.sendall(head + b"part")
        assert everything(client)[9:12] == b"408"
    with connect(served) as client:  # a body that is not read
        client.sendall(head.replace(b"100", b"99999999"))
        assert everything(client)[9:12] == b"413"
    with connect(served) as client:  # a body that ends early
        client.sendall(head + b"part")
        client.shutdown(socket.SHUT_WR)
        everything(client)
    assert exzarr.stores.LocalStore(served.store.local_path("") or "").get("x") is None


def test_client_that_reads_too_slowly_is_disconnected(served: Served) -> None:
    psutil = pytest.importorskip("psutil")
    with connect(served) as client:
        port = client.getsockname()[1]
        client.sendall(get(b"/c/0"))
        client.recv(1)

        def is_open() -> bool:
            found = psutil.Process().net_connections("tcp")
            return any(one.raddr and one.raddr.port == port for one in found)

        assert is_open()
        while is_open():  # the client reads nothing
            time.sleep(0.05)
        assert len(everything(client)) < 64 << 20


def test_client_that_leaves_early_ends_the_reading(served: Served) -> None:
    for _ in range(20):
        with connect(served) as client:
            client.sendall(get(b"/c/0"))
            client.recv(100)
    status, found = answer(served, get(b"/c/0", b"Range: bytes=5-7"))
    assert (status, found[-3:]) == (206, b"\1\1\1")


def test_too_many_connections_are_refused(served: Served) -> None:
    status = 0
    while status != 503:  # idle connections end after a time
        clients = [connect(served) for _ in range(60)]
        try:
            status, _ = answer(served, get(b"/zarr.json"))
        finally:
            for client in clients:
                client.close()


def test_pipelined_requests_get_their_own_responses(served: Served) -> None:
    two = get(b"/zarr.json").replace(b"Connection: close\r\n", b"") + get(b"/nothing")
    with connect(served) as client:
        client.sendall(two)
        found = everything(client)
    assert found.count(b"HTTP/1.1 200 ") == found.count(b"HTTP/1.1 404 ") == 1


def test_other_address_gets_a_token(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "a.zarr", np.arange(3))
    with background(tmp_path / "a.zarr", host="0.0.0.0") as served:
        assert served.token is not None
        assert len(served.token) >= 32
        assert served.url.endswith(f":{served.port}/{served.token}")
        url = f"http://127.0.0.1:{served.port}"
        assert answer(served, get(b"/zarr.json"))[0] == 401
        assert exzarr.open_array(f"{url}/{served.token}")[:].tolist() == [0, 1, 2]
        headers = {"Authorization": f"Bearer {served.token}"}
        assert exzarr.open_array(url, storage_options={"headers": headers})[:].tolist() == [0, 1, 2]
    for host, port in (("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70000)):
        with pytest.raises(ArgumentError), background(tmp_path / "a.zarr", host=host, port=port):
            pass
    with (
        background(tmp_path / "a.zarr") as first,
        pytest.raises(ArgumentError, match="choose another port"),
        background(tmp_path / "a.zarr", port=first.port),
    ):
        pass
