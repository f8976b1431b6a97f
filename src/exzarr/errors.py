"""Every exception exzarr raises on purpose.

All of them derive from `ExzarrError` *and* from the builtin that a caller of
plain Python or NumPy would catch::

    ExzarrError
    ├── NodeNotFoundError            (FileNotFoundError, KeyError)  no array or group at this path
    ├── NodeExistsError              (FileExistsError)     something is there already
    ├── NodeTypeError                (TypeError)           an array was asked for, a group is there, or the reverse
    ├── MetadataError                (ValueError)          a metadata document is invalid
    │   └── UnsupportedError         (NotImplementedError) valid, but needs something exzarr (or this install) lacks
    ├── CodecError                   (ValueError)          bytes that a codec cannot turn into what was promised
    │   └── ChecksumError                                  their checksum is not the one that is stored
    ├── ChunkError                                         one chunk, named by array, index and key
    │   ├── ChunkCorruptError        (ValueError)          it cannot be decoded, or has the wrong size
    │   ├── ChunkMissingError        (KeyError)            it is absent, and the array was opened with missing="error"
    │   ├── ChunkStoreError          (StoreError)          the store failed on it
    │   ├── ChunkTimeoutError        (TimedOutError)       it took longer than it may
    │   └── WorkerDiedError          (RuntimeError)        the process that worked on it died
    ├── SelectionError               (IndexError)          what stands between the brackets does not fit the array
    ├── ArgumentError                (ValueError)          any other argument that makes no sense
    │   └── UnknownArgumentError     (TypeError)           a keyword that the function does not have
    ├── StoreError                   (OSError)             the store failed
    │   ├── InvalidKeyError          (ValueError)          a key or path that could leave the store
    │   ├── LockTimeoutError         (TimeoutError)        another writer held a lock for too long
    │   ├── ListingUnsupportedError                        a store that cannot say which keys it has
    │   ├── ReadOnlyError            (PermissionError)     a write to something opened for reading
    │   ├── UnreachableError         (ConnectionError)     a host that refuses connections, or that no name server knows
    │   └── ChangedError                                   a value that was replaced while its parts were read
    ├── StreamError                  (RuntimeError)        a stream that cannot go on
    ├── IngestError                  (RuntimeError)        a block that can't be ingested, or a target it can't go to
    │   └── IngestConflictError                            two runs ingest with one key
    ├── UnreadError                  (TypeError, AttributeError)  an operator or a method of NumPy on an array in a store
    ├── TimedOutError                (TimeoutError)        something took longer than it may
    └── MissingDependencyError       (ImportError)         an optional library is needed; the message names the extra

Messages say what was wrong, where, and what to do about it.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ChangedError",
    "ChecksumError",
    "ChunkCorruptError",
    "ChunkError",
    "ChunkMissingError",
    "ChunkStoreError",
    "ChunkTimeoutError",
    "CodecError",
    "ExzarrError",
    "IngestConflictError",
    "IngestError",
    "InvalidKeyError",
    "LeftOutWarning",
    "ListingUnsupportedError",
    "LockTimeoutError",
    "MetadataError",
    "MissingDependencyError",
    "NodeExistsError",
    "NodeNotFoundError",
    "NodeTypeError",
    "ReadOnlyError",
    "SelectionError",
    "StoreError",
    "StreamError",
    "TimedOutError",
    "UnreachableError",
    "UnreadError",
    "UnknownArgumentError",
    "UnsupportedError",
    "WorkerDiedError",
]


class ExzarrError(Exception):
    """The root of everything exzarr raises on purpose."""

    def __str__(self) -> str:
        # KeyError would quote its message; ours are sentences.
        return str(self.args[0]) if self.args else ""


class NodeNotFoundError(ExzarrError, FileNotFoundError, KeyError):
    """No array or group at this path."""


class NodeExistsError(ExzarrError, FileExistsError):
    """An array or group is there already."""


class NodeTypeError(ExzarrError, TypeError):
    """The node is of the other kind: a group where an array was asked for, or the reverse."""


class MetadataError(ExzarrError, ValueError):
    """A metadata document is not what the specification allows."""


class UnsupportedError(MetadataError, NotImplementedError):
    """Valid metadata that asks for something this installation does not have."""


class CodecError(ExzarrError, ValueError):
    """Bytes a codec cannot decode, or an array it cannot encode."""


class ChecksumError(CodecError):
    """Bytes whose checksum is not the one that is stored with them: they were damaged after they were written."""


class ChunkError(ExzarrError):
    """Something is wrong with one chunk.

    Attributes
    ----------
    array
        Path of the array in its store.
    index
        The chunk's index in the chunk grid.
    key
        The store key that holds the chunk (the shard's, where there are shards).
    reason
        What went wrong, in one sentence.
    """

    def __init__(self, array: str, index: tuple[int, ...], key: str, reason: str) -> None:
        super().__init__(f"chunk {index} of array {array or '/'!r} (key {key!r}): {reason}")
        self.array = array
        self.index = index
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.array, self.index, self.key, self.reason))


class ChunkCorruptError(ChunkError, ValueError):
    """A chunk that cannot be decoded, or that has the wrong size."""


class ChunkMissingError(ChunkError, KeyError):
    """A chunk that is not stored, read from an array opened with ``missing="error"``."""


class SelectionError(ExzarrError, IndexError):
    """A selection that does not fit the array."""


class ArgumentError(ExzarrError, ValueError):
    """An argument that makes no sense."""


class UnknownArgumentError(ArgumentError, TypeError):
    """A keyword that the function does not have; the message names the nearest one that it has."""


class StoreError(ExzarrError, OSError):
    """A store could not do what was asked."""


class InvalidKeyError(StoreError, ValueError):
    """A key or path that is malformed, or that would leave the store."""


class ListingUnsupportedError(StoreError):
    """A store that cannot say which keys it has, or does not permit it: a web server, a bucket that denies listing."""


class UnreachableError(StoreError, ConnectionError):
    """The host of a store refuses connections, or its name is unknown."""


class LockTimeoutError(StoreError, TimeoutError):
    """A lock that somebody else held for longer than the setting ``lock_timeout`` allows."""


class ReadOnlyError(StoreError, PermissionError):
    """A write to a store, array or group that was opened for reading."""


class ChangedError(StoreError):
    """A value that was replaced, or deleted, by somebody else while its parts were read."""


class IngestError(ExzarrError, RuntimeError):
    """A block that can't be ingested, or arrays that can't take one."""


class IngestConflictError(IngestError):
    """Another run of `exzarr.ingest` uses the same key, or a resumed source does not hold the blocks that are stored."""


class UnreadError(ExzarrError, TypeError, AttributeError):
    """An operator or a method that an array in a store does not have: read what you need first."""


class StreamError(ExzarrError, RuntimeError):
    """A stream that cannot go on: it was opened in another process, before a fork."""


class LeftOutWarning(UserWarning):
    """A function that returns no report has left something out, as ``on_error="skip"`` allows; the message names it."""


class TimedOutError(ExzarrError, TimeoutError):
    """Something took longer than the ``timeout`` it was given."""


class ChunkStoreError(ChunkError, StoreError):
    """A chunk that the store failed to read or write; the store's own error is the cause."""


class ChunkTimeoutError(ChunkError, TimedOutError):
    """A chunk that took longer than the ``timeout`` it was given."""


class WorkerDiedError(ChunkError, RuntimeError):
    """A chunk whose worker process died over it: killed, out of memory, or ended by what ran in it."""


class MissingDependencyError(ExzarrError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""
