"""Store wrapper for read-only access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from exzarr.stores.base import Buffer, Change, StoreTraits, read_only_error
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["ReadOnlyStore"]


class ReadOnlyStore(StoreWrapper):
    """Wrapper that refuses writes with ReadOnlyError."""

    # `around` would be enough to refuse, but would also split batches of reads.

    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]
        return _read_only(self.inner.traits)

    def put(self, key: str, value: Buffer) -> None:
        raise read_only_error(self, key)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        raise read_only_error(self, key)

    def put_if_absent(self, key: str, value: Buffer) -> bool:
        raise read_only_error(self, key)

    def update(self, key: str, change: Change) -> None:
        raise read_only_error(self, key)

    def delete(self, key: str) -> None:
        raise read_only_error(self, key)

    def delete_prefix(self, prefix: str) -> None:
        raise read_only_error(self, prefix)


@cache
def _read_only(traits: StoreTraits) -> StoreTraits:
    return replace(traits, read_only=True)
