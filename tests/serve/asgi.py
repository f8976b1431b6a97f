"""Requests to an ASGI application without a server, in the caller's thread."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Answer", "ask"]


_loop = asyncio.Runner()
"""One event loop for all requests: its threads are reused."""
atexit.register(_loop.close)


@dataclass(frozen=True)
class Answer:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    query: str = "",
    **more: str,
) -> Answer:
    """Send one request. Header names have ``_`` for ``-``."""
    given = {name.replace("_", "-").lower(): value for name, value in {**(headers or {}), **more}.items()}
    if body is not None:
        given.setdefault("content-length", str(len(body)))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    return _loop.run(_ask(app, scope, body or b""))


async def _ask(app: Any, scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    done.set()
    head, *parts = sent
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    answer = Answer(
        head["status"],
        {name.decode(): value.decode("latin-1") for name, value in head["headers"]},
        b"".join(bytes(part.get("body", b"")) for part in parts),
    )
    length = answer.headers.get("content-length")
    if scope["method"] != "HEAD" and length is not None:
        assert int(length) == len(answer.body)
    return answer
