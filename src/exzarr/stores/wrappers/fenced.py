"""A store for one's turn: what is written after it has ended does no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exzarr.errors import StoreError
from exzarr.stores.base import Buffer, Change, Store, ValueReader
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["FencedStore"]


class FencedStore(StoreWrapper):
    """Another store, every put of which has a condition that fails once it is somebody else's turn.

    A value is put where there is none; or in place of one that was read *before* `check` found that it still was
    one's turn. Whoever has the turn next puts something else there, or fails with the same condition, before it is
    part of anything. So a put that comes late, however late, finds its condition broken.

    Parameters
    ----------
    inner
        The store, which has conditional puts.
    check
        Raises where it is no longer one's turn.

    Attributes
    ----------
    written
        Whether anything has been put, or may have been.
    """

    def __init__(self, inner: Store, check: Callable[[], None]) -> None:
        super().__init__(inner)
        self._check = check
        self.written = False

    def put(self, key: str, value: Buffer) -> None:
        self.written = True
        if not self.inner.put_if_absent(key, value):
            self.update(key, lambda _: [value])

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.put(key, b"".join(parts))

    def update(self, key: str, change: Change) -> None:
        def changed(value: ValueReader | None) -> Sequence[Buffer] | None:
            parts = change(value)
            self._check()
            return parts

        self.written = True
        self.inner.update(key, changed)

    def delete(self, key: str) -> None:
        raise StoreError(f"key {key!r} in {self} is not to be deleted now: a delete can have no condition")

    def delete_prefix(self, prefix: str) -> None:
        self.delete(prefix)
