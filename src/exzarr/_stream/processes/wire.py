"""Objects through a socket, large arrays without a copy on the way.

A message is a pickle (protocol 5) and the buffers it left out of band: first how many parts there are
and how long each is, then the parts. Buffers are received into memory of their own, so that an array of
NumPy's is pickled, sent and rebuilt with no copy besides the socket's.
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
"""A message: the pickle, and its buffers."""

_COUNT = struct.Struct("<Q")
_SMALL = 64 * 1024
"""Parts that are sent together rather than each by itself, in bytes."""


def dump(value: Any, dumps: Callable[..., bytes] = pickle.dumps) -> list[bytes | memoryview]:
    """`value` as the parts of a message. Raises what pickling it raises."""
    buffers: list[pickle.PickleBuffer] = []
    head = dumps(value, protocol=PROTOCOL, buffer_callback=buffers.append)
    return [head, *[buffer.raw() for buffer in buffers]]


def load(parts: Parts) -> Any:
    """What `dump` was given."""
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


def receive(sock: socket.socket, patience: Callable[[], float] | None = None) -> Parts:
    """The next message. EOFError where the other side is gone.

    `patience` is asked, before anything is waited for and whenever that many seconds have passed, how
    many seconds to wait on; it raises where there is nothing to wait for any more.
    """
    count = _COUNT.unpack(_exactly(sock, _COUNT.size, patience))[0]
    lengths = struct.unpack(f"<{count}Q", _exactly(sock, 8 * count, patience))
    return [_exactly(sock, length, patience) for length in lengths]


def _exactly(sock: socket.socket, length: int, patience: Callable[[], float] | None) -> memoryview:
    # Not a bytearray, which would be filled with zeros first; and what is large goes back to the system when it is let go.
    whole = memoryview(fresh(length))
    rest = whole
    while rest:
        if patience is not None:
            sock.settimeout(patience())
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
