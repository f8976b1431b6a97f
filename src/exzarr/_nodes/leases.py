"""Change chunks and the document of a node together on stores without locks: appends, resizes, ingestion.

A store with exclusive updates (folders, SQLite) makes such a change in one update (`transactions.change`). An object
store cannot: it only refuses a put whose condition is not met. There, a writer first acquires a *writer lease*, which
is stored in the document (`_format.appends`). It writes the chunks through a `FencedStore`, and puts the document on
the condition that it still holds the lease. Other writers wait for the lease. If a slow holder loses its lease, no data
is lost: it detects the loss and starts again. See docs/design/006-appends-without-locks.md.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from itertools import count
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from exzarr import config
from exzarr._format.appends import Appends, appends_of, has_appends, reach_of, with_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidated_node
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.resize import check_same_shape, store_fill
from exzarr.errors import ExzarrError, StoreError
from exzarr.stores.base import KEEP, NewValue, ValueReader, whole_value
from exzarr.stores.instrument import instrument
from exzarr.stores.locks import ThreadLock, deadline, note_wait, timed_out
from exzarr.stores.wrappers.fenced import FencedStore

__all__ = ["change_with_lease"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)


def change_with_lease(
    location: Location,
    known: M,
    make: Callable[[M], M],
    first: Callable[[M, M, Location], object],
    *,
    creates: bool,
    record: bool,
) -> M:
    """Run `transactions.change` on a store without locks, where `first` writes chunks.

    `make` is called again after the chunks are written, since other writers may have changed attributes.
    """
    end = deadline()
    key = location.key(hierarchy.document_name(known))
    # Threads of this process wait here, without requests to the store.
    with _DeadlineLock((location.store, key, "lease"), key, end):
        while True:
            with _Lease(location, known, make, creates, end) as lease:
                try:
                    changed = lease.change(first)
                except _LeaseLost:
                    continue
            if record and lease.changes:
                hierarchy.recorded(location, changed)
            return changed


class _LeaseLost(Exception):  # noqa: N818 - no error: the change starts again
    """Another writer holds the lease now. The next step of the change was not done."""


class _DeadlineLock(ThreadLock):
    """A `ThreadLock` that waits until a deadline."""

    __slots__ = ("_end",)

    def __init__(self, key: Any, name: str, end: float) -> None:
        super().__init__(key, name)
        self._end = end

    def __enter__(self) -> None:
        self.acquire(self._end)


class _Check(Generic[M]):
    """A check that a lease is not lost. Its pickle works in other processes, which write for the holder.

    Attributes
    ----------
    lost
        True if the lease is known to be lost, or released.
    """

    def __init__(self, location: Location, known: M, holder: str) -> None:
        self._location = location
        self._known: M = known
        self._holder = holder
        self._store = instrument(location.store)
        self._looking = threading.Lock()
        self._tickets = count()
        self._looked = -1
        self.lost = False

    def __reduce__(self) -> tuple[object, ...]:
        return _Check, (self._location, self._known, self._holder)

    def __call__(self) -> None:
        """Raise `_LeaseLost` if the lease is lost. One read of the document serves all waiting threads."""
        ticket = next(self._tickets)
        with self._looking:
            if self.lost:
                raise _LeaseLost
            if ticket < self._looked:
                return
            looked = next(self._tickets)
            if self._ask_holder() != self._holder:
                self.lost = True
                raise _LeaseLost
            self._looked = looked

    def _ask_holder(self) -> str:
        holder = ""

        def look(value: ValueReader | None) -> NewValue:
            nonlocal holder
            holder = appends_of(_load(self._location, self._known, value)).holder
            return KEEP

        # Not by `get`, which may use a cache.
        self._store.update(self._location.key(hierarchy.document_name(self._known)), look)
        return holder


class _Lease(Generic[M]):
    """The writer lease of a node. `__enter__` waits for it and acquires it; `__exit__` releases it."""

    def __init__(
        self, location: Location, known: M, make: Callable[[M], M], creates: bool, end: float
    ) -> None:
        self._location = location
        self._known: M = known
        self._make: Callable[[M], M] = make
        self._creates = creates
        self._end = end
        self._store = instrument(location.store)
        self._key = location.key(hierarchy.document_name(known))
        self._patience = min(config.get().lease_timeout, threading.TIMEOUT_MAX)
        self._id = uuid4().hex[:16]
        self._before = Appends()
        self._meta: M = known
        self._wanted: M = known
        self._over = threading.Event()
        self._check: _Check[M] = _Check(location, known, self._id)
        self._fenced = FencedStore(location.store, self._check)

    # -- acquiring ---------------------------------------------------------------

    def __enter__(self) -> Self:
        began, wait, seen, since = time.monotonic(), 0.02, Appends(), time.monotonic()
        while (
            other := self._ask(may_take=seen if time.monotonic() - since > self._patience else None)
        ).holder:
            now = time.monotonic()
            if (other.holder, other.beat) != (seen.holder, seen.beat):
                wait = wait if other.holder == seen.holder else 0.02
                seen, since = other, now
            if now > self._end:
                raise timed_out(self._key, f"another writer, which keeps renewing its lease {other.holder}")
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            wait = min(wait * 1.5, 0.5, max(0.02, self._patience / 4))
        note_wait(time.monotonic() - began)
        context = copy_context()
        self._pulse = threading.Thread(
            target=context.run, args=(self._beat,), name="exzarr-lease", daemon=True
        )
        self._pulse.start()
        return self

    def _ask(self, may_take: Appends | None) -> Appends:
        """Acquire the lease if it is free, or still as in `may_take`; otherwise return its holder's lease."""
        other = Appends()

        def ask(value: ValueReader | None) -> NewValue:
            nonlocal other
            meta = self._load(value)
            found, other = appends_of(meta), Appends()
            if found.holder == self._id:  # the response to an earlier put was lost
                return KEEP
            if found.holder and (
                may_take is None or (found.holder, found.beat) != (may_take.holder, may_take.beat)
            ):
                other = found
                return KEEP
            self._before, self._meta, self._wanted = found, meta, self._make(meta)
            if not self.changes:
                return KEEP
            reach = reach_of(meta, self._wanted) if self._creates else {}
            return self._document(with_appends(meta, found.taken(self._id, reach)))

        self._store.update(self._key, ask)
        return other

    # -- changing ----------------------------------------------------------------

    @property
    def changes(self) -> bool:
        """True if the change has an effect. If not, the lease is not acquired."""
        return self._wanted is not self._meta

    def change(self, first: Callable[[M, M, Location], object]) -> M:
        """Write the chunks, then the document. Raise `_LeaseLost` if the lease was lost before that."""
        if not self.changes:
            self._check.lost = True
            return self._meta
        place = replace(self._location, store=self._fenced)
        for path, shape in self._before.reach.items():
            self._clear(place.child(path), path, shape)
        first(self._meta, self._wanted, place)
        self._stop()
        return self._commit()

    def _clear(self, place: Location, path: str, shape: tuple[int, ...]) -> None:
        """Fill the chunks of `shape`, so that an earlier holder's conditional puts fail."""
        meta: Metadata | None = self._meta
        if isinstance(meta, GroupMetadata):
            held = meta.consolidated
            meta = hierarchy.find(place) if held is None else consolidated_node(held, path)
        if isinstance(meta, ArrayMetadata):
            store_fill(place, meta, shape)

    def _beat(self) -> None:
        def alive(value: ValueReader | None) -> NewValue:
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id or self._over.is_set():
                return KEEP
            return self._document(with_appends(meta, found.alive()))

        while not self._over.wait(self._patience / 4):
            try:
                self._store.update(self._key, alive)
            except (ExzarrError, OSError):  # the writes of chunks raise the same error
                continue

    def _stop(self) -> None:
        self._over.set()
        self._pulse.join()

    def _commit(self) -> M:
        tried = False
        changed: M = self._meta

        def commit(value: ValueReader | None) -> NewValue:
            nonlocal tried, changed
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id:
                # Another writer's lease: our put succeeded and its response was lost, or we lost the lease.
                done: bool | None = False
                if tried:
                    done = found.has_committed(self._id, self._before.count) if has_appends(meta) else None
                if done is None:
                    raise StoreError(
                        f"it is unknown whether the change of {self._location} was stored: the response was lost, "
                        f"and other software that does not record appends has changed {self._key!r} since. Read the "
                        "array before you repeat the change"
                    )
                if not done:
                    self._check.lost = True
                    raise _LeaseLost
                return KEEP
            if self._creates:
                check_same_shape(self._location, self._meta, meta)
            changed = with_appends(self._make(meta), found.committed())
            tried = True
            return self._document(changed)

        self._store.update(self._key, commit)
        self._check.lost = True  # the commit has released the lease
        return changed

    # -- releasing ---------------------------------------------------------------

    def __exit__(self, *_: object) -> None:
        self._stop()
        if self._check.lost:
            return

        def give_back(value: ValueReader | None) -> NewValue:
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id:
                return KEEP
            # Puts may still be in flight, with their responses lost: the next holder has to handle them.
            left = found.reach if self._fenced.written else self._before.reach
            return self._document(with_appends(meta, found.given_back(left)))

        try:
            self._store.update(self._key, give_back)
        except (ExzarrError, OSError):  # then the lease expires
            pass

    # -- documents ---------------------------------------------------------------

    def _load(self, value: ValueReader | None) -> M:
        return _load(self._location, self._known, value)

    def _document(self, meta: M) -> list[bytes]:
        return [hierarchy.locked_document(meta)[1]]


def _load(location: Location, known: M, value: ValueReader | None) -> M:
    """Return the metadata in the node's document; raise NodeNotFoundError if it is missing."""
    if value is None:
        raise hierarchy.not_found(location, known.zarr_format)
    key = location.key(hierarchy.document_name(known))
    meta: M = hierarchy.reloaded(location, known, key, whole_value(value))
    return meta
