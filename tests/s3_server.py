"""A real HTTP server that speaks S3: moto's, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

__all__ = ["KEY_ID", "SECRET", "S3Server", "running_server"]

KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_numbers = count()


@dataclass(frozen=True)
class S3Server:
    """Where it is."""

    endpoint: str

    def make_bucket(self) -> str:
        """A new, empty bucket."""
        name = f"bucket-{next(_numbers)}-{uuid4().hex[:8]}"
        url = f"{self.endpoint}/{name}"
        request = urllib.request.Request(url, method="PUT", headers={"Authorization": _SIGNED})
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
        return name

    def options(self, **more: Any) -> Any:
        """How to connect."""
        from exzarr.stores import S3Options

        access = {"region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET}
        return S3Options(**{"endpoint": self.endpoint, **access, **more})

    def store(self, path: str = "", **more: Any) -> Any:
        """An `ObjectStore` in a new bucket."""
        from exzarr.stores import ObjectStore

        return ObjectStore(f"s3://{self.make_bucket()}/{path}", options=self.options(), **more)


@contextmanager
def running_server() -> Iterator[S3Server]:
    """Start a server on a free port, and stop it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("moto's server did not start") from None
                time.sleep(0.05)
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(30)
