"""What exzarr does, told while it does it: events, and hooks that get them.

While nobody listens, no event is made, nothing is timed, and but for `hooks` nothing of this is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exzarr.telemetry.hooks import Hook, Hooks, add_hook, emit, hooks, listening, remove_hook

if TYPE_CHECKING:
    from exzarr.telemetry.events import (
        CacheHit,
        ChunkRead,
        ChunkWritten,
        Event,
        IngestProgress,
        Retried,
        SelectionRead,
        SelectionWritten,
        StoreRequest,
        StreamProgress,
    )
    from exzarr.telemetry.profiling import profile
    from exzarr.telemetry.report import Report

__all__ = [
    # events
    "Event",
    "SelectionRead",
    "SelectionWritten",
    "ChunkRead",
    "ChunkWritten",
    "StoreRequest",
    "Retried",
    "CacheHit",
    "StreamProgress",
    "IngestProgress",
    # who gets them
    "Hook",
    "Hooks",
    "add_hook",
    "remove_hook",
    "listening",
    "profile",
    "Report",
    # who makes them
    "emit",
    "hooks",
]

_HOMES = {"profile": "profiling", "Report": "report"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_HOMES.get(name, 'events')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return [*__all__]
