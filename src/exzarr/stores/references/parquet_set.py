"""Kerchunk's Parquet format of a reference set: a folder that is read in parts.

``.zmetadata`` has all metadata documents and the number of references in a *partition*. ``VAR/refs.N.parq`` is a
partition, with the columns ``path``, ``offset``, ``size`` and ``raw`` (the value itself). Its rows are the chunks of
an array in C order, including missing ones. Format: https://fsspec.github.io/kerchunk/spec.html#parquet-references and
``LazyReferenceMapper`` of fsspec, https://filesystem-spec.readthedocs.io/en/latest/api.html.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exzarr.errors import InvalidKeyError, MissingDependencyError, StoreError, UnsupportedError
from exzarr.stores.base import Store, check_key
from exzarr.stores.listing import keys_directly_under, keys_under
from exzarr.stores.protocols import ReadableStore
from exzarr.stores.references.json_set import Reference
from exzarr.stores.references.parquet_pages import pages

__all__ = ["ParquetReferences"]

KEPT_NBYTES = 64 * 1024 * 1024
"""Size of the cache of decompressed partitions in bytes."""
MOST_NBYTES = 256 * 1024 * 1024
"""Largest size of a partition in bytes, compressed and decompressed. Larger is an error."""
MOST_ROWS = 10_000_000
"""Largest number of references in a partition. fsspec's default is 10,000."""

_COLUMNS = ("path", "offset", "size", "raw")
_PARTITION = re.compile(r"refs\.(0|[1-9][0-9]{0,17})\.parq")
_Partition = Mapping[str, Any]
"""Arrow columns, by name."""


class ParquetReferences:
    """Reference set in the folder of `store`. A partition is read when one of its keys is requested."""

    def __init__(self, store: Store, name: str, *, remote: bool) -> None:
        self.remote = remote
        self._store = store
        self._name = name
        document = _document(store, name)
        self._record_size = _whole(
            document.get("record_size"), "record_size", f"references in {name}", most=MOST_ROWS
        )
        metadata = document.get("metadata")
        if not self._record_size or not isinstance(metadata, Mapping):
            raise StoreError(f"references in {name}: .zmetadata must hold 'record_size' and 'metadata'")
        self._documents: dict[str, bytes] = {}
        self._grids: dict[str, tuple[int, ...]] = {}
        for key, value in metadata.items():
            try:
                check_key(key)
            except InvalidKeyError as error:
                raise StoreError(f"references in {name}: {error}") from error
            self._documents[key] = json.dumps(value).encode()
            path, _, last = key.rpartition("/")
            if last == ".zarray" and path:
                self._grids[path] = _grid(value, f"{path!r} of references in {name}")
        self._keys = sorted(self._documents)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[_Partition | None, int]] = OrderedDict()
        self._nbytes = 0

    def get(self, key: str) -> Reference | None:
        document = self._documents.get(key)
        if document is not None:
            return document
        path, _, last = key.rpartition("/")
        grid = self._grids.get(path)
        number = None if grid is None else _number(last, grid)
        if number is None:
            return None
        record, row = divmod(number, self._record_size)
        return self._row(key, self._partition(path, record), row)

    def list(self, prefix: str) -> Iterator[str]:
        yield from keys_under(self._keys, prefix)
        for path in self._grids:
            if not prefix or path == prefix or path.startswith(prefix + "/"):
                yield from (f"{path}/{last}" for last in self._stored(path))

    def list_dir(self, prefix: str) -> tuple[Sequence[str], Sequence[str]]:
        keys, prefixes = keys_directly_under(self._keys, prefix)
        if prefix in self._grids:
            keys = sorted([*keys, *self._stored(prefix)])
        return keys, prefixes

    def _stored(self, path: str) -> Iterator[str]:
        """Iterate over the last parts of the keys of an array's chunks."""
        grid = self._grids[path]
        for record in sorted(_records(self._store.list_dir(path)[0])):
            partition = self._partition(path, record)
            if partition is None or record * self._record_size >= math.prod(grid):
                continue
            for row in range(len(partition["offset"])):
                number = record * self._record_size + row
                if number < math.prod(grid):
                    last = _last(number, grid)
                    if self._row(f"{path}/{last}", partition, row) is not None:
                        yield last

    def _row(self, key: str, partition: _Partition | None, row: int) -> Reference | None:
        if partition is None or row >= len(partition["offset"]):
            return None
        raw = partition["raw"][row].as_py()
        if raw is not None:
            return bytes(raw)
        path, offset, size = (partition[name][row].as_py() for name in _COLUMNS[:3])
        if path is None or path != path:  # pandas' NaN
            return None
        if not isinstance(path, str):
            raise StoreError(f"references in {self._name}: key {key!r}: {path!r} is no path")
        where = f"references in {self._name}: key {key!r}"
        offset, size = _whole(offset, "offset", where), _whole(size, "size", where)
        return (path, offset, size) if offset or size else (path, 0, None)

    def _partition(self, path: str, record: int) -> _Partition | None:
        """Return a partition, cached or read; None if it is missing. Concurrent calls wait for the read."""
        place = path, record
        with self._lock:
            found = self._kept.get(place)
            if found is None:
                partition, nbytes = self._read(f"{path}/refs.{record}.parq")
                nbytes += 400
                self._kept[place] = partition, nbytes
                self._nbytes += nbytes
                while self._nbytes > KEPT_NBYTES and len(self._kept) > 1:
                    self._nbytes -= self._kept.popitem(last=False)[1][1]
                return partition
            self._kept.move_to_end(place)
            return found[0]

    def _read(self, key: str) -> tuple[_Partition | None, int]:
        fetched = self._store.fetch(key, (0, MOST_NBYTES + 1))
        if fetched is None:
            return None, 0
        where = f"{key!r} of references in {self._name}"
        if fetched.size > MOST_NBYTES:
            raise StoreError(f"{where} has {fetched.size} bytes; more than {MOST_NBYTES} are not read")
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingDependencyError(
                "Parquet reference sets need pyarrow: pip install 'exzarr[parquet]'"
            ) from error
        try:
            file = pq.ParquetFile(pa.BufferReader(fetched.data))
            self._check(file.metadata, memoryview(fetched.data))
            wanted = [name for name in _COLUMNS if name in file.schema_arrow.names]
            table = file.read(columns=wanted, use_threads=False).combine_chunks()
            rows = table.num_rows
            columns = {name: pa.nulls(rows) for name in _COLUMNS}
            columns["offset"] = columns["size"] = pa.repeat(0, rows)
            columns.update((name, table[name]) for name in wanted)
        except (pa.ArrowException, ValueError, OSError, MemoryError, NotImplementedError) as error:
            raise StoreError(f"{where} cannot be read: {error}") from error
        return columns, table.nbytes

    def _check(self, metadata: Any, data: memoryview) -> None:
        """Raise ValueError if a partition has too many rows or would take too much memory."""
        if metadata.num_rows > self._record_size:
            raise ValueError(f"{metadata.num_rows} rows, but a partition has {self._record_size}")
        nbytes = 0
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                starts = [column.data_page_offset]
                if column.has_dictionary_page and column.dictionary_page_offset:
                    starts.append(column.dictionary_page_offset)
                for unpacked, values in pages(data, min(starts), column.total_compressed_size):
                    nbytes += unpacked + 16 * values
                    if nbytes > MOST_NBYTES:
                        raise ValueError(f"more than {MOST_NBYTES} bytes when unpacked")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_lock", "_kept", "_nbytes"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _kept=OrderedDict(), _nbytes=0)


def _document(store: ReadableStore, name: str) -> Mapping[str, Any]:
    value = store.get(".zmetadata")
    if value is None:
        raise StoreError(f"there are no references in {name}: it has no .zmetadata")
    try:
        document = json.loads(bytes(value))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"cannot read .zmetadata of references in {name}: {error}") from error
    if not isinstance(document, Mapping):
        raise StoreError(f"references in {name}: .zmetadata must be an object")
    return document


def _grid(document: Any, where: str) -> tuple[int, ...]:
    """Return the number of chunks of an array along each dimension."""
    shape, chunks = (
        (document.get("shape"), document.get("chunks")) if isinstance(document, Mapping) else (0, 0)
    )
    if not isinstance(shape, list) or not isinstance(chunks, list) or len(shape) != len(chunks):
        raise StoreError(f"{where}: .zarray must hold 'shape' and 'chunks'")
    if document.get("dimension_separator", ".") != ".":
        raise UnsupportedError(f"{where}: chunk keys must have '.' between their numbers")
    lengths = [_whole(length, "shape", where) for length in shape]
    grid = []
    for length, chunk in zip(lengths, chunks, strict=True):
        chunk = _whole(chunk, "chunks", where)
        if not chunk:
            raise StoreError(f"{where}: a chunk has no elements")
        grid.append(-(-length // chunk))
    return tuple(grid)


def _number(last: str, grid: tuple[int, ...]) -> int | None:
    """Return the number of a chunk in C order; None if `last` is not the key of a chunk."""
    parts = last.split(".")
    if len(parts) != (len(grid) or 1):
        return None
    number = 0
    for part, count in zip(parts, grid or (1,), strict=True):
        if len(part) > 19 or not (part.isascii() and part.isdigit()) or (part[0] == "0" and part != "0"):
            return None
        if int(part) >= count:
            return None
        number = number * count + int(part)
    return number


def _last(number: int, grid: tuple[int, ...]) -> str:
    """Return the last part of a chunk's key, given its number in C order."""
    parts = []
    for count in reversed(grid):
        number, part = divmod(number, count)
        parts.append(str(part))
    return ".".join(reversed(parts)) or "0"


def _records(names: Sequence[str]) -> Iterator[int]:
    for name in names:
        match = _PARTITION.fullmatch(name)
        if match is not None:
            yield int(match[1])


def _whole(number: Any, what: str, where: str, most: int = (1 << 63) - 1) -> int:
    if type(number) is not int or not 0 <= number <= most:
        raise StoreError(f"{where}: {what} is a whole number up to {most}, not {number!r}")
    return number
