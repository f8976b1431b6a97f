"""All exceptions that exzarr raises intentionally.

Each derives from `ExzarrError` *and* from the builtin exception that a caller of plain Python or NumPy expects::

    ExzarrError
    ├── NodeNotFoundError            (FileNotFoundError, KeyError)  no array or group exists at this path
    ├── NodeExistsError              (FileExistsError)     an array or group exists at this path
    ├── NodeTypeError                (TypeError)           the node is a group instead of an array, or the reverse
    ├── MetadataError                (ValueError)          a metadata document is invalid
    │   ├── MissingDimensionsError   (KeyError)            an array has no dimension names, and xarray requires them
    │   └── UnsupportedError         (NotImplementedError) valid, but exzarr or this installation lacks a feature
    │       └── PluginError                                an installed package provides it, but cannot be used
    ├── CodecError                   (ValueError)          a codec cannot decode bytes, or cannot encode an array
    │   └── ChecksumError                                  the bytes do not match their stored checksum
    ├── ChunkError                                         one chunk failed: names the array, index and key
    │   ├── ChunkCorruptError        (ValueError)          it cannot be decoded, or has the wrong size
    │   ├── ChunkMissingError        (KeyError)            it is missing, and the array was opened with missing="error"
    │   ├── ChunkStoreError          (StoreError)          the store failed to read or write it
    │   ├── ChunkTimeoutError        (TimedOutError)       it took longer than its timeout
    │   └── WorkerDiedError          (RuntimeError)        the process that worked on it died
    ├── SelectionError               (IndexError)          a selection does not fit the array
    │   └── LabelError               (KeyError)            a label is not in the coordinate, or there is no coordinate
    ├── ArgumentError                (ValueError)          any other argument is invalid
    │   ├── UnknownArgumentError     (TypeError)           a function does not have a keyword
    │   └── ArgumentTypeError        (TypeError)           an argument has the wrong type
    ├── StoreError                   (OSError)             a store failed
    │   ├── InvalidKeyError          (ValueError)          a key or path is malformed, or would leave the store
    │   ├── LockTimeoutError         (TimeoutError)        another writer held a lock for longer than lock_timeout
    │   ├── ListingUnsupportedError                        the store cannot list its keys
    │   ├── UpdateUnsupportedError                         the store cannot change part of a value safely, or its
    │   │                                                  locks do not promise what locking="required" demands
    │   ├── ReadOnlyError            (PermissionError)     a write to something opened for reading
    │   ├── UnreachableError         (ConnectionError)     a host refuses connections, or its name is unknown
    │   └── ChangedError                                   a value was replaced while its parts were read
    ├── StreamError                  (RuntimeError)        a stream cannot continue
    ├── IngestError                  (RuntimeError)        a block cannot be ingested, or its target cannot take it
    │   └── IngestConflictError                            two runs ingest with the same key
    ├── UnreadError                  (TypeError, AttributeError)  an operator or method of NumPy, used on a stored array
    ├── TimedOutError                (TimeoutError)        an operation took longer than its timeout
    └── MissingDependencyError       (ImportError)         an optional library is missing; names the extra to install

Each message says what failed, on which object, why, and what to do.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CacheWarning",
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
    "LabelError",
    "LeftOutWarning",
    "ListingUnsupportedError",
    "LockTimeoutError",
    "LockingWarning",
    "MetadataError",
    "MissingDependencyError",
    "MissingDimensionsError",
    "NodeExistsError",
    "NodeNotFoundError",
    "NodeTypeError",
    "PluginError",
    "ReadOnlyError",
    "SelectionError",
    "StoreError",
    "StreamError",
    "TimedOutError",
    "UnknownArgumentError",
    "UnreachableError",
    "UnreadError",
    "UnsupportedError",
    "UpdateUnsupportedError",
    "WorkerDiedError",
]


class ExzarrError(Exception):
    """Base class of all exceptions that exzarr raises intentionally."""

    def __str__(self) -> str:
        # KeyError would put the message in quotes.
        return str(self.args[0]) if self.args else ""


class NodeNotFoundError(ExzarrError, FileNotFoundError, KeyError):
    """No array or group exists at a path."""


class NodeExistsError(ExzarrError, FileExistsError):
    """An array or group already exists at a path."""


class NodeTypeError(ExzarrError, TypeError):
    """A node has the other type: a group instead of an array, or an array instead of a group."""


class MetadataError(ExzarrError, ValueError):
    """A metadata document that the specification does not allow."""


class MissingDimensionsError(MetadataError, KeyError):
    """An array has no dimension names, which xarray requires."""


class UnsupportedError(MetadataError, NotImplementedError):
    """Valid metadata that requires a feature which this installation lacks."""


class PluginError(UnsupportedError):
    """An installed package provides the requested name, but it cannot be imported or used, or it is not unique."""


class CodecError(ExzarrError, ValueError):
    """Bytes that a codec cannot decode, or an array that it cannot encode."""


class ChecksumError(CodecError):
    """Bytes that do not match their stored checksum: they were damaged after they were written."""


class ChunkError(ExzarrError):
    """A failure of one chunk.

    Attributes
    ----------
    array
        Path of the array in its store.
    index
        Index of the chunk in the chunk grid.
    key
        Store key that holds the chunk. In an array with shards: the key of the shard.
    reason
        What failed, in one sentence.
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
    """A missing chunk of an array that was opened with ``missing="error"``."""


class SelectionError(ExzarrError, IndexError):
    """A selection that does not fit the array."""


class LabelError(SelectionError, KeyError):
    """A label that is not in the coordinate, or a dimension without a coordinate."""


class ArgumentError(ExzarrError, ValueError):
    """An invalid argument."""


class UnknownArgumentError(ArgumentError, TypeError):
    """A keyword that a function does not have. The message names the most similar keyword."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of the wrong type."""


class StoreError(ExzarrError, OSError):
    """A store failed to do what was requested."""


class InvalidKeyError(StoreError, ValueError):
    """A key or path that is malformed, or that would leave the store."""


class ListingUnsupportedError(StoreError):
    """A store that cannot list its keys: a web server, or a bucket that denies listing."""


class UpdateUnsupportedError(StoreError):
    """The store has no conditional put or no reliable lock: a change of a part could undo another writer's change."""


class UnreachableError(StoreError, ConnectionError):
    """The host of a store refuses connections, or its name is unknown."""


class LockTimeoutError(StoreError, TimeoutError):
    """Another writer held a lock for longer than the setting ``lock_timeout``."""


class ReadOnlyError(StoreError, PermissionError):
    """A write to a store, array or group that was opened for reading."""


class ChangedError(StoreError):
    """A value that another writer replaced or deleted while its parts were read."""


class IngestError(ExzarrError, RuntimeError):
    """A block that cannot be ingested, or an array that cannot take a block."""


class IngestConflictError(IngestError):
    """Another run of `exzarr.ingest` uses the same key, or a resumed source lacks blocks that are stored."""


class UnreadError(ExzarrError, TypeError, AttributeError):
    """An operator or method that a stored array does not have: read the array first."""


class StreamError(ExzarrError, RuntimeError):
    """A stream that cannot continue, for example because it was opened before a fork."""


class LeftOutWarning(UserWarning):
    """A function that returns no report has left something out, as ``on_error="skip"`` allows; the message names it."""


class LockingWarning(UserWarning):
    """A folder is on a file system whose locks guarantee less than those of a local disk; the message says what."""


class CacheWarning(UserWarning):
    """A cache that cannot keep values, for example because the disk is full. Reads are correct, but not faster."""


class TimedOutError(ExzarrError, TimeoutError):
    """Something took longer than the ``timeout`` it was given."""


class ChunkStoreError(ChunkError, StoreError):
    """A chunk that the store failed to read or write. The store's error is the cause."""


class ChunkTimeoutError(ChunkError, TimedOutError):
    """A chunk that took longer than its ``timeout``."""


class WorkerDiedError(ChunkError, RuntimeError):
    """A chunk whose worker process died: killed, out of memory, or ended by the code that ran in it."""


class MissingDependencyError(ExzarrError, ImportError):
    """An optional library is not installed. The message names the extra that installs it."""
