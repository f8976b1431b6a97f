"""Report a store's requests to telemetry hooks. While no hook is registered, this costs one check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exzarr.telemetry.registry import hooks

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["instrument"]


def instrument(store: Store) -> Store:
    """Return a wrapper of `store` that emits a `StoreRequest` per request, or `store` if no hook is registered.

    Call it for each piece of work and do not keep the result: hooks may be added or removed later. A store
    that is already instrumented is returned unchanged.
    """
    registered = hooks()
    if not registered:
        return store
    from exzarr.stores.wrappers.instrumented import InstrumentedStore

    return store if isinstance(store, InstrumentedStore) else InstrumentedStore(store, registered)
