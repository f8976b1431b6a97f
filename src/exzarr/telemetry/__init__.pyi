from exzarr.telemetry.events import (
    CacheHit as CacheHit,
    ChunkRead as ChunkRead,
    ChunkWritten as ChunkWritten,
    Event as Event,
    IngestProgress as IngestProgress,
    Retried as Retried,
    SelectionRead as SelectionRead,
    SelectionWritten as SelectionWritten,
    StoreRequest as StoreRequest,
    StreamProgress as StreamProgress,
)
from exzarr.telemetry.profiling import profile as profile
from exzarr.telemetry.registry import (
    Hook as Hook,
    Hooks as Hooks,
    add_hook as add_hook,
    emit as emit,
    hooks as hooks,
    listening as listening,
    remove_hook as remove_hook,
)
from exzarr.telemetry.report import Report as Report

__all__: list[str]
