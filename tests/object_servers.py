"""HTTP servers with the protocols of object stores (moto's S3, Azurite), each in a separate process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

__all__ = [
    "AZURE_KEY",
    "KEY_ID",
    "OPEN",
    "S3_PAGE",
    "SECRET",
    "AzureServer",
    "ObjectServer",
    "S3Server",
    "azure_server",
    "s3_server",
]

KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Well-known key of every Azurite: https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key."""
AZURITE = Path(__file__).parent / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"

S3_PAGE = 100
"""Number of keys on a page of a listing: a tenth of that of S3, so that the tests of many pages are short."""

_numbers = count()

OPEN = """
import json, sys
import exzarr, exzarr.stores
def open_store(description=sys.argv[1]):
    url, kind, options = json.loads(description)
    return exzarr.stores.ObjectStore(url, options=getattr(exzarr.stores, kind)(**options))
"""
"""First lines of a program that opens the store described by its first argument (see `ObjectServer.describe`)."""


@dataclass(frozen=True)
class ObjectServer:
    """A running object server."""

    endpoint: str
    scheme: ClassVar[str]

    def make_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        raise NotImplementedError

    def options(self, **more: Any) -> Any:
        """Return the connection options."""
        raise NotImplementedError

    def store(self, path: str = "", **more: Any) -> Any:
        """Return an `ObjectStore` in a new bucket."""
        from exzarr.stores import ObjectStore

        return ObjectStore(f"{self.scheme}://{self.make_bucket()}/{path}", options=self.options(), **more)

    def describe(self, store: Any) -> str:
        """Describe `store` for another process, which opens it with `OPEN`."""
        raise NotImplementedError


class S3Server(ObjectServer):
    """The S3 server of moto."""

    scheme = "s3"

    def make_bucket(self) -> str:
        name = f"bucket-{next(_numbers)}-{uuid4().hex[:8]}"
        url = f"{self.endpoint}/{name}"
        request = urllib.request.Request(url, method="PUT", headers={"Authorization": _SIGNED})
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
        return name

    def _access(self) -> dict[str, Any]:
        access = {"region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET}
        return {"endpoint": self.endpoint, **access}

    def options(self, **more: Any) -> Any:
        from exzarr.stores import S3Options

        return S3Options(**{**self._access(), **more})

    def describe(self, store: Any) -> str:
        return json.dumps([store.url, "S3Options", self._access()])


class AzureServer(ObjectServer):
    """The Azure server Azurite."""

    scheme = "az"

    def make_bucket(self) -> str:
        name = f"container-{next(_numbers)}-{uuid4().hex[:8]}"
        date, version = formatdate(usegmt=True), "2021-08-06"
        signed = (
            f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n"
            f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
        )
        digest = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        url = f"{self.endpoint}/{AZURE_ACCOUNT}/{name}?restype=container"
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)) as response:
            assert response.status == 201
        return name

    def _access(self, endpoint: str | None = None) -> dict[str, Any]:
        where = f"{endpoint or self.endpoint}/{AZURE_ACCOUNT}"
        return {"endpoint": where, "account": AZURE_ACCOUNT, "account_key": AZURE_KEY}

    def options(self, **more: Any) -> Any:
        from exzarr.stores import AzureOptions

        return AzureOptions(**{**self._access(more.pop("endpoint", None)), **more})

    def describe(self, store: Any) -> str:
        return json.dumps([store.url, "AzureOptions", self._access()])


# moto checks the condition of a put before the put. The lock makes both steps atomic, as in S3.
_MOTO = f"""
import os, sys, threading
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "{S3_PAGE}"
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
main, alone = DomainDispatcherApplication(create_backend_app), threading.Lock()
class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log(self, *_): pass
def app(environ, start):
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return main(environ, start)
    with alone:
        return main(environ, start)
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Handler)
"""


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start moto's server on a free port, and stop it afterwards."""
    with _running(lambda port: [sys.executable, "-c", _MOTO, str(port)]) as port:
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """Start Azurite on a free port, and stop it afterwards."""
    node = shutil.which("node") or "node"
    options = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    with _running(lambda port: [node, str(AZURITE), "--blobPort", str(port), *options]) as port:
        yield AzureServer(f"http://127.0.0.1:{port}")


@contextmanager
def _running(command: Any) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line: Sequence[str] = command(port)
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{line[:2]} did not start") from None
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(30)
