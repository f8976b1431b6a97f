"""Access patterns: how an array is read. Each is a frozen dataclass that returns sample reads, drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np

from exzarr._spelling import no_dimension
from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._engine.planning.explain import Explanation
    from exzarr._nodes.array import Array

__all__ = [
    "Access",
    "AccessLike",
    "Batch",
    "Patterns",
    "Random",
    "Read",
    "Scan",
    "Shape",
    "Window",
    "patterns",
]

DRAWS = 5
"""Number of planned and measured reads of each pattern. Averages out differences between places."""

WINDOW_BYTES = 4 * 2**20
"""Most bytes of a window without a given shape."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The properties of an array that patterns depend on."""

    shape: tuple[int, ...]
    itemsize: int
    names: tuple[str | None, ...] | None = None

    def axis(self, axis: int | str) -> int:
        """Return the number of a dimension, given by number or by name."""
        if isinstance(axis, str):
            if axis not in (self.names or ()):
                raise ArgumentError(no_dimension(axis, self.names or ()))
            return (self.names or ()).index(axis)
        if not -len(self.shape) <= axis < len(self.shape):
            raise ArgumentError(f"axis={axis} is out of range: the array has {len(self.shape)} dimensions")
        return axis % len(self.shape)


@dataclass(frozen=True, slots=True)
class Read:
    """One read.

    Attributes
    ----------
    selection
        One entry per dimension: a slice with start and stop, an integer, or an array of integers.
    how
        Kind of indexing: plain brackets, ``oindex`` or ``vindex``.
    times
        Number of such reads in one run of the pattern.
    """

    selection: tuple[Any, ...]
    how: Literal["basic", "oindex", "vindex"] = "basic"
    times: float = 1.0

    def of(self, array: Array) -> Any:
        """Read the selection from `array`."""
        if self.how == "basic":
            return array[self.selection]
        return (array.oindex if self.how == "oindex" else array.vindex)[self.selection]

    def explained(self, array: Array) -> Explanation:
        """Return the plan of the read."""
        explain = array.explain
        if self.how == "basic":
            return explain[self.selection]
        return (explain.oindex if self.how == "oindex" else explain.vindex)(*self.selection)


class Access(Protocol):
    """An access pattern.

    Attributes
    ----------
    weight
        Share of the time that you would spend on this pattern, if each pattern had its own best layout.
    """

    kind: ClassVar[str]

    @property
    def weight(self) -> float:
        """Importance of the pattern relative to others."""
        ...

    def settled(self, of: Shape) -> Self:
        """Return the pattern with all open parameters chosen for an array, and limited to its shape."""
        ...

    def reads(self, shape: Sequence[int], stored: Sequence[int], rng: np.random.Generator) -> list[Read]:
        """Return some reads whose `times` add up to one run of the pattern.

        `stored` is the shape of a stored chunk: a shard if the array has shards. Only patterns that follow chunks use
        it.
        """
        ...

    def extents(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Return the length of one read along each dimension."""
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Scan:
    """Access to the whole array once, in consecutive slabs along one dimension.

    Parameters
    ----------
    weight
        See `Access`.
    axis
        The dimension of the slabs: its number or its name.
    step
        Length of a slab. None: whole stored chunks, as many as make about `slab_bytes`.
    slab_bytes
        Bytes of a slab in memory, if `step` is None.
    """

    kind: ClassVar[str] = "scan"
    weight: float = 1.0
    axis: int | str = 0
    step: int | None = None
    slab_bytes: int = 32 * 2**20
    itemsize: int = field(default=0, repr=False)

    def settled(self, of: Shape) -> Self:
        """Return the pattern with all open parameters chosen; see `Access`."""
        axis = of.axis(self.axis)
        step = None if self.step is None else max(1, min(self.step, of.shape[axis]))
        return replace(self, axis=axis, step=step, itemsize=of.itemsize)

    def reads(self, shape: Sequence[int], stored: Sequence[int], rng: np.random.Generator) -> list[Read]:
        """Return reads that add up to one run of the pattern; see `Access`."""
        axis = int(self.axis)
        step = self.step
        if step is None:
            row = math.prod(shape) // shape[axis] * max(1, self.itemsize)
            step = max(1, round(self.slab_bytes / (row * stored[axis]))) * stored[axis]
        step = min(step, shape[axis])
        slabs = -(-shape[axis] // step)
        chosen = np.unique(np.linspace(0, slabs - 1, min(slabs, DRAWS)).astype(int))
        whole = [slice(0, n) for n in shape]
        return [
            Read(
                (*whole[:axis], slice(i * step, min(i * step + step, shape[axis])), *whole[axis + 1 :]),
                times=slabs / len(chosen),
            )
            for i in map(int, chosen)
        ]

    def extents(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Return the length of one read along each dimension."""
        axis = int(self.axis)
        return tuple([float(self.step or 1) if d == axis else float(n) for d, n in enumerate(shape)])

    def __str__(self) -> str:
        by = "in slabs of whole chunks" if self.step is None else f"{self.step:,} indices at a time"
        return f"the whole array, {by} along dimension {self.axis}"


@dataclass(frozen=True, slots=True)
class Window:
    """Access to boxes at random places.

    Parameters
    ----------
    weight
        See `Access`.
    shape
        Length along each dimension, -1 for the whole dimension. Or a dict of lengths by dimension name; dimensions
        that it omits are read whole. None: an eighth of each dimension, at most 4 MiB.
    """

    kind: ClassVar[str] = "window"
    weight: float = 1.0
    shape: tuple[int, ...] | Mapping[str, int] | None = None

    def settled(self, of: Shape) -> Self:
        """Return the pattern with all open parameters chosen; see `Access`."""
        if self.shape is None:
            box = [max(1, n // 8) for n in of.shape]
            while math.prod(box) * of.itemsize > WINDOW_BYTES and max(box) > 1:
                longest = box.index(max(box))
                box[longest] = -(-box[longest] // 2)
            return replace(self, shape=tuple(box))
        if isinstance(self.shape, Mapping):
            by_axis = {of.axis(name): length for name, length in self.shape.items()}
            given = [by_axis.get(d, -1) for d in range(len(of.shape))]
        else:
            given = [*self.shape]
        if len(given) != len(of.shape) or any(n == 0 or n < -1 for n in given):
            raise ArgumentError(
                f"a window of shape {tuple(given)} does not fit an array of shape {of.shape}: give one length "
                "per dimension, at least 1, or -1 for the whole dimension"
            )
        return replace(
            self, shape=tuple([n if w == -1 else min(w, n) for w, n in zip(given, of.shape, strict=True)])
        )

    @property
    def box(self) -> tuple[int, ...]:
        """The settled shape."""
        assert isinstance(self.shape, tuple)
        return self.shape

    def reads(self, shape: Sequence[int], stored: Sequence[int], rng: np.random.Generator) -> list[Read]:
        """Return reads that add up to one run of the pattern; see `Access`."""
        found = []
        for _ in range(DRAWS):
            starts = [int(rng.integers(0, n - w + 1)) for n, w in zip(shape, self.box, strict=True)]
            box = tuple([slice(at, at + w) for at, w in zip(starts, self.box, strict=True)])
            found.append(Read(box, times=1 / DRAWS))
        return found

    def extents(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Return the length of one read along each dimension."""
        return tuple(map(float, self.box))

    def __str__(self) -> str:
        return f"a window of {' × '.join(f'{n:,}' for n in self.box)}"


@dataclass(frozen=True, slots=True)
class Random:
    """Access to single elements at random places.

    Parameters
    ----------
    weight
        See `Access`.
    points
        Number of elements per read.
    """

    kind: ClassVar[str] = "random"
    weight: float = 1.0
    points: int = 1

    def settled(self, of: Shape) -> Self:
        """Return the pattern with all open parameters chosen; see `Access`."""
        if self.points < 1:
            raise ArgumentError(f"points={self.points} of Random must be at least 1")
        return self

    def reads(self, shape: Sequence[int], stored: Sequence[int], rng: np.random.Generator) -> list[Read]:
        """Return reads that add up to one run of the pattern; see `Access`."""
        if self.points == 1:
            return [Read(tuple([int(rng.integers(n)) for n in shape]), times=1 / DRAWS) for _ in range(DRAWS)]
        return [
            Read(tuple([rng.integers(0, n, self.points) for n in shape]), "vindex", 1 / DRAWS)
            for _ in range(DRAWS)
        ]

    def extents(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Return the length of one read along each dimension."""
        return (1.0,) * len(shape)

    def __str__(self) -> str:
        return "one element" if self.points == 1 else f"{self.points:,} elements at random places"


@dataclass(frozen=True, slots=True)
class Batch:
    """Access to shuffled minibatches: random indices along one dimension, and all of the other dimensions.

    Parameters
    ----------
    weight
        See `Access`.
    rows
        Number of indices per read.
    axis
        The dimension of the indices: its number or its name.
    """

    kind: ClassVar[str] = "batch"
    weight: float = 1.0
    rows: int = 256
    axis: int | str = 0

    def settled(self, of: Shape) -> Self:
        """Return the pattern with all open parameters chosen; see `Access`."""
        if self.rows < 1:
            raise ArgumentError(f"rows={self.rows} of Batch must be at least 1")
        axis = of.axis(self.axis)
        return replace(self, axis=axis, rows=min(self.rows, of.shape[axis]))

    def reads(self, shape: Sequence[int], stored: Sequence[int], rng: np.random.Generator) -> list[Read]:
        """Return reads that add up to one run of the pattern; see `Access`."""
        axis = int(self.axis)
        whole = [slice(0, n) for n in shape]
        found = []
        for _ in range(DRAWS):
            rows = rng.choice(shape[axis], self.rows, replace=False)
            found.append(Read((*whole[:axis], rows, *whole[axis + 1 :]), "oindex", 1 / DRAWS))
        return found

    def extents(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Return the length of one read along each dimension."""
        axis = int(self.axis)
        return tuple([1.0 if d == axis else float(n) for d, n in enumerate(shape)])

    def __str__(self) -> str:
        return f"{self.rows:,} random rows along dimension {self.axis}"


KINDS: dict[str, type[Any]] = {cls.kind: cls for cls in (Scan, Window, Random, Batch)}
AccessLike = Mapping[str, Any] | Iterable[Access] | None
"""Weights or `Access` by name, or several `Access`.

Not `float | Access`: mypy infers a dict literal with both as a dict of objects.
"""
Patterns = dict[str, Any]
"""Settled patterns (`Access`) by name."""


def patterns(access: AccessLike, of: Shape) -> Patterns:
    """Return settled patterns by name.

    Parameters
    ----------
    access
        A dict from ``scan``, ``window``, ``random``, ``batch`` to a weight, or from any name to a pattern; or several
        patterns. None: a scan and a window, with equal weights.
    of
        The array.
    """
    given: list[tuple[str, Any]]
    if access is None:
        given = [("scan", Scan()), ("window", Window())]
    elif isinstance(access, Mapping):
        given = [*access.items()]
    else:
        given = [(getattr(one, "kind", "?"), one) for one in access]
    found: Patterns = {}
    for name, one in given:
        if isinstance(one, (int, float)):
            if name not in KINDS:
                raise ArgumentError(
                    f"access {name!r}: only {', '.join(KINDS)} can be given as a weight; for another name give "
                    "a pattern, such as exzarr.lab.Window(shape=(1, -1, -1))"
                )
            one = KINDS[name](weight=float(one))
        if not hasattr(one, "settled"):
            raise ArgumentError(
                f"access {name!r}: {one!r} is neither a weight nor a pattern such as exzarr.lab.Scan()"
            )
        if not (one.weight >= 0 and math.isfinite(one.weight)):
            raise ArgumentError(
                f"access {name!r}: its weight must be a finite number of at least 0, not {one.weight}"
            )
        if one.weight:
            unique, number = name, 2
            while unique in found:
                unique, number = f"{name} {number}", number + 1
            found[unique] = one.settled(of)
    if not found:
        raise ArgumentError("all accesses have weight 0: give at least one a weight above 0")
    return found
