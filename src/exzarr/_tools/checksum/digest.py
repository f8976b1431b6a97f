"""`exzarr.checksum`: one digest of what an array, or a hierarchy, holds."""

from __future__ import annotations

import hashlib
import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.survey import Obstacle, OnError, check_on_error, settle
from exzarr._spelling import known_arguments
from exzarr._stream.progress.progress import Progress, open_meter
from exzarr._tools.checksum.canonical import Encoder, attributes_of, canonical_json, dimension_names_of
from exzarr._tools.checksum.tree import digest_elements
from exzarr._tools.copy import MEMORY, locate
from exzarr._tools.copy_plan import place_of, walk
from exzarr.errors import ChunkError, MetadataError
from exzarr.stores.resolve import StoreLike

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Checksum", "checksum"]

HEADER = "exzarr checksum 1"


@dataclass(frozen=True, slots=True)
class Checksum:
    """The checksum of a hierarchy. Printing it shows its 64 hexadecimal digits.

    Attributes
    ----------
    hexdigest
        SHA-256 of all there is.
    nodes
        SHA-256 of each node, by its path from where the checksum was made; ``""`` is the top.
    data
        SHA-256 of the elements of each array, whatever its attributes are, by the same paths.
    place
        What it is the checksum of.
    notes
        What restricts it: empty where the store has listed everything.
    left_out
        What it does not cover, because ``on_error="skip"``: path and reason of each. The paths count: such a checksum
        never equals one of everything.
    """

    hexdigest: str
    nodes: dict[str, str]
    data: dict[str, str]
    place: str
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def asdict(self) -> dict[str, Any]:
        """The checksum as a plain dict."""
        nodes = [
            {"path": "/" + path, "sha256": digest, "data": self.data.get(path)}
            for path, digest in self.nodes.items()
        ]
        return {
            "place": self.place,
            "sha256": self.hexdigest,
            "nodes": nodes,
            "notes": [*self.notes],
            "left_out": [*self.left_out],
        }

    def __str__(self) -> str:
        return self.hexdigest


@known_arguments
def checksum(
    target: Array | Group | StoreLike,
    *,
    path: str = "",
    on_error: OnError = "raise",
    memory: int = MEMORY,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
) -> Checksum:
    """A digest of what an array, or a group with everything below it, holds.

    It is the same for the same content: whatever the chunks, shards, codecs, fill values, the store, and the
    version of the format. Every node counts, with its path, kind, attributes, and dimension names; and of
    arrays the data type, the shape, and each element, to the bit. What is not stored counts as the fill
    value that it reads as; the fill value itself, and consolidated metadata, do not count.

    Exactly: SHA-256 of lines that are joined by line feeds. The first is ``exzarr checksum 1``; then comes one for
    each node, sorted by path (as UTF-8), in JSON with sorted keys, no blanks, and ASCII only, of an object with

    ``path``
        relative to where the checksum is made, parts separated by ``/``, ``""`` for the top;
    ``kind``
        ``"array"`` or ``"group"``;
    ``attributes``
        as stored; without ``_ARRAY_DIMENSIONS`` where that says what the dimension names are;

    and of arrays also

    ``dimension_names``
        a list of names and nulls; null where no dimension has a name;
    ``data_type``
        NumPy's name for numbers and booleans, ``ml_dtypes``' for its own; ``datetime64[1ns]``,
        ``timedelta64[10s]``; ``bytes[n]``, ``utf32[n]``, ``raw[n]`` for elements of n bytes or characters;
        ``string``, ``bytes``, ``object`` for elements of any length; for structured types a list of
        ``[name, data type]``;
    ``shape``
        in elements;
    ``elements``
        SHA-256 of the joined SHA-256s (32 bytes each) of blocks of elements, in C order of the blocks.

    Blocks have one shape, which depends on the array's shape and the bytes of an element: all lengths start
    at 1, and as long as a block has at most 512 KiB, the shortest length that is less than the array's is doubled
    (of several, the last). Blocks at the edges are cropped. A block is its elements in C order, little-endian
    and packed. Elements of any length count for 16 bytes; a string is its length in bytes (8 bytes,
    little-endian) and its UTF-8, a byte string its length and itself, another object its JSON likewise. Datetimes
    are 8-byte integers; integers of 2 and 4 bits have a byte; NaNs are what they are.

    Parameters
    ----------
    target, path
        An array or a group; or a store (or a path, or URL), and a path in it.
    on_error
        What to do about a node that can't be read, and about links that are not followed: ``"raise"`` an error, or
        ``"skip"`` it and name it in ``left_out``. Of a skipped node only the path counts, with the kind ``"left out"``.
    memory
        Most bytes of elements that are in memory at once (one chunk at least).
    progress
        True for a bar; a callable gets ``(done, total)``, in bytes of elements.
    storage_options
        For a URL: see `exzarr.open`.

    Raises
    ------
    NodeNotFoundError
        There is nothing there.
    ChunkCorruptError
        A chunk cannot be decoded.
    """
    with ExitStack() as opened:
        location = locate(target, path, "r", opened, storage_options)
        check_on_error(on_error)
        walked = walk(location)
        settle(walked.obstacles, on_error)
        nodes = _sorted(location, walked.nodes)
        meter = open_meter(progress, sum(_nbytes(meta) for _, _, meta in nodes), "reading", in_bytes=True)
        try:
            found = _checksum(location, nodes, [*walked.obstacles], on_error, memory, meter)
            return replace(found, notes=walked.notes)
        finally:
            if meter is not None:
                meter.close()


def _sorted(
    location: Location, nodes: list[tuple[Location, Metadata]]
) -> list[tuple[str, Location, Metadata]]:
    """Paths from `location`, places and metadata, sorted by path."""
    skip = len(location.path) + 1 if location.path else 0
    found = [(place.path[skip:], place, meta) for place, meta in nodes]
    return sorted(found, key=lambda node: node[0].encode())


def _nbytes(meta: Metadata) -> int:
    """Bytes of all elements."""
    return math.prod(meta.shape) * Encoder(meta.data_type).itemsize if isinstance(meta, ArrayMetadata) else 0


def _checksum(
    location: Location,
    nodes: list[tuple[str, Location, Metadata]],
    obstacles: list[Obstacle],
    on_error: OnError,
    memory: int,
    meter: Any,
) -> Checksum:
    lines = [HEADER]
    digests: dict[str, str] = {}
    data: dict[str, str] = {}
    for path, place, meta in nodes:
        record: dict[str, Any] = {"path": path, "kind": "group", "attributes": meta.attributes}
        if isinstance(meta, ArrayMetadata):
            encoder = Encoder(meta.data_type)

            def advance(n: int, itemsize: int = encoder.itemsize) -> None:
                if meter is not None:
                    meter.add(n * itemsize, n * itemsize)

            try:
                data[path] = digest_elements(Array(place, meta, read_only=True), encoder, memory, advance)
            except (ChunkError, MetadataError) as error:  # damaged, or of a codec that is not known
                if on_error == "raise":
                    raise
                obstacles.append(Obstacle(place.path, error))
                continue
            record |= {
                "kind": "array",
                "attributes": attributes_of(meta),
                "dimension_names": dimension_names_of(meta),
                "data_type": encoder.name,
                "shape": [*meta.shape],
                "elements": data[path],
            }
        lines.append(canonical_json(record))
        digests[path] = hashlib.sha256(lines[-1].encode()).hexdigest()
    skip = len(location.path) + 1 if location.path else 0
    missing = sorted({obstacle.path[skip:] for obstacle in obstacles})
    lines += [canonical_json({"path": path, "kind": "left out"}) for path in missing]
    whole = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Checksum(whole, digests, data, place_of(location), left_out=tuple([str(one) for one in obstacles]))
