"""A store that counts its calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import exzarr
from exzarr.stores.wrappers.base import StoreWrapper


class CountingStore(StoreWrapper):
    """A wrapper that counts the calls by method; `keys` are the keys that were read."""

    def __init__(self, inner: exzarr.Store) -> None:
        super().__init__(inner)
        self.calls: Counter[str] = Counter()
        self.keys: list[str] = []

    def get(self, key: str, byte_range: Any = None) -> Any:
        self.calls["get"] += 1
        self.keys.append(key)
        return super().get(key, byte_range)

    def put(self, key: str, value: Any) -> None:
        self.calls["put"] += 1
        super().put(key, value)

    def list(self, prefix: str = "") -> Any:
        self.calls["list"] += 1
        return super().list(prefix)

    def list_dir(self, prefix: str = "") -> Any:
        self.calls["list_dir"] += 1
        return super().list_dir(prefix)
