"""Requests outside the engine, told while somebody listens. While nobody does, this costs a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exzarr.telemetry.hooks import hooks

if TYPE_CHECKING:
    from exzarr.stores.base import Store

__all__ = ["watched"]


def watched(store: Store) -> Store:
    """`store` itself where nobody listens; else a wrapper that makes a `StoreRequest` of each request.

    For one piece of work: who asks a store for something calls it then, and doesn't keep what it gives.
    What is watched already is not told twice.
    """
    listeners = hooks()
    if not listeners:
        return store
    from exzarr.stores.observed import ObservedStore

    return store if isinstance(store, ObservedStore) else ObservedStore(store, listeners)
