"""Who listens: for the whole process, or for one context and the threads that work for it.

Whoever makes events asks first whether anybody listens, once for a piece of work, so that nobody pays
for what nobody hears::

    if telemetry.hooks():
        telemetry.emit(telemetry.Retried("chunk (0, 3)", attempt=1, wait=0.5, error=str(error)))
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, Protocol

from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr.telemetry.events import Event

__all__ = ["Hook", "Hooks", "add_hook", "emit", "hooks", "listening", "remove_hook"]


class Hook(Protocol):
    """Anything that can be called with an event: a function, or an object with ``__call__``.

    It is called in the thread in which the event happened, as soon as it did, and by several at
    once. What it raises is logged (once, to the logger ``exzarr.telemetry``) and goes no further. What it
    reads and writes with exzarr itself makes no events.
    """

    def __call__(self, event: Event, /) -> object: ...


class Listener:
    """A hook that was added, and which events it wants."""

    __slots__ = ("_failed", "hook", "only")

    def __init__(self, hook: Hook, only: tuple[type[Event], ...] | None) -> None:
        self.hook = hook
        self.only = only
        self._failed = False

    def __call__(self, event: Event) -> None:
        if self.only is not None and not isinstance(event, self.only):
            return
        try:
            self.hook(event)
        except Exception:  # no hook may break a read
            if not self._failed:
                self._failed = True
                import logging

                logging.getLogger("exzarr.telemetry").exception(
                    "hook %r failed on %r; later failures of it are not logged", self.hook, event
                )


Hooks = tuple[Listener, ...]

_process: Hooks = ()
_block: ContextVar[Hooks] = ContextVar("exzarr_hooks", default=())
_blocks = 0
"""How many blocks listen to their own context only: while there are none, nobody looks for them."""
_guard = threading.Lock()
_inside: ContextVar[bool] = ContextVar("exzarr_in_hook", default=False)


def hooks() -> Hooks:
    """Who listens here and now; false where nobody does."""
    if not _process and not _blocks:
        return ()
    return () if _inside.get() else (_process + _block.get() if _blocks else _process)


def emit(event: Event, to: Hooks | None = None) -> None:
    """Tell all hooks (`to` those that `hooks` gave when the work began) of `event`."""
    listeners = hooks() if to is None else to
    if not listeners:
        return
    token = _inside.set(True)
    try:
        for listener in listeners:
            listener(event)
    finally:
        _inside.reset(token)


def add_hook(hook: Hook, *, only: type[Event] | Iterable[type[Event]] | None = None) -> None:
    """Have `hook` called with every event of this process, from any thread.

    Parameters
    ----------
    hook
        See `Hook`.
    only
        The class of events, or several, that it wants; the default is all.
    """
    global _process
    listener = _listener(hook, only)
    with _guard:
        _process = (*_process, listener)


def remove_hook(hook: Hook) -> None:
    """Take back the last `add_hook` of `hook`; nothing happens where it was not added.

    Work that is under way may still tell it of what it does.
    """
    global _process
    with _guard:
        for at in reversed(range(len(_process))):
            if _process[at].hook == hook:
                _process = _process[:at] + _process[at + 1 :]
                return


@contextmanager
def listening(
    hook: Hook,
    *,
    only: type[Event] | Iterable[type[Event]] | None = None,
    scope: Literal["process", "context"] = "process",
) -> Iterator[Hook]:
    """Have `hook` called with events inside a ``with`` block.

    Parameters
    ----------
    hook
        See `Hook`.
    only
        The class of events, or several, that it wants; the default is all.
    scope
        ``process``: everything that happens in this process meanwhile, in whichever thread.
        ``context``: only what this thread (or task) does, and exzarr's own threads for it; not what other
        threads do that were started in the block, unless they run in a copy of its context.
    """
    global _process, _blocks
    if scope not in ("process", "context"):
        raise ArgumentError(f"scope is 'process' or 'context', not {scope!r}")
    listener = _listener(hook, only)
    if scope == "process":
        with _guard:
            _process = (*_process, listener)
        try:
            yield hook
        finally:
            with _guard:
                _process = tuple([other for other in _process if other is not listener])
        return
    with _guard:
        _blocks += 1
    token = _block.set((*_block.get(), listener))
    try:
        yield hook
    finally:
        _block.reset(token)
        with _guard:
            _blocks -= 1


def _listener(hook: Hook, only: type[Event] | Iterable[type[Event]] | None) -> Listener:
    if not callable(hook):
        raise ArgumentError(f"a hook is called with events: {hook!r} cannot be called")
    if only is None:
        return Listener(hook, None)
    return Listener(hook, (only,) if isinstance(only, type) else tuple(only))


def _forget_lock() -> None:
    """After a fork: another thread of the parent may have held it."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
