"""Chunk grids: the assignment of elements to chunks.

``regular``: https://zarr-specs.readthedocs.io/en/latest/v3/chunk-grids/regular-grid/index.html.
``rectilinear``: https://github.com/zarr-developers/zarr-extensions/tree/main/chunk-grids/rectilinear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from exzarr._format import extensions
from exzarr._format.dimensions import DimensionGrid, IntArray, RectilinearDimension, RegularDimension
from exzarr._format.named import INT_LIMIT, is_int, named_config, shape_of, shorten
from exzarr._plugins import configured
from exzarr.errors import ArgumentError, ExzarrError, MetadataError, UnsupportedError

__all__ = ["ChunkGrid", "DimensionGrid", "IntArray", "RectilinearDimension", "RegularDimension", "parse_v3"]


@dataclass(frozen=True)
class ChunkGrid:
    """The chunks of one array.

    Attributes
    ----------
    dims
        One `DimensionGrid` per dimension.
    shape
        The array's shape, in elements.
    name
        The grid's name in the document: ``"regular"``, ``"rectilinear"``, or that of another package.
    chunk_counts
        Chunks per dimension that overlap the array; 0 along a dimension of length 0.
    regular
        True if all chunks have the same shape.
    extension
        The `ChunkGridExtension` of another package, or None.
    """

    dims: tuple[DimensionGrid, ...]
    shape: tuple[int, ...]
    name: str = "regular"
    extension: Any = field(default=None, compare=False)
    chunk_counts: tuple[int, ...] = field(init=False, compare=False)
    regular: bool = field(init=False, compare=False)
    _sizes: tuple[int | None, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        counts = tuple([dim.count(extent) for dim, extent in zip(self.dims, self.shape, strict=True)])
        sizes = tuple([dim.uniform for dim in self.dims])
        object.__setattr__(self, "chunk_counts", counts)
        object.__setattr__(self, "regular", None not in sizes)
        object.__setattr__(self, "_sizes", sizes)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of every chunk. Raises ArgumentError if sizes vary (see `regular`)."""
        if not self.regular:
            raise ArgumentError(
                "the chunks of this array vary in shape; use write_chunk_sizes, or chunk_shape_at(index) of its grid"
            )
        return self._sizes  # type: ignore[return-value]  # not None, because the grid is regular

    @property
    def nchunks(self) -> int:
        """Number of chunks that overlap the array; 1 for a 0-dimensional array."""
        n = 1
        for count in self.chunk_counts:
            n *= count
        return n

    @property
    def max_chunk_shape(self) -> tuple[int, ...]:
        """Largest chunk size along each dimension, of the chunks that overlap the array."""
        return tuple(map(_largest, self.dims, self.chunk_counts))

    def chunk_shape_at(self, index: Sequence[int]) -> tuple[int, ...]:
        """Return the encoded shape of chunk `index`, which is not cropped at the array's edge."""
        return tuple([dim.size(i) for dim, i in zip(self.dims, index, strict=True)])

    def region(self, index: Sequence[int]) -> tuple[slice, ...]:
        """Return the region of the array that chunk `index` holds."""
        slices = []
        for dim, i, extent in zip(self.dims, index, self.shape, strict=True):
            start = dim.offset(i)
            slices.append(slice(start, min(start + dim.size(i), extent)))
        return tuple(slices)

    def with_shape(self, shape: Sequence[int], units: Sequence[int] | None = None) -> ChunkGrid:
        """Return the grid of the array after a resize to `shape`.

        Existing chunks do not move. A rectilinear dimension that is too short gets one more chunk
        for the remaining elements. Its size is a multiple of the entry of `units`, the shape of inner chunks.
        """
        if len(shape) != len(self.shape):
            raise ArgumentError(
                f"the array has {len(self.shape)} dimensions, but the new shape has {len(shape)}"
            )
        units = units or [1] * len(shape)
        if self.extension is not None:
            return self._extended_to(tuple(shape), units)
        dims = tuple([dim.grown(n, unit) for dim, n, unit in zip(self.dims, shape, units, strict=True)])
        return ChunkGrid(dims, tuple(shape), self.name)

    def _extended_to(self, shape: tuple[int, ...], units: Sequence[int]) -> ChunkGrid:
        """Return another package's grid for a new shape; raise MetadataError if existing chunks would change."""
        grid = ChunkGrid.from_extension(self.extension, shape, units)
        for axis, (old, new) in enumerate(zip(self.dims, grid.dims, strict=True)):
            kept = min(self.shape[axis], shape[axis])
            if _runs(old, old.count(kept)) != _runs(new, old.count(kept)):
                raise MetadataError(
                    f"chunk_grid {self.name!r} would change existing chunks along dimension {axis} if the array's "
                    f"length became {shape[axis]}: the array cannot be resized"
                )
        return grid

    @classmethod
    def from_extension(
        cls, extension: Any, shape: Sequence[int], units: Sequence[int] | None = None
    ) -> ChunkGrid:
        """Return the grid of another package for an array of `shape`.

        Each size must be a multiple of the entry of `units`, the shape of inner chunks.
        """
        name, shape = extension.name, tuple(shape)
        sizes = configured("chunk_grid", name, extension.chunk_sizes, shape)
        try:
            dims = ChunkGrid.from_rectilinear(shape, sizes).dims
        except (ExzarrError, TypeError, ValueError) as error:
            raise MetadataError(
                f"chunk_grid {name!r}: its package gives sizes that do not fit the shape {shape}: {error}"
            ) from error
        for axis, (dim, unit) in enumerate(zip(dims, units or (), strict=False)):
            odd = next((size for size, _ in _runs(dim, dim.count(shape[axis])) if size % unit), None)
            if odd is not None:
                raise MetadataError(
                    f"chunk_grid {name!r}: shards of {odd} elements in dimension {axis} are not whole chunks of {unit}"
                )
        return cls(dims, shape, name, extension)

    @classmethod
    def from_regular(cls, shape: Sequence[int], chunks: Sequence[int]) -> Self:
        """Return a grid of chunks of shape `chunks`; raise ArgumentError if lengths differ or a size is below 1."""
        if len(shape) != len(chunks):
            raise ArgumentError(f"shape {tuple(shape)} and chunks {tuple(chunks)} differ in length")
        for size in chunks:
            if not 0 < size < INT_LIMIT:
                raise ArgumentError(f"chunk sizes must be from 1 to 2**63 - 1, not {tuple(chunks)}")
        return cls(tuple([RegularDimension(int(size)) for size in chunks]), tuple(shape))

    @classmethod
    def from_rectilinear(
        cls, shape: Sequence[int], chunks: Sequence[int | Iterable[int | tuple[int, int]]]
    ) -> Self:
        """Return a grid of chunks of varying sizes.

        Parameters
        ----------
        shape
            The array's shape, in elements.
        chunks
            Per dimension, one size for all chunks or a list of sizes. An item of the list may
            be a pair ``(size, count)``.

        Raises
        ------
        ArgumentError
            The sizes do not cover the array.
        """
        if len(shape) != len(chunks):
            raise ArgumentError(f"shape {tuple(shape)} and chunks differ in length ({len(chunks)})")
        dims: list[DimensionGrid] = []
        for axis, (extent, spec) in enumerate(zip(shape, chunks, strict=True)):
            if not isinstance(spec, Iterable):
                if not 0 < spec < INT_LIMIT:
                    raise ArgumentError(f"chunk sizes must be from 1 to 2**63 - 1, not {spec}")
                dims.append(RegularDimension(int(spec)))
                continue
            dim = RectilinearDimension(spec)
            if dim.total < extent:
                raise ArgumentError(
                    f"the chunk sizes of dimension {axis} add up to {dim.total}, but its length is {extent}"
                )
            dims.append(dim)
        return cls(tuple(dims), tuple(shape), "rectilinear")

    def to_v3(self) -> dict[str, Any]:
        """Return the ``chunk_grid`` of a v3 document."""
        if self.extension is not None:
            configuration = self.extension.to_config()
            return {"name": self.name, **({"configuration": configuration} if configuration else {})}
        sizes = [dim.to_json() for dim in self.dims]
        if self.name == "regular":
            return {"name": "regular", "configuration": {"chunk_shape": sizes}}
        return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": sizes}}


def _largest(dim: DimensionGrid, count: int) -> int:
    if isinstance(dim, RectilinearDimension):
        return max((size for size, first in dim.run_starts() if first < count), default=dim.size(0))
    return dim.size(0)


def _runs(dim: DimensionGrid, count: int) -> list[tuple[int, int]]:
    """Return the first `count` chunks of a dimension as ``(size, number of chunks)``, without zeros."""
    if not isinstance(dim, RectilinearDimension):
        return [(dim.size(0), count)] if count else []
    runs = []
    for size, several in dim.runs:
        if count > 0:
            runs.append((size, min(several, count)))
        count -= several
    return runs


def parse_v3(json: Any, shape: tuple[int, ...], *, zero_sizes: Sequence[int] | None = None) -> ChunkGrid:
    """Parse the ``chunk_grid`` of a v3 document for an array of `shape`.

    `zero_sizes` replaces stored chunk sizes of 0; see `regular_sizes`.
    """
    name, configuration = named_config(json, "chunk_grid")
    if name == "regular":
        sizes = regular_sizes(
            configuration.get("chunk_shape"), shape, "chunk_grid: 'chunk_shape'", zero_sizes
        )
        return ChunkGrid(tuple([RegularDimension(size) for size in sizes]), shape)
    if name == "rectilinear":
        return ChunkGrid(_rectilinear(configuration, shape), shape, "rectilinear")
    extension = extensions.made(extensions.CHUNK_GRIDS, name, configuration)
    if extension is not None:
        return ChunkGrid.from_extension(extension, shape, zero_sizes)
    raise UnsupportedError(
        f"chunk_grid {shorten(name)} is not known; exzarr supports 'regular' and 'rectilinear'"
    )


def regular_sizes(
    json: Any, shape: tuple[int, ...], what: str, zero_sizes: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return a stored chunk shape for an array of `shape`, with sizes of 0 replaced.

    Older software stored a chunk size of 0 along a dimension of length 0, which has no chunks.
    As in zarr-python, 0 reads as the smallest size: 1, or the entry of `zero_sizes` (the
    shape of inner chunks, if the array has shards).
    """
    sizes = shape_of(json, what)
    if len(sizes) != len(shape):
        raise MetadataError(f"{what} has {len(sizes)} entries, but the shape has {len(shape)}")
    if 0 not in sizes:
        return sizes
    for axis, size in enumerate(sizes):
        if size == 0 and shape[axis] != 0:
            raise MetadataError(
                f"{what}: the chunk size of dimension {axis} is 0, which is invalid for its length {shape[axis]}"
            )
    smallest = zero_sizes if zero_sizes is not None else (1,) * len(shape)
    return tuple([size or unit for size, unit in zip(sizes, smallest, strict=True)])


def _rectilinear(configuration: dict[str, Any], shape: tuple[int, ...]) -> tuple[DimensionGrid, ...]:
    kind = configuration.get("kind")
    if kind != "inline":
        if type(kind) is str:
            raise UnsupportedError(
                f"chunk_grid 'rectilinear': kind {shorten(kind)} is not known; exzarr supports 'inline'"
            )
        raise MetadataError(f"chunk_grid 'rectilinear': 'kind' must be 'inline', not {shorten(kind)}")
    specs = configuration.get("chunk_shapes")
    if not isinstance(specs, list) or len(specs) != len(shape):
        raise MetadataError(
            "chunk_grid 'rectilinear': 'chunk_shapes' must be an array with an entry per dimension "
            f"({len(shape)}), not {shorten(specs)}"
        )
    return tuple([_dimension(spec, axis, shape[axis]) for axis, spec in enumerate(specs)])


def _dimension(spec: Any, axis: int, extent: int) -> DimensionGrid:
    where = f"chunk_grid 'rectilinear': dimension {axis}"
    if is_int(spec) and spec > 0:
        return RegularDimension(spec)
    if not isinstance(spec, list) or not spec:
        raise MetadataError(
            f"{where}: chunk sizes must be an integer or a non-empty array, not {shorten(spec)}"
        )
    runs: list[tuple[int, int]] = []
    for item in spec:
        size, count = item if isinstance(item, list) and len(item) == 2 else (item, 1)
        if not (is_int(size) and is_int(count) and size and count):
            raise MetadataError(
                f"{where}: a chunk size must be a positive integer or [size, count], not {shorten(item)}"
            )
        runs.append((size, count))
    dim = RectilinearDimension(runs)
    if dim.total < extent:
        raise MetadataError(f"{where}: the sizes add up to {dim.total}, but the array's length is {extent}")
    return dim
