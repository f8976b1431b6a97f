"""`Pyramid`: an open pyramid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from exzarr._format.multiscales.coordinate_systems import SystemGraph
from exzarr._format.multiscales.model import Axis, Channel, LabelInfo, Multiscale
from exzarr._format.multiscales.parse import ome_members
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentError, SelectionError
from exzarr.multiscale import viewing
from exzarr.multiscale.viewing import Geometry, Pixels, WorldRegion

if TYPE_CHECKING:
    from exzarr.multiscale.updating import UpdateOptions

__all__ = ["Level", "Pyramid", "View"]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    number
        0 for the level with the most elements.
    array
        The array.
    scale, translation
        World coordinates, in the units of the axes: ``translation + scale * i`` is the center of element ``i``.
    """

    number: int
    array: Array
    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @property
    def path(self) -> str:
        """Path of the array in its store."""
        return self.array.path

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def geometry(self) -> Geometry:
        """Shape, scale and translation."""
        return Geometry(self.array.shape, self.scale, self.translation)


@dataclass(frozen=True, slots=True)
class View:
    """The elements of a level that show a region.

    Attributes
    ----------
    level
        The level.
    selection
        For each axis a slice, or the index of one element: ``level.array[selection]`` reads the elements.
    extent
        World coordinates of the edges of these elements along each axis that is not one element, by axis name. It
        contains the part of the region that is inside the image.
    """

    level: Level
    selection: tuple[slice | int, ...]
    extent: Mapping[str, tuple[float, float]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data."""
        return tuple([part.stop - part.start for part in self.selection if isinstance(part, slice)])

    def read(self) -> AnyArray:
        """Read the elements."""
        data: AnyArray = self.level.array[self.selection]
        return data


class Pyramid:
    """An image, a volume or another array, stored in several resolutions.

    Get one from `exzarr.multiscale.open` or `exzarr.multiscale.write`.

    Attributes
    ----------
    group
        The group that has the levels.
    metadata
        What the convention's metadata says.
    levels
        The levels, the one with the most elements first.
    """

    def __init__(
        self, group: Group, metadata: Multiscale, axes: tuple[Axis, ...], levels: tuple[Level, ...]
    ) -> None:
        self.group = group
        self.metadata = metadata
        self._axes = axes
        self.levels = levels

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes, in the order of the dimensions."""
        return self._axes

    @property
    def name(self) -> str | None:
        """Name of the image."""
        return self.metadata.name

    @property
    def channels(self) -> tuple[Channel, ...]:
        """How to show the channels."""
        return self.metadata.channels

    @property
    def label(self) -> LabelInfo | None:
        """Colors and properties of the labels, if this is a label image."""
        return self.metadata.label

    @property
    def labels(self) -> Labels:
        """The label images of this image, by their names."""
        return Labels(self)

    @property
    def extent(self) -> dict[str, tuple[float, float]]:
        """World coordinates of the edges of the image, by axis name."""
        geometry = self.levels[0].geometry
        return {axis.name: geometry.extent(at) for at, axis in enumerate(self._axes)}

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.levels)

    def __getitem__(self, number: int) -> Level:
        """Return a level by its number."""
        try:
            return self.levels[number]
        except IndexError:
            raise SelectionError(f"there is no level {number}: the pyramid has {len(self)} levels") from None

    def __iter__(self) -> Iterator[Level]:
        return iter(self.levels)

    # -- looking -------------------------------------------------------------------

    def best_level(self, region: WorldRegion = None, pixels: Pixels = None) -> int:
        """Return the number of the coarsest level that shows a region with at least this many elements.

        Parameters
        ----------
        region, pixels
            See `view`.
        """
        parts = viewing.world_region(region, self._axes)
        wanted = viewing.sampling(pixels, self._axes)
        if not wanted:
            return 0
        return viewing.best_level([level.geometry for level in self.levels], parts, wanted)

    def view(self, region: WorldRegion = None, pixels: Pixels = None, *, level: int | None = None) -> View:
        """Return which elements of which level show a region. Nothing is read.

        Parameters
        ----------
        region
            The region, in world coordinates: a dict by axis name, or a sequence for the last axes. For each axis, a
            pair ``(start, stop)``; one number for the element there, which removes the dimension; or None for the whole
            axis. A region may extend beyond the image.
        pixels
            The wanted number of elements: ``(height, width)`` for the last two axes, or a dict by axis name. The view has
            at least as many (unless the first level has less), and usually less than twice as many along each axis.
        level
            A level to use instead of the best one.

        Raises
        ------
        ArgumentError
            There is no such axis.
        SelectionError
            The region lies outside of the image.
        """
        parts = viewing.world_region(region, self._axes)
        chosen = self[self.best_level(region, pixels) if level is None else level]
        geometry = chosen.geometry
        selection = viewing.elements(geometry, parts, self._axes)
        extent = {}
        for at, (axis, part) in enumerate(zip(self._axes, selection, strict=True)):
            if isinstance(part, slice):
                first = geometry.translation[at] - geometry.scale[at] / 2
                edges = [first + geometry.scale[at] * end for end in (part.start, part.stop)]
                extent[axis.name] = (min(edges), max(edges))
        return View(chosen, selection, extent)

    def read(
        self, region: WorldRegion = None, pixels: Pixels = None, *, level: int | None = None
    ) -> AnyArray:
        """Read a region, from the coarsest level that has at least this many elements.

        The parameters are those of `view`, which also returns where exactly the elements are. They are not resampled: the
        result usually has more than `pixels` elements.

        Returns
        -------
        numpy.ndarray
            The elements.
        """
        return self.view(region, pixels, level=level).read()

    def transform(self, points: Any, target: str, source: str | None = None) -> AnyArray:
        """Transform points from one coordinate system to another (OME-Zarr 0.6).

        Parameters
        ----------
        points
            Shape (n, axes of `source`), or (axes,) for one point.
        target, source
            Names of coordinate systems. The default source is that of the axes, in which regions are given.

        Returns
        -------
        numpy.ndarray
            Shape (n, axes of `target`), or (axes,).

        Raises
        ------
        ArgumentError
            There is no such coordinate system, or the points have another number of axes.
        UnsupportedError
            The systems are not linked, or a transformation between them is a field, or has no inverse.
        """
        graph = SystemGraph()
        graph.add_image(ome_members(self.group.attrs.asdict()))
        start = self.metadata.coordinate_system if source is None else source
        return graph.transform(points, ("", start), ("", target))

    # -- changing ------------------------------------------------------------------

    def update(self, region: Any = None, **options: Unpack[UpdateOptions]) -> Pyramid:
        """Recompute what a changed region of the first level touches, on every other level.

        See `exzarr.multiscale.update`.
        """
        from exzarr.multiscale.updating import update

        return update(self, region, **options)

    def __repr__(self) -> str:
        axes = ", ".join(
            [f"{axis.name}: {n}" for axis, n in zip(self._axes, self.levels[0].shape, strict=True)]
        )
        described = f"{self.metadata.convention} {self.metadata.version}"
        dtype = self.levels[0].array.dtype
        return f"<exzarr.multiscale.Pyramid {self.group.location} ({axes}) {dtype} {len(self)} levels, {described}>"


class Labels(Mapping[str, Pyramid]):
    """The label images of an image, by their names: paths below its group ``labels``."""

    def __init__(self, image: Pyramid) -> None:
        self._image = image

    def _names(self) -> tuple[str, ...]:
        from exzarr._format.multiscales.collections import parse_paths

        group = self._image.group.get("labels")
        if not isinstance(group, Group):
            return ()
        return parse_paths(ome_members(group.attrs.asdict()).get("labels"), "labels")

    def __getitem__(self, name: str) -> Pyramid:
        from exzarr.multiscale.opening import image_at

        if name not in self._names():
            raise KeyError(f"there is no label image {name!r}; there are {[*self._names()]}")
        return image_at(self._image.group[f"labels/{name}"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"<label images {[*self]}>"


def check_writable(pyramid: Pyramid) -> None:
    """Raise an error unless the levels can be written."""
    if pyramid.group.read_only:
        raise ArgumentError(f"{pyramid.group.name!r} is open for reading: open it with mode='r+'")
