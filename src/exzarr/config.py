"""Settings: one frozen dataclass, from the environment, for the process or for a block.

>>> import exzarr
>>> exzarr.config.get().workers >= 1
True
>>> with exzarr.config.override(workers=1):
...     exzarr.config.get().workers
1

Each field can be set by an environment variable: ``EXZARR_WORKERS=4``,
``EXZARR_WRITE_EMPTY_CHUNKS=1``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

from exzarr.errors import ArgumentError

__all__ = ["Config", "get", "override", "set"]


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Config:
    """What can be set.

    Attributes
    ----------
    workers
        Threads that read, decode, encode and write, for the whole process; the caller's
        own thread is one of them. Default: the cores this process may use.
    inline_bytes
        A selection that has only one chunk, or fewer bytes of compressed chunks than this, is
        done in the caller's thread alone: handing it over would cost more than it saves.
    coalesce_gap
        Ranges of one shard that lie no further apart than this many bytes are read at once.
    coalesce_max
        All workers together never read more than this many bytes of shards at once (inner
        chunks that are larger excepted). Bounds their memory.
    requests
        Requests in flight at stores that take long to answer (object stores), for the whole process, whatever
        runs at once. A single read has no more than the store wants (`Store.concurrency`).
    fetch_bytes
        No read fetches further ahead than this many bytes of what is stored.
    remote_gap, remote_most
        As `coalesce_gap` and `coalesce_max` for such stores, for each request: there, a request costs more
        than the bytes between two ranges. Shards of up to `remote_most` bytes in memory are read as a whole where
        half of them is wanted.
    shard_index_cache
        Bytes of shard indexes that one open array keeps.
    write_empty_chunks
        Store chunks that hold nothing but the fill value. The default leaves them out.
    memory_order
        ``"F"``: arrays of format 3 are read into Fortran-contiguous arrays, unless they are opened with another
        `memory_order`. ``"auto"``: as the array's own order says.
    allow_pickle
        Permit the ``pickle`` codec of Zarr v2. Reading a pickle runs whatever code its
        writer chose: only for stores you wrote yourself.
    durability
        How stores that are opened from now on by their path, without saying it themselves, write files:
        ``"rename"`` (nobody ever sees half of one, and the death of the process harms none), or ``"fsync"``
        (what was put also survives a power cut; as slow as the disk).
    lock_timeout
        Seconds to wait for a lock that another writer holds, before LockTimeoutError. A writer that
        died holds none. ``inf`` waits for as long as it takes.
    lease_timeout
        Object stores, which have no locks: seconds without a sign of life after which a writer who appends or resizes
        is taken for dead, and another one takes over. Nothing is lost if it was alive: it begins anew.
    file_locks
        Keep writers in other processes out, too. False keeps out only other threads of this process:
        for file systems without locks, where nobody else writes.
    """

    workers: int = 0
    inline_bytes: int = 256 * 1024
    coalesce_gap: int = 16 * 1024
    coalesce_max: int = 4 * 1024 * 1024
    requests: int = 64
    fetch_bytes: int = 256 * 1024 * 1024
    remote_gap: int = 512 * 1024
    remote_most: int = 16 * 1024 * 1024
    shard_index_cache: int = 16 * 1024 * 1024
    write_empty_chunks: bool = False
    memory_order: str = "auto"
    allow_pickle: bool = False
    durability: str = "rename"
    lock_timeout: float = 300.0
    lease_timeout: float = 30.0
    file_locks: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), str(field.type)
            if wanted == "float" and type(value) is int:
                object.__setattr__(self, field.name, value := float(value))
            if type(value).__name__ != wanted:
                raise ArgumentError(f"config {field.name} must be {wanted}, not {value!r}")
            if wanted == "str":
                if value not in (known := _CHOICES[field.name]):
                    raise ArgumentError(f"config {field.name} must be one of {known}, not {value!r}")
            elif not value >= 0:  # NaN is neither
                raise ArgumentError(f"config {field.name} must not be negative, got {value}")
        if self.workers == 0:
            object.__setattr__(self, "workers", _cores())


def from_environment(environ: Mapping[str, str]) -> Config:
    """The settings that the variables ``EXZARR_*`` of `environ` ask for."""
    changes: dict[str, Any] = {}
    for field in fields(Config):
        variable = f"EXZARR_{field.name.upper()}"
        text = environ.get(variable)
        if text is None:
            continue
        try:
            changes[field.name] = _PARSERS[str(field.type)](text)
        except (KeyError, ValueError):
            wanted = _WANTED[str(field.type)]
            raise ArgumentError(f"environment variable {variable} must be {wanted}, not {text!r}") from None
    return Config(**changes)


_BOOLS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_CHOICES = {"durability": ("rename", "fsync"), "memory_order": ("auto", "C", "F")}
_PARSERS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: _BOOLS[text.strip().lower()],
    "int": int,
    "float": float,
    "str": str.strip,
}
_WANTED = {"bool": "0 or 1", "int": "a whole number", "float": "a number"}
_process: Config | None = None
_block: ContextVar[Config | None] = ContextVar("exzarr_config", default=None)


def get() -> Config:
    """The settings in force here."""
    found = _block.get()
    if found is not None:
        return found
    global _process
    if _process is None:
        _process = from_environment(os.environ)
    return _process


def set(**changes: Any) -> Config:  # noqa: A001 - reads as exzarr.config.set(...)
    """Change settings for the whole process, from now on; returns them."""
    global _process
    _process = _changed(_process or from_environment(os.environ), changes)
    return _process


@contextmanager
def override(**changes: Any) -> Iterator[Config]:
    """Change settings inside a ``with`` block, for this thread (or task) only."""
    token = _block.set(_changed(get(), changes))
    try:
        yield get()
    finally:
        _block.reset(token)


def _changed(config: Config, changes: dict[str, Any]) -> Config:
    known = {field.name for field in fields(Config)}
    for name in changes:
        if name not in known:
            raise ArgumentError(f"there is no setting {name!r}; known: {', '.join(sorted(known))}")
    return replace(config, **changes)
