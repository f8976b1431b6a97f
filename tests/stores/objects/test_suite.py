"""Object stores pass the suite that every store passes: S3 and Azure over HTTP, obstore's folders and memory."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from exzarr.stores.base import Store
from exzarr.stores.objects.store import ObjectStore
from exzarr.testing.store_keys import UNUSUAL_KEYS
from exzarr.testing.store_suite import StoreSuite
from tests.object_servers import S3_PAGE

obstore = pytest.importorskip("obstore")

pytestmark = pytest.mark.slow


class TestS3(StoreSuite):
    processes = False  # the runtime of obstore does not survive a fork
    many = 2 * S3_PAGE + 20

    @pytest.fixture(autouse=True)
    def _server(self, s3_server):
        self.server = s3_server

    def make_store(self, tmp_path: Path) -> Store:
        return self.server.store()


class TestAzure(StoreSuite):
    processes = False  # the runtime of obstore does not survive a fork
    # Azure takes a backslash in a blob's name for a slash.
    unusual_keys: ClassVar[list[str]] = [key for key in UNUSUAL_KEYS if "\\" not in key]

    @pytest.fixture(autouse=True)
    def _server(self, azure_server):
        self.server = azure_server

    def make_store(self, tmp_path: Path) -> Store:
        return self.server.store()


class TestPrefixOfS3(StoreSuite):
    processes = False  # the runtime of obstore does not survive a fork

    @pytest.fixture(autouse=True)
    def _server(self, s3_server):
        self.server = s3_server

    def make_store(self, tmp_path: Path) -> Store:
        beside = self.server.store()
        for key in ("beside", "a/beside", "a/bc", "a/b-c/d"):
            beside.put(key, b"1")
        return ObjectStore(f"{beside.url}/a/b", options=self.server.options())

    @pytest.mark.skip("as without a prefix")
    def test_list_returns_all_of_many_keys(self): ...


class TestObstoreMemory(StoreSuite):
    processes = False  # the runtime of obstore does not survive a fork
    pickles = False

    def make_store(self, tmp_path: Path) -> Store:
        from obstore.store import MemoryStore

        return ObjectStore(MemoryStore(), prefix="some/where")


class TestObstoreFolder(StoreSuite):
    processes = False  # the runtime of obstore does not survive a fork

    def make_store(self, tmp_path: Path) -> Store:
        from obstore.store import LocalStore

        return ObjectStore(LocalStore(tmp_path / "data", mkdir=True), single_writer=True)
