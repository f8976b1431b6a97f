"""Hooks: registered for the whole process, or for one context and the threads that work for it.

Code that emits events first checks, once per operation, whether a hook is registered. Telemetry costs nothing
unless one is::

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
    """Any callable that takes an event: a function, or an object with ``__call__``.

    exzarr calls it immediately, in the thread where the event happened, and several threads can call it
    concurrently. Its exceptions are logged once, to the logger ``exzarr.telemetry``, and do not propagate. Its own
    reads and writes with exzarr emit no events.
    """

    def __call__(self, event: Event, /) -> object: ...


class Listener:
    """A registered hook and its filter of events."""

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
        except Exception:  # a hook must not break a read
            if not self._failed:
                self._failed = True
                import logging

                logging.getLogger("exzarr.telemetry").exception(
                    "hook %r failed on %r; its later failures are not logged", self.hook, event
                )


Hooks = tuple[Listener, ...]

_process: Hooks = ()
_block: ContextVar[Hooks] = ContextVar("exzarr_hooks", default=())
_blocks = 0
"""Number of active blocks that listen to one context only. At 0, contexts are not searched for hooks."""
_guard = threading.Lock()
_inside: ContextVar[bool] = ContextVar("exzarr_in_hook", default=False)


def hooks() -> Hooks:
    """Return the hooks that apply here; empty, and therefore false, if there are none."""
    if not _process and not _blocks:
        return ()
    return () if _inside.get() else (_process + _block.get() if _blocks else _process)


def emit(event: Event, to: Hooks | None = None) -> None:
    """Call all hooks with `event`. `to`: the hooks that `hooks` returned when the operation began."""
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
    """Register `hook` for the events of the whole process, in all threads.

    Parameters
    ----------
    hook
        See `Hook`.
    only
        One or several classes of events to receive. Default: all.

    Raises
    ------
    ArgumentError
        `hook` cannot be called.
    """
    global _process
    listener = _listener(hook, only)
    with _guard:
        _process = (*_process, listener)


def remove_hook(hook: Hook) -> None:
    """Remove the last registration of `hook` by `add_hook`, if there is one.

    Operations in progress can still call it.
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
    """Register `hook` for the duration of a ``with`` block.

    Parameters
    ----------
    hook
        See `Hook`.
    only
        One or several classes of events to receive. Default: all.
    scope
        ``process``: events of all threads of this process. ``context``: only events of this thread (or task), and
        of exzarr's own threads that work for it. Threads that the block starts are not included, unless they
        run in a copy of its context.

    Yields
    ------
    Hook
        `hook`.

    Raises
    ------
    ArgumentError
        `hook` cannot be called, or `scope` is unknown.
    """
    global _process, _blocks
    if scope not in ("process", "context"):
        raise ArgumentError(f"scope must be 'process' or 'context', not {scope!r}")
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
        raise ArgumentError(f"hook {hook!r} cannot be called; pass a callable that takes an event")
    if only is None:
        return Listener(hook, None)
    return Listener(hook, (only,) if isinstance(only, type) else tuple(only))


def _forget_lock() -> None:
    """Replace the lock after a fork: another thread of the parent process may have held it."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
