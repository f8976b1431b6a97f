"""Store wrapper for the holder of a writer lease: its writes fail after the lease has expired."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exzarr.errors import StoreError
from exzarr.stores.base import Buffer, Change, NewValue, Store, ValueReader
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["FencedStore"]


class FencedStore(StoreWrapper):
    """Wrapper whose puts have a condition that fails once another writer has the lease.

    A put requires that the key is missing, or that its value is still the one that was read *before* `check`
    confirmed the lease. The next holder of the lease replaces the value, or fails with the same condition, before
    the value becomes part of the array. The condition of a delayed put therefore fails, however late it is.

    Parameters
    ----------
    inner
        The store. It must have conditional puts.
    check
        Function that raises if the lease is lost. It pickles if other processes write, too.

    Attributes
    ----------
    written
        True if a value has been put, or may have been put.
    """

    def __init__(self, inner: Store, check: Callable[[], None]) -> None:
        super().__init__(inner)
        self._check = check
        self.written = False

    def __reduce__(self) -> tuple[object, ...]:
        self.written = True  # perhaps, by the process that gets the pickle
        return FencedStore, (self.inner, self._check)

    def put(self, key: str, value: Buffer) -> None:
        self.written = True
        if not self.inner.put_if_absent(key, value):
            self.update(key, lambda _: [value])

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.put(key, b"".join(parts))

    def update(self, key: str, change: Change) -> None:
        def changed(value: ValueReader | None) -> NewValue:
            parts = change(value)
            self._check()
            return parts

        self.written = True
        self.inner.update(key, changed)

    def delete(self, key: str) -> None:
        raise StoreError(f"key {key!r} in {self} is not to be deleted now: a delete can have no condition")

    def delete_prefix(self, prefix: str) -> None:
        self.delete(prefix)
