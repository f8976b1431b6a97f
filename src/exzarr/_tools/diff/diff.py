"""`exzarr.diff`: compare two arrays or hierarchies."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exzarr import config
from exzarr._format.metadata import ArrayMetadata
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.survey import Obstacle, OnError, check_on_error, settle
from exzarr._spelling import did_you_mean, known_arguments
from exzarr._stream.progress.progress import Meter, Progress, open_meter
from exzarr._tools.copy import MEMORY, locate
from exzarr._tools.copy_plan import Walked, place_of, walk
from exzarr._tools.diff.elements import Options, compare_elements
from exzarr._tools.diff.metadata import compare_metadata
from exzarr._tools.diff.output import Form, Output, opened_output
from exzarr._tools.diff.report import ASPECTS, CONTENT, DiffReport, ElementDiff, NodeDiff
from exzarr._tools.diff.values import Tolerance
from exzarr._tools.sizes import itemsize_of
from exzarr.errors import ArgumentError, ChunkError, MetadataError
from exzarr.stores.resolve import StoreLike, shared_options
from exzarr.stores.url_options import StorageOptions

__all__ = ["diff"]


@known_arguments
def diff(
    a: Array | Group | StoreLike,
    b: Array | Group | StoreLike,
    *,
    a_path: str = "",
    b_path: str = "",
    rtol: float = 0.0,
    atol: float = 0.0,
    equal_nan: bool = True,
    region: Any = None,
    where: Any = None,
    strict: bool = False,
    ignore: Collection[str] = (),
    first: int = 10,
    into: StoreLike | None = None,
    form: Form = "mask",
    on_error: OnError = "raise",
    workers: int | None = None,
    memory: int = MEMORY,
    progress: Progress = False,
    storage_options: StorageOptions | None = None,
    b_options: StorageOptions | None = None,
    into_options: StorageOptions | None = None,
) -> DiffReport:
    """Compare two arrays, or two groups with everything below them.

    The arrays may have different chunks, codecs, stores and versions of the format. Elements are read in blocks. If both
    arrays have the same encoding, the bytes of their stored chunks are compared first, and equal chunks are not decoded.

    Parameters
    ----------
    a, a_path
        The left side: an array or a group; or a store (or a path, or URL) and a path in it.
    b, b_path
        The right side, and the reference for `rtol`.
    rtol, atol
        Two numbers are equal if ``|a - b| <= atol + rtol * |b|``, as in `numpy.isclose`. The default is exact. For
        complex numbers, the absolute values count. Booleans, times, text and bytes are always compared exactly.
    equal_nan
        True if NaN equals NaN, and NaT equals NaT.
    region
        A tuple of slices with step 1: compare only these elements. Both sides must be arrays.
    where
        A boolean array (NumPy's or exzarr's) with the shape of `a`: compare only elements where it is True. Both
        sides must be arrays.
    strict
        True if differences in storage count as well: ``"zarr_format"``, ``"chunks"``, ``"shards"``, ``"codecs"`` and
        ``"fill_value"``. By default they are listed, and do not count.
    ignore
        Aspects that do not count: ``"shape"``, ``"data_type"``, ``"dimension_names"``, ``"attributes"``, or one of
        storage. They are still listed. Arrays whose elements cannot be compared are always different.
    first
        Maximum number of positions of differences to report for each array.
    into
        A place for a new group that gets the positions of all differences. For each compared array, it has a group with
        the array's relative path.
    form
        Content of these groups. ``"mask"``: an array ``mask`` of booleans, with the shape of the array in `a`.
        ``"sparse"``: arrays ``index`` (int64, shape ``(n, dimensions)``), ``left`` and ``right`` (shape ``(n,)``).
    on_error
        Action for nodes that cannot be read and for links that are not followed: ``"raise"`` an error, or ``"skip"``
        them and name them in ``left_out``. A report with skipped nodes is never ``equal``.
    workers
        Number of threads. Default: ``config.workers``.
    memory
        Maximum bytes of elements and temporary values in memory. For each thread, at least two blocks of one chunk are
        always in memory.
    progress
        True for a progress bar, or a callable that gets ``(done, total)``, in bytes of elements of `a`.
    storage_options
        Options for URLs: see `exzarr.open`. They apply to `a` and `b`.
    b_options, into_options
        Options for `b` (`storage_options` then apply to `a` only), and for `into`.

    Returns
    -------
    DiffReport
        What differs. ``report.equal`` is True if nothing that counts differs. Print it to see a summary.

    Raises
    ------
    NodeNotFoundError
        There is no array or group at `a` or `b`.
    NodeExistsError
        There is already a node at `into`.
    ChunkCorruptError
        A chunk cannot be decoded.
    ArgumentError
        An argument is invalid, or `region` or `where` is given for groups.
    SelectionError
        The region is not a tuple of slices with step 1.

    Notes
    -----
    These differences count by default, as for `exzarr.checksum`: nodes that only one side has, kind, shape, data type
    (without its byte order), dimension names, attributes, and elements. Elements are compared by value: -0.0 equals 0.0,
    and all NaNs are alike. Elements of different data types are compared if both are numbers, times, durations, text or
    byte strings. Elements of different shapes are compared only within a `region` that fits both.

    Integers are compared exactly, also int64 with uint64 or float64, and so are their distances. Floating-point numbers
    are compared in float64, complex numbers in complex128.

    Chunks that are not stored count as the fill value.
    """
    started = time.perf_counter()
    options = _options(rtol, atol, equal_nan, region, where, first, workers, memory)
    check_on_error(on_error)
    counted = _counted(strict, ignore)
    a_options, other_options = shared_options(a, b, storage_options, b_options)
    with ExitStack() as opened:
        left = _side(locate(a, a_path, "r", opened, a_options))
        right = _side(locate(b, b_path, "r", opened, other_options))
        _check_arrays(left, right, options)
        settle([*left.walked.obstacles, *right.walked.obstacles], on_error)
        output = opened.enter_context(opened_output(into, form, into_options))
        both = sorted(left.nodes.keys() & right.nodes.keys())
        total = sum(_nbytes(left.nodes[path][1]) for path in both)
        meter = opened.enter_context(open_meter(progress, total, "comparing", in_bytes=True))
        comparison = _Comparison(left, right, counted, options, output, meter, on_error)
        nodes = [node for path in both if (node := comparison.node(path)) is not None]
        meter.finish()
        obstacles = [*left.walked.obstacles, *right.walked.obstacles, *comparison.obstacles]
        return DiffReport(
            left=place_of(left.top),
            right=place_of(right.top),
            nodes=tuple(nodes),
            only_left=tuple(sorted(left.nodes.keys() - right.nodes.keys())),
            only_right=tuple(sorted(right.nodes.keys() - left.nodes.keys())),
            left_out=tuple(map(str, obstacles)),
            notes=tuple(dict.fromkeys([*left.walked.notes, *right.walked.notes])),
            bytes_compared=comparison.nbytes,
            seconds=time.perf_counter() - started,
        )


def _options(
    rtol: float,
    atol: float,
    equal_nan: bool,
    region: Any,
    where: Any,
    first: int,
    workers: int | None,
    memory: int,
) -> Options:
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ArgumentError(f"workers must be a positive number, not {workers!r}")
    if type(first) is not int or first < 0:
        raise ArgumentError(f"first must be a number of positions that is not negative, not {first!r}")
    if where is not None and not isinstance(where, Array):
        where = np.asarray(where)
    if where is not None and where.dtype != np.dtype(bool):
        raise ArgumentError(f"where must be an array of booleans, not of {where.dtype}")
    return Options(
        Tolerance(rtol, atol, equal_nan), region, where, first, workers or config.get().workers, memory
    )


def _counted(strict: bool, ignore: Collection[str]) -> frozenset[str]:
    """Return the aspects that count."""
    ignored = [ignore] if isinstance(ignore, str) else [*ignore]
    for name in ignored:
        if name not in ASPECTS or name == "kind":
            near = did_you_mean(str(name), ASPECTS) or f"; aspects: {', '.join(ASPECTS[1:])}"
            raise ArgumentError(f"ignore: there is no aspect {name!r} that can be ignored{near}")
    return frozenset(ASPECTS if strict else CONTENT) - {*ignored}


@dataclass(frozen=True, slots=True)
class _Side:
    """One side: its top node, and all nodes by relative path."""

    top: Location
    walked: Walked
    nodes: dict[str, tuple[Location, Metadata]]


def _side(location: Location) -> _Side:
    walked = walk(location)
    skip = len(location.path) + 1 if location.path else 0
    return _Side(location, walked, {place.path[skip:]: (place, meta) for place, meta in walked.nodes})


def _check_arrays(left: _Side, right: _Side, options: Options) -> None:
    """Raise ArgumentError if `region` or `where` does not fit."""
    here, there = left.nodes[""][1], right.nodes[""][1]
    arrays = isinstance(here, ArrayMetadata) and isinstance(there, ArrayMetadata)
    for name, value in (("region", options.region), ("where", options.where)):
        if value is not None and not arrays:
            raise ArgumentError(
                f"{name} requires two arrays, but at least one side is a group: pass the arrays"
            )
    if options.where is not None and isinstance(here, ArrayMetadata) and options.where.shape != here.shape:
        raise ArgumentError(
            f"where has shape {tuple(options.where.shape)}, but the array {left.top.path or '/'!r} has {here.shape}"
        )


def _nbytes(meta: Metadata) -> int:
    if not isinstance(meta, ArrayMetadata):
        return 0
    return int(np.prod(meta.shape, dtype=object)) * itemsize_of(meta.data_type)


@dataclass(slots=True)
class _Comparison:
    """A comparison in progress."""

    left: _Side
    right: _Side
    counted: frozenset[str]
    options: Options
    output: Output | None
    meter: Meter
    on_error: OnError
    nbytes: int = 0
    obstacles: list[Obstacle] = field(default_factory=list)

    def node(self, path: str) -> NodeDiff | None:
        """Compare one node that both sides have; None if it was skipped."""
        one, other = self.left.nodes[path], self.right.nodes[path]
        try:
            metadata = compare_metadata(one, other, self.counted)
            elements = self._elements(path, one, other)
        except (ChunkError, MetadataError) as error:  # damaged, or an unknown codec
            if self.on_error == "raise":
                raise
            self.obstacles.append(Obstacle(one[0].path, error))
            return None
        return NodeDiff(path, metadata, elements)

    def _elements(
        self, path: str, one: tuple[Location, Metadata], other: tuple[Location, Metadata]
    ) -> ElementDiff | None:
        (place, meta), (other_place, other_meta) = one, other
        if not isinstance(meta, ArrayMetadata) or not isinstance(other_meta, ArrayMetadata):
            return None
        left, right = Array(place, meta, read_only=True), Array(other_place, other_meta, read_only=True)
        itemsize = itemsize_of(meta.data_type)

        def advance(count: int) -> None:
            self.meter.add(count * itemsize, count * itemsize)

        if self.output is None:
            found = compare_elements(left, right, self.options, None, advance)
        else:
            with self.output.sink(path, left, right) as sink:
                found = compare_elements(left, right, self.options, sink, advance)
        self.nbytes += found.compared * itemsize
        return found
