"""Changing a node by writing chunks and its document: appends, resizes, ingestion.

Where a store keeps everybody else out while it updates a value (folders, SQLite), all of it is done in one such
update (`transactions.change`). An object store cannot: it only refuses a put whose condition is broken. There
whoever writes chunks first takes a *turn*, which stands in the document (`format.appends`); writes the chunks
through a `FencedStore`; and puts the document on the condition that it still is his turn. The turn keeps
others waiting, and nothing is lost if it fails to: a holder who is slow, or was taken for dead, finds that he has
lost it, and begins anew. See docs/design/006-appends-without-locks.md.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from itertools import count
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from exzarr import config
from exzarr._format.appends import MEMBER, Appends, appends_of, reach_of, with_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidated_node
from exzarr._nodes import hierarchy, transactions
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.resize import store_fill
from exzarr.errors import ExzarrError, StoreError
from exzarr.stores.base import KEEP, Buffer, ValueReader, whole_value
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
    """What `transactions.change` does, where `first` writes chunks and the store has no locks.

    `make` is called again when all of that is written: others may have changed attributes since.
    """
    end = deadline()
    key = location.key(hierarchy.document_name(known))
    # The threads of this process need not ask the store whose turn it is.
    with _Line((location.store, key, "turn"), key, end):
        while True:
            with _Turn(location, known, make, creates, end) as turn:
                try:
                    changed = turn.change(first)
                except _Lost:
                    continue
            if record and turn.changes:
                hierarchy.recorded(location, changed)
            return changed


class _Lost(Exception):  # noqa: N818 - no error: one begins anew
    """It is somebody else's turn now, and what one was about to do has not been done."""


class _Line(ThreadLock):
    """`ThreadLock` with an end."""

    __slots__ = ("_end",)

    def __init__(self, key: Any, name: str, end: float) -> None:
        super().__init__(key, name)
        self._end = end

    def __enter__(self) -> None:
        self.acquire(self._end)


class _Turn(Generic[M]):
    """One's turn to change a node: from `__enter__`, which waits for it, until `__exit__`."""

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
        self._lost = False
        self._looking = threading.Lock()
        self._tickets = count()
        self._looked = -1
        self._fenced = FencedStore(location.store, self._check)

    # -- waiting for it ----------------------------------------------------------

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
                raise timed_out(self._key, f"another writer, who shows signs of life (turn {other.holder})")
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            wait = min(wait * 1.5, 0.5, max(0.02, self._patience / 4))
        note_wait(time.monotonic() - began)
        context = copy_context()
        self._pulse = threading.Thread(
            target=context.run, args=(self._beat,), name="exzarr-turn", daemon=True
        )
        self._pulse.start()
        return self

    def _ask(self, may_take: Appends | None) -> Appends:
        """Take the turn if it is nobody's, or if it is as in `may_take`; whose it is otherwise."""
        other = Appends()

        def ask(value: ValueReader | None) -> Sequence[Buffer] | None:
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

    # -- in the midst of it ------------------------------------------------------

    @property
    def changes(self) -> bool:
        """Whether anything is to be changed. Else it has not been one's turn."""
        return self._wanted is not self._meta

    def change(self, first: Callable[[M, M, Location], object]) -> M:
        """Write the chunks, and then the document. `_Lost` where that was not done because the turn was lost."""
        if not self.changes:
            self._lost = True
            return self._meta
        place = replace(self._location, store=self._fenced)
        for path, shape in self._before.reach.items():
            self._clear(place.child(path), path, shape)
        first(self._meta, self._wanted, place)
        self._stop()
        return self._commit()

    def _clear(self, place: Location, path: str, shape: tuple[int, ...]) -> None:
        """Make sure that nobody who had the turn before can put chunks of `shape` any more."""
        meta: Metadata | None = self._meta
        if isinstance(meta, GroupMetadata):
            held = meta.consolidated
            meta = hierarchy.find(place) if held is None else consolidated_node(held, path)
        if isinstance(meta, ArrayMetadata):
            store_fill(place, meta, shape)

    def _check(self) -> None:
        """`_Lost` where it is not one's turn any more. One look at the document does for all who have come before it."""
        ticket = next(self._tickets)
        with self._looking:
            if self._lost:
                raise _Lost
            if ticket < self._looked:
                return
            looked = next(self._tickets)
            if self._ask_holder() != self._id:
                self._lost = True
                raise _Lost
            self._looked = looked

    def _ask_holder(self) -> str:
        holder = ""

        def look(value: ValueReader | None) -> Sequence[Buffer] | None:
            nonlocal holder
            holder = appends_of(self._load(value)).holder
            return KEEP

        # Not by `get`, which might come out of a cache.
        self._store.update(self._key, look)
        return holder

    def _beat(self) -> None:
        def alive(value: ValueReader | None) -> Sequence[Buffer] | None:
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id or self._over.is_set():
                return KEEP
            return self._document(with_appends(meta, found.alive()))

        while not self._over.wait(self._patience / 4):
            try:
                self._store.update(self._key, alive)
            except (ExzarrError, OSError):  # whoever writes chunks meets with the same
                continue

    def _stop(self) -> None:
        self._over.set()
        self._pulse.join()

    def _commit(self) -> M:
        tried = False
        changed: M = self._meta

        def commit(value: ValueReader | None) -> Sequence[Buffer] | None:
            nonlocal tried, changed
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id:
                # Somebody else's turn: by a put of ours whose response was lost, or against our will.
                done: bool | None = False
                if tried:
                    done = found.has_committed(self._id, self._before.count) if MEMBER in meta.extra else None
                if done is None:
                    raise StoreError(
                        f"it cannot be told whether the change of {self._location} has been made: the response to "
                        f"it was lost, and others have changed {self._key!r} since, who keep no account of it"
                    )
                if not done:
                    self._lost = True
                    raise _Lost
                return KEEP
            if self._creates:
                transactions.check_same_shape(self._location, self._meta, meta)
            changed = with_appends(self._make(meta), found.committed())
            tried = True
            return self._document(changed)

        self._store.update(self._key, commit)
        self._lost = True  # it is over
        return changed

    # -- afterwards --------------------------------------------------------------

    def __exit__(self, *_: object) -> None:
        self._stop()
        if self._lost:
            return

        def give_back(value: ValueReader | None) -> Sequence[Buffer] | None:
            meta = self._load(value)
            found = appends_of(meta)
            if found.holder != self._id:
                return KEEP
            # Puts may be under way still, their responses lost: who comes next has to see to them.
            left = found.reach if self._fenced.written else self._before.reach
            return self._document(with_appends(meta, found.given_back(left)))

        try:
            self._store.update(self._key, give_back)
        except (ExzarrError, OSError):  # then it is taken from us, after a while
            pass

    # -- documents ---------------------------------------------------------------

    def _load(self, value: ValueReader | None) -> M:
        if value is None:
            raise hierarchy.not_found(self._location, self._known.zarr_format)
        meta: M = hierarchy.reloaded(self._location, self._known, self._key, whole_value(value))
        return meta

    def _document(self, meta: M) -> list[bytes]:
        return [hierarchy.locked_document(meta)[1]]
