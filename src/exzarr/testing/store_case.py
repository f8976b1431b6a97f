"""Base class and helpers of the store suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from exzarr.stores.base import Store

__all__ = ["StoreCase", "as_bytes", "buffer_of"]


class StoreCase:
    """A class of tests of a store. A subclass defines `make_store`."""

    pickles: ClassVar[bool] = True
    """True if a store can be pickled within one process."""

    def make_store(self, tmp_path: Path) -> Store:
        """Return an empty writable store, a new one for each folder."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Yield the store under test."""
        store = self.make_store(tmp_path)
        yield store
        store.close()


def buffer_of(size: int) -> memoryview:
    """Return a buffer of `size` bytes to read into."""
    return memoryview(bytearray(size))


def as_bytes(value: bytes | bytearray | memoryview | None) -> bytes | None:
    """Return a value from a store as bytes, for comparison."""
    return None if value is None else bytes(value)
