"""What exzarr does, told while it does it: events, and hooks that get them.

While nobody listens, no event is made and nothing is timed.
"""

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
from exzarr.telemetry.hooks import Hook, Hooks, add_hook, emit, hooks, listening, remove_hook
from exzarr.telemetry.profile import profile
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
