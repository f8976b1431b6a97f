"""Sends objects through a socket, without extra copies of large arrays.

A message is a pickle (protocol 5) and its out-of-band buffers: first the number of parts and their lengths, then the
parts. Each buffer is received into memory of its own. A NumPy array is therefore pickled, sent and rebuilt without a copy
other than the socket's.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

from exzarr._stream.memory import fresh

__all__ = ["PROTOCOL", "Parts", "dump", "load", "receive", "send"]

PROTOCOL = 5
Parts = Sequence[bytes | memoryview]
"""A message: the pickle and its buffers."""

_COUNT = struct.Struct("<Q")
_SMALL = 64 * 1024
"""Limit, in bytes, below which all parts are sent together."""


def dump(value: Any, dumps: Callable[..., bytes] = pickle.dumps) -> list[bytes | memoryview]:
    """Return `value` as the parts of a message. Errors of pickling are raised."""
    buffers: list[pickle.PickleBuffer] = []
    head = dumps(value, protocol=PROTOCOL, buffer_callback=buffers.append)
    return [head, *[buffer.raw() for buffer in buffers]]


def load(parts: Parts) -> Any:
    """Return the value that was passed to `dump`."""
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - from a process of our own


def send(sock: socket.socket, parts: Parts) -> None:
    """Send one message."""
    lengths = [len(part) for part in parts]
    head = struct.pack(f"<{len(parts) + 1}Q", len(parts), *lengths)
    if sum(lengths) < _SMALL:
        sock.sendall(b"".join([head, *parts]))
        return
    sock.sendall(head)
    for part in parts:
        sock.sendall(part)


def receive(sock: socket.socket, next_wait: Callable[[], float] | None = None) -> Parts:
    """Return the next message. Raise EOFError if the other side has disconnected.

    `next_wait` returns how many seconds to wait. It is called before each wait and when that time has passed. It raises to
    end the wait.
    """
    count = _COUNT.unpack(_exactly(sock, _COUNT.size, next_wait))[0]
    lengths = struct.unpack(f"<{count}Q", _exactly(sock, 8 * count, next_wait))
    return [_exactly(sock, length, next_wait) for length in lengths]


def _exactly(sock: socket.socket, length: int, next_wait: Callable[[], float] | None) -> memoryview:
    # Not a bytearray, which is zeroed first. `fresh` memory returns to the system when it is released, if it is large.
    whole = memoryview(fresh(length))
    rest = whole
    while rest:
        if next_wait is not None:
            sock.settimeout(next_wait())
        try:
            n = sock.recv_into(rest)
        except TimeoutError:
            continue
        except ConnectionError:
            n = 0
        if not n:
            raise EOFError
        rest = rest[n:]
    return whole
