"""A local S3 server for experiments with buckets: moto over HTTP, in a separate process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
import weakref
from importlib.util import find_spec
from itertools import count
from typing import Self
from uuid import uuid4

from exzarr.errors import MissingDependencyError, StoreError
from exzarr.stores import ObjectStore, S3Options

__all__ = ["LocalS3"]

_KEY_ID = "AKIDEXAMPLE"
_REGION = "us-east-1"
_SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={_KEY_ID}/20200101/{_REGION}/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
_PATIENCE = 60.0
_numbers = count()


class LocalS3:
    """An S3 server on a free port of this machine, which keeps its buckets in memory.

    The server ends with `close`, at the end of a ``with`` block, or when this object is garbage-collected.

    Raises
    ------
    MissingDependencyError
        moto is not installed.
    StoreError
        The server did not start.
    """

    endpoint: str

    def __init__(self) -> None:
        if find_spec("moto") is None or find_spec("flask") is None:
            raise MissingDependencyError("a local S3 server requires moto: pip install 'exzarr[gallery]'")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._end = weakref.finalize(self, _stop, server)
        self.endpoint = f"http://127.0.0.1:{port}"
        try:
            _wait(server, port)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalS3({self.endpoint!r})"

    def close(self) -> None:
        """End the server; the contents of its buckets are lost."""
        self._end()

    @property
    def options(self) -> S3Options:
        """Options for a connection to the server."""
        return S3Options(
            endpoint=self.endpoint,
            region=_REGION,
            access_key_id=_KEY_ID,
            secret_access_key="not-a-secret",  # noqa: S106 - the server accepts any
        )

    def bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"bucket-{next(_numbers)}-{uuid4().hex[:8]}"
        request = urllib.request.Request(  # noqa: S310 - to the server that we started
            f"{self.endpoint}/{name}", method="PUT", headers={"Authorization": _SIGNED}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310
            return name

    def store(self, path: str = "") -> ObjectStore:
        """Return a store in a new bucket."""
        return ObjectStore(f"s3://{self.bucket()}/{path}", options=self.options)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise StoreError(
                    "the local S3 server did not start: run python -m moto.server to see the reason"
                ) from None
            time.sleep(0.05)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
