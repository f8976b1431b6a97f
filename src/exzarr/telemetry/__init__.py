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
from exzarr.telemetry.hooks import Hook, add_hook, emit, hooks, listening, remove_hook

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
    "add_hook",
    "remove_hook",
    "listening",
    # who makes them
    "emit",
    "hooks",
]
