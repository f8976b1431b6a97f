"""uvicorn's HTTP/1.1 protocol, with limits on slow clients that uvicorn lacks.

A client gets `timeout` seconds to send the head of a request, to send a body that is not read, and to read
enough of a response that more can be sent. Then the connection is closed. (`ServeOptions.timeout`; the edge limits the
time of bodies that it reads.)
"""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["GuardedProtocol"]


class GuardedProtocol(H11Protocol):  # type: ignore[misc]  # uvicorn is optional, and unknown to mypy
    """HTTP/1.1 with time limits.

    Parameters
    ----------
    timeout
        Seconds.
    arguments
        What uvicorn gives its protocols.
    """

    def __init__(self, *, timeout: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._timeout = timeout
        self._receiving: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch_receiving()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._receiving, self._sending):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        self._watch_receiving()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._watch_receiving()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(self._timeout, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _watch_receiving(self) -> None:
        """Limit the time while the client sends a head, or the rest of a body after its response."""
        if self._refused:
            return
        answered = self.cycle is not None and self.cycle.response_complete
        waits = self.conn.their_state is h11.IDLE or (answered and self.conn.their_state is h11.SEND_BODY)
        if not waits and self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None
        elif waits and self._receiving is None:
            self._receiving = self.loop.call_later(self._timeout, self._end)

    def _end(self) -> None:
        self._receiving = None
        if self._refused:
            self.transport.abort()
            return
        if self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the head of the request came too slowly")
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request. uvicorn calls this while it handles h11's error, which names the status."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST)
        self._refuse(HTTPStatus(status), "the request is malformed, or its head is too long")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events = (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        try:
            for event in events:
                self.transport.write(self.conn.send(event))
        except h11.LocalProtocolError:  # a response is already in progress
            self.transport.abort()
            return
        # Closing now would discard the response together with what the client still sends.
        self._refused = True
        self.transport.write_eof()
        if self._receiving is not None:
            self._receiving.cancel()
        self._receiving = self.loop.call_later(self._timeout, self._end)
