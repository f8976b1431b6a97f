"""Write references as kerchunk's JSON or Parquet."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exzarr._tools.virtual.model import Index, VirtualArray, VirtualFile
from exzarr._tools.virtual.places import json_form
from exzarr.errors import ArgumentError, MissingDependencyError, NodeExistsError
from exzarr.stores.references.json_set import Reference
from exzarr.stores.references.store import folder_store
from exzarr.stores.urls import is_url, local_path

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["write_references"]

RECORD_SIZE = 10_000
"""Number of references in a Parquet file, the same as fsspec's default."""


def write_references(
    found: VirtualFile,
    output: str | os.PathLike[str],
    *,
    overwrite: bool,
    storage_options: StorageOptions | None = None,
) -> str:
    """Write `found` to a ``.json`` file or a ``.parq`` folder. Return its path or URL."""
    place = os.fspath(output)
    if not is_url(place):
        place = str(Path(local_path(place)).expanduser().resolve())
    name = place.rstrip("/").rpartition("/" if is_url(place) else os.sep)[2].lower()
    if name.endswith(".json"):
        _write_json(found, place, overwrite, storage_options)
    elif name.endswith((".parq", ".parquet")):
        _write_parquet(found, place, overwrite, storage_options)
    else:
        raise ArgumentError(f"the name of the output must end in .json or .parq, not {name!r}")
    return place


def _write_json(
    found: VirtualFile, place: str, overwrite: bool, storage_options: StorageOptions | None
) -> None:
    folder, _, name = place.rpartition("/" if is_url(place) else os.sep)
    store = folder_store(folder, read_only=False, storage_options=storage_options)
    value = json.dumps(json_form(found)).encode()
    if overwrite:
        store.put(name, value)
    elif not store.put_if_absent(name, value):
        raise _exists(place)


def _write_parquet(
    found: VirtualFile, place: str, overwrite: bool, storage_options: StorageOptions | None
) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet reference sets need pyarrow: pip install 'exzarr[parquet]'"
        ) from error
    store = folder_store(place, read_only=False, storage_options=storage_options)
    if store.exists(".zmetadata"):
        if not overwrite:
            raise _exists(place)
        # Delete the documents first, so that no reader combines old documents with new partitions.
        store.delete(".zmetadata")
        store.delete_prefix("")
    for path, array in found.arrays.items():
        for record, rows in _partitions(array):
            table = pa.table(
                {
                    "path": pa.array([row[0] for row in rows], pa.string()),
                    "offset": pa.array([row[1] for row in rows], pa.int64()),
                    "size": pa.array([row[2] for row in rows], pa.int64()),
                    "raw": pa.array([row[3] for row in rows], pa.binary()),
                }
            )
            out = pa.BufferOutputStream()
            pq.write_table(table, out, compression="zstd", write_statistics=False)
            store.put(f"{path}/refs.{record}.parq", out.getvalue().to_pybytes())
    document = {"metadata": dict(found.documents()), "record_size": RECORD_SIZE}
    store.put(".zmetadata", json.dumps(document).encode())


_Row = tuple[str | None, int, int, bytes | None]
_NONE: _Row = (None, 0, 0, None)


def _partitions(array: VirtualArray) -> Iterator[tuple[int, Sequence[_Row]]]:
    """Yield the numbers of partitions that have references, and their rows."""
    grid = [-(-length // chunk) for length, chunk in zip(array.shape, array.chunk_shape, strict=True)]
    by_number: Mapping[int, Reference] = {_number(index, grid): ref for index, ref in array.chunks.items()}
    count = math.prod(grid)
    for record in sorted({number // RECORD_SIZE for number in by_number}):
        start = record * RECORD_SIZE
        # fsspec expects all rows, also those after the last chunk.
        yield (
            record,
            [_row(by_number.get(n)) if n < count else _NONE for n in range(start, start + RECORD_SIZE)],
        )


def _row(reference: Reference | None) -> _Row:
    if reference is None:
        return _NONE
    if isinstance(reference, bytes):
        return None, 0, 0, reference
    return reference[0], reference[1], reference[2] or 0, None


def _number(index: Index, grid: Sequence[int]) -> int:
    number = 0
    for at, count in zip(index, grid, strict=True):
        number = number * count + at
    return number


def _exists(place: str) -> NodeExistsError:
    return NodeExistsError(f"{place!r} already exists; overwrite=True replaces it")
