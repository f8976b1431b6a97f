"""Real web servers on free ports. Each serves a folder, and `Web` describes its behaviour."""

from __future__ import annotations

import base64
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

__all__ = ["HTML", "Web", "web_server"]

HTML = "<!DOCTYPE html><html><head><title>Oops</title></head><body><h1>no such page</h1></body></html>"


@dataclass(slots=True)
class Web:
    """Behaviour of a web server. The defaults are those of a plain file server.

    Attributes
    ----------
    folder
        The served folder.
    url
        Its address.
    absent
        Status for missing files. The body is HTML.
    index
        Whether folders are HTML pages with links to their entries.
    propfind, head
        Status of these methods; None if they work (PROPFIND never does).
    chunked
        Whether responses have no Content-Length.
    gzipped
        Whether bodies are compressed, even if the client does not accept it.
    total
        The text after the slash in Content-Range; None for the size.
    ranges
        Whether ranges are served. Otherwise the whole value is served.
    user
        ``user:password`` that every request must give.
    redirect
        Another server to send all requests to.
    seen
        Method and path of each request, and the Range header.
    headers
        The headers of the last request; names in lower case.
    """

    folder: Path
    url: str = ""
    absent: int = 404
    index: bool = False
    propfind: int = 501
    head: int | None = None
    chunked: bool = False
    gzipped: bool = False
    total: str | None = None
    ranges: bool = True
    user: str | None = None
    redirect: str | None = None
    seen: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else the body waits until the client acknowledges the headers, which takes 40 ms.
    disable_nagle_algorithm = True
    web: Web

    def do_GET(self) -> None:
        web = self.web
        wanted = self.headers.get("Range", "")
        web.seen.append(f"{self.command} {self.path} {wanted}".rstrip())
        web.headers = {name.lower(): value for name, value in self.headers.items()}
        if web.redirect is not None:
            self._answer(302, b"", {"Location": web.redirect + self.path})
            return
        if web.user is not None and self.headers.get("Authorization") != "Basic " + (
            base64.b64encode(web.user.encode()).decode()
        ):
            self._answer(401, HTML.encode(), {"WWW-Authenticate": "Basic"})
            return
        status = web.propfind if self.command == "PROPFIND" else web.head if self.command == "HEAD" else None
        if status is not None:
            self._answer(status, HTML.encode(), {"Content-Type": "text/html"})
            return
        place = web.folder / unquote(self.path.partition("?")[0]).lstrip("/")
        if place.is_dir() and web.index:
            links = [f'<a href="{p.name}{"/" if p.is_dir() else ""}">{p.name}</a>' for p in place.iterdir()]
            self._answer(200, "\n".join(links).encode(), {"Content-Type": "text/html"})
            return
        if not place.is_file():
            self._answer(web.absent, HTML.encode(), {"Content-Type": "text/html"})
            return
        self._serve(place.read_bytes(), wanted)

    do_HEAD = do_PROPFIND = do_GET

    def _serve(self, value: bytes, wanted: str) -> None:
        web = self.web
        if web.gzipped:
            self._answer(200, gzip.compress(value), {"Content-Encoding": "gzip"})
            return
        if not (web.ranges and wanted) or self.command == "HEAD":
            self._answer(200, value, {})
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(value) - int(last))
        end = min(len(value), int(last) + 1) if first and last else len(value)
        total = web.total or str(len(value))
        if begin >= len(value):
            self._answer(416, b"", {"Content-Range": f"bytes */{total}"})
            return
        self._answer(206, value[begin:end], {"Content-Range": f"bytes {begin}-{end - 1}/{total}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        chunked = self.web.chunked and status < 300
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if chunked:
            for part in (body[:100], body[100:]):
                if part:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        pass  # the client disconnected


@contextmanager
def web_server(folder: Path, **behaviour: Any) -> Iterator[Web]:
    """Serve `folder` on a free port. Tests can change the behaviour while the server runs."""
    web = Web(folder, **behaviour)
    handler = type("Handler", (_Handler,), {"web": web, "wbufsize": -1})
    server = _Server(("127.0.0.1", 0), handler)
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
