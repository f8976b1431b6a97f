"""Settings of exzarr: for the process, for a block, or from the environment.

>>> import exzarr
>>> exzarr.config.get().workers >= 1
True
>>> with exzarr.config.override(workers=1):
...     exzarr.config.get().workers
1

An environment variable sets each field: ``EXZARR_WORKERS=4``, ``EXZARR_WRITE_EMPTY_CHUNKS=1``.
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
    except AttributeError:  # macOS and Windows do not have it
        return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Config:
    """All settings.

    Attributes
    ----------
    workers
        Number of threads that read, decode, encode and write, for the whole process. The calling thread is one of
        them. Default: the number of cores that this process may use.
    inline_bytes
        The calling thread handles a selection alone if it has one chunk, or fewer compressed bytes than this.
        Passing it to other threads would cost more than it saves.
    coalesce_gap
        Two ranges of one shard are read in one request if at most this many bytes lie between them.
    coalesce_max
        Most bytes of shards that all workers together read in one step, unless one inner chunk is larger. Limits
        their memory.
    requests
        Most requests in flight at stores with a high latency (object stores), for the whole process. A single read
        has at most `StoreTraits.concurrency` requests in flight.
    fetch_bytes
        Most stored bytes that a read fetches ahead.
    remote_gap, remote_most
        The same limits as `coalesce_gap` and `coalesce_max`, for stores with a high latency and for each request.
        There, a request costs more than the bytes between two ranges. A shard of up to `remote_most` bytes in memory
        is read as a whole if the selection needs half of it.
    shard_index_cache
        Bytes of shard indexes that one open array keeps.
    write_empty_chunks
        True: store chunks that hold only the fill value. Default: leave them out.
    memory_order
        ``"F"``: read arrays of format 3 into Fortran-contiguous arrays, unless they are opened with another
        `memory_order`. ``"auto"``: use the order of the stored array.
    allow_pickle
        Permit the ``pickle`` codec of Zarr v2. Reading a pickle runs code that its writer chose: permit it only for
        stores that you wrote yourself.
    durability
        How stores write files if they are opened by path and set no durability themselves.
        ``"rename"``: readers see a whole old or new value, also after the process is killed.
        ``"fsync"``: a stored value also survives a power failure. As slow as the disk.
    lock_timeout
        Seconds to wait for a lock that another writer holds, before LockTimeoutError. A writer that died holds no
        lock. ``inf`` waits without a limit.
    lease_timeout
        Object stores, which have no locks: seconds after which a writer lease expires that its holder does not renew.
        Another writer that appends or resizes then takes over. A holder that is still alive loses no data: it starts
        again.
    file_locks
        True: exclude writers in other processes, too. False: exclude only other threads of this process. Use False
        for file systems without locks, if no other process writes.
    locking
        What stores that are opened by path do on file systems whose locks may not exclude all writers (network file
        systems), if a write needs a lock. ``"auto"``: warn once. ``"required"``: raise UpdateUnsupportedError.
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
    locking: str = "auto"

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), str(field.type)
            if wanted == "float" and type(value) is int:
                object.__setattr__(self, field.name, value := float(value))
            if type(value).__name__ != wanted:
                raise ArgumentError(f"config setting {field.name} must be of type {wanted}, not {value!r}")
            if wanted == "str":
                if value not in (known := _CHOICES[field.name]):
                    raise ArgumentError(f"config setting {field.name} must be one of {known}, not {value!r}")
            elif not value >= 0:  # also refuses NaN
                raise ArgumentError(f"config setting {field.name} must be 0 or greater, not {value}")
        if self.workers == 0:
            object.__setattr__(self, "workers", _cores())


def from_environment(environ: Mapping[str, str]) -> Config:
    """Return the settings that the variables ``EXZARR_*`` in `environ` define."""
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
_CHOICES = {
    "durability": ("rename", "fsync"),
    "locking": ("auto", "required"),
    "memory_order": ("auto", "C", "F"),
}
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
    """Return the settings that apply here."""
    found = _block.get()
    if found is not None:
        return found
    global _process
    if _process is None:
        _process = from_environment(os.environ)
    return _process


def set(**changes: Any) -> Config:  # noqa: A001 - reads as exzarr.config.set(...)
    """Change settings for the whole process and return all of them."""
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
            raise ArgumentError(
                f"unknown config setting {name!r}; the settings are {', '.join(sorted(known))}"
            )
    return replace(config, **changes)
