"""`exzarr.checksum`: compute one digest of the content of an array or a hierarchy."""

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
from exzarr._stream.progress.progress import Meter, Progress, open_meter
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
    """The checksum of a hierarchy. Print it to see its 64 hexadecimal digits.

    Attributes
    ----------
    hexdigest
        SHA-256 of the whole hierarchy.
    nodes
        SHA-256 of each node, by path relative to the top node; ``""`` is the top node.
    data
        SHA-256 of the elements of each array, without attributes, by the same paths.
    place
        Location of the top node.
    notes
        Restrictions; empty if the store has listed everything.
    left_out
        Nodes that were skipped because of ``on_error="skip"``: path and reason of each. The checksum includes their
        paths, so it never equals the checksum of the complete hierarchy.
    """

    hexdigest: str
    nodes: dict[str, str]
    data: dict[str, str]
    place: str
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def asdict(self) -> dict[str, Any]:
        """Return the checksum as a plain dict."""
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
    """Compute a digest of the content of an array, or of a group with everything below it.

    Equal content has equal checksums. Chunks, shards, codecs, fill values, the store and the version of the format make
    no difference. The checksum covers the path, kind, attributes and dimension names of every node, and the data type,
    the shape and every bit of the elements of every array. Chunks that are not stored count as the fill value. The fill
    value itself and consolidated metadata are not covered.

    Parameters
    ----------
    target, path
        An array or a group; or a store (or a path, or URL), and a path in it.
    on_error
        Action for nodes that cannot be read and for links that are not followed: ``"raise"`` an error, or ``"skip"``
        them and name them in ``left_out``. For a skipped node, only the path counts, with the kind ``"left out"``.
    memory
        Maximum bytes of elements in memory. At least one chunk is always in memory.
    progress
        True for a progress bar, or a callable that gets ``(done, total)``, in bytes of elements.
    storage_options
        Options for a URL: see `exzarr.open`.

    Returns
    -------
    Checksum
        The digest of the hierarchy, and the digests of its nodes.

    Raises
    ------
    NodeNotFoundError
        There is no array or group at `target`.
    ChunkCorruptError
        A chunk cannot be decoded.

    Notes
    -----
    The checksum is the SHA-256 of lines that are joined by line feeds. The first line is ``exzarr checksum 1``. One line
    for each node follows, sorted by path (as UTF-8). The line is a JSON object with sorted keys, no blanks, and ASCII
    characters only. It has these members:

    ``path``
        relative to the top node, parts separated by ``/``; ``""`` for the top node;
    ``kind``
        ``"array"`` or ``"group"``;
    ``attributes``
        as stored; without ``_ARRAY_DIMENSIONS`` if it equals the dimension names.

    Arrays have these members as well:

    ``dimension_names``
        a list of names and nulls; null if no dimension has a name;
    ``data_type``
        NumPy's name for numbers and booleans, the name in ``ml_dtypes`` for its types; ``datetime64[1ns]``,
        ``timedelta64[10s]``; ``bytes[n]``, ``utf32[n]``, ``raw[n]`` for elements of n bytes or characters;
        ``string``, ``bytes``, ``object`` for elements of variable length; for structured types a list of
        ``[name, data type]``;
    ``shape``
        in elements;
    ``elements``
        SHA-256 of the joined SHA-256s (32 bytes each) of blocks of elements, in C order of the blocks.

    All blocks of an array have one shape, which depends on the array's shape and the bytes of an element. All lengths
    start at 1. While a block has at most 512 KiB, the shortest length that is less than the array's is doubled. If
    several lengths are the shortest, the last one is doubled. Blocks at the edges are cropped. A block consists of its
    elements in C order, little-endian and packed. An element of variable length counts as 16 bytes. A string is its
    length in bytes (8 bytes, little-endian) and its UTF-8; a byte string is its length and its bytes; another object
    is the length and the text of its JSON. Datetimes are 8-byte integers; integers of 2 and 4 bits have one byte; NaNs
    keep their bits.
    """
    with ExitStack() as opened:
        location = locate(target, path, "r", opened, storage_options)
        check_on_error(on_error)
        walked = walk(location)
        settle(walked.obstacles, on_error)
        nodes = _sorted(location, walked.nodes)
        total = sum(_nbytes(meta) for _, _, meta in nodes)
        with open_meter(progress, total, "reading", in_bytes=True) as meter:
            found = _checksum(location, nodes, [*walked.obstacles], on_error, memory, meter)
            return replace(found, notes=walked.notes)


def _sorted(
    location: Location, nodes: list[tuple[Location, Metadata]]
) -> list[tuple[str, Location, Metadata]]:
    """Return relative paths, locations and metadata, sorted by path."""
    skip = len(location.path) + 1 if location.path else 0
    found = [(place.path[skip:], place, meta) for place, meta in nodes]
    return sorted(found, key=lambda node: node[0].encode())


def _nbytes(meta: Metadata) -> int:
    """Return the bytes of all elements."""
    return math.prod(meta.shape) * Encoder(meta.data_type).itemsize if isinstance(meta, ArrayMetadata) else 0


def _checksum(
    location: Location,
    nodes: list[tuple[str, Location, Metadata]],
    obstacles: list[Obstacle],
    on_error: OnError,
    memory: int,
    meter: Meter,
) -> Checksum:
    lines = [HEADER]
    digests: dict[str, str] = {}
    data: dict[str, str] = {}
    for path, place, meta in nodes:
        record: dict[str, Any] = {"path": path, "kind": "group", "attributes": meta.attributes}
        if isinstance(meta, ArrayMetadata):
            encoder = Encoder(meta.data_type)

            def advance(n: int, itemsize: int = encoder.itemsize) -> None:
                meter.add(n * itemsize, n * itemsize)

            try:
                data[path] = digest_elements(Array(place, meta, read_only=True), encoder, memory, advance)
            except (ChunkError, MetadataError) as error:  # damaged, or an unknown codec
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
