"""Store wrapper for the keys under a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exzarr.stores.base import Listed, Store, check_key, check_prefix
from exzarr.stores.wrappers.base import StoreWrapper

if TYPE_CHECKING:
    from exzarr.stores.staging import StagingArea

__all__ = ["PrefixStore"]


class PrefixStore(StoreWrapper):
    """Store of the keys under a prefix of another store.

    Parameters
    ----------
    inner
        The other store.
    prefix
        The prefix, without a slash at its end. ``""`` shows all keys.
    """

    def __init__(self, inner: Store, prefix: str) -> None:
        super().__init__(inner)
        self.prefix = check_prefix(prefix)
        self._base = prefix + "/" if prefix else ""

    def inner_key(self, key: str) -> str:
        return self._base + check_key(key)

    def inner_prefix(self, prefix: str) -> str:
        return self._base + check_prefix(prefix) if prefix else self.prefix

    def list(self, prefix: str = "") -> Iterator[str]:
        skip = len(self._base)
        return (key[skip:] for key in super().list(prefix))

    def list_values(self, prefix: str = "") -> Iterator[Listed]:
        skip = len(self._base)
        return (found._replace(key=found.key[skip:]) for found in super().list_values(prefix))

    def staging_area(self, prefix: str, *, replacing: bool) -> StagingArea | None:
        found = self.inner.staging_area(self.inner_prefix(prefix), replacing=replacing)
        return None if found is None else _PrefixStaging(found, self.prefix)

    def parent(self) -> Store | None:
        if not self.prefix:
            return self.inner.parent()
        return PrefixStore(self.inner, self.prefix.rpartition("/")[0])

    def as_read_only(self) -> Store:
        return self if self.read_only else PrefixStore(self.inner.as_read_only(), self.prefix)

    @property
    def url(self) -> str:
        return f"{self.inner.url.rstrip('/')}/{self.prefix}" if self.prefix else self.inner.url

    def __repr__(self) -> str:
        return f"PrefixStore({self.inner!r}, {self.prefix!r})"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, PrefixStore) and other.prefix == self.prefix

    def __hash__(self) -> int:
        return hash((PrefixStore, self.inner, self.prefix))


class _PrefixStaging:
    """Staging area of a `PrefixStore`: that of the inner store, below the prefix."""

    def __init__(self, inner: StagingArea, prefix: str) -> None:
        self._inner = inner
        self.store: Store = PrefixStore(inner.store, prefix)

    @property
    def in_steps(self) -> bool:
        return self._inner.in_steps

    def swap_in(self, *, replace: bool) -> bool:
        return self._inner.swap_in(replace=replace)

    def discard(self) -> None:
        self._inner.discard()
