"""Collections of images: plates, wells, scenes, and the series of bioformats2raw.

https://ngff.openmicroscopy.org/0.5/, sections "plate", "well" and "bioformats2raw.layout" metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

from exzarr._format.multiscales.collections import Field, PlateMetadata, parse_paths, parse_plate, parse_well
from exzarr._format.multiscales.coordinate_systems import SystemGraph, SystemName
from exzarr._format.multiscales.parse import kind_of, ome_members
from exzarr._nodes.group import Group
from exzarr._typing import AnyArray
from exzarr.errors import NodeNotFoundError, NodeTypeError
from exzarr.multiscale.pyramid import Pyramid

__all__ = ["Plate", "Scene", "Series", "Well"]


class _Images(Sequence[Pyramid]):
    """Images of a group, opened when they are used."""

    def __init__(self, group: Group) -> None:
        self.group = group

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the images, relative to the group."""
        raise NotImplementedError

    @overload
    def __getitem__(self, number: int) -> Pyramid: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Pyramid]: ...
    def __getitem__(self, number: int | slice) -> Pyramid | Sequence[Pyramid]:
        if isinstance(number, slice):
            return [self._open(path) for path in self.paths[number]]
        return self._open(self.paths[number])

    def _open(self, path: str) -> Pyramid:
        from exzarr.multiscale.opening import image_at

        node = self.group.get(path)
        if node is None:
            raise NodeNotFoundError(
                f"{self.group.name!r} in {self.group.store} has an image {path!r}, but there is no such group"
            )
        return image_at(node)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"<exzarr.multiscale.{type(self).__name__} {self.group.location} {len(self)} images>"


class Well(_Images):
    """A well of a plate: a sequence of images, its fields of view.

    Attributes
    ----------
    group
        The group of the well.
    fields
        Path and acquisition of each image.
    """

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return parse_well(ome_members(self.group.attrs.asdict()).get("well"))

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple([field.path for field in self.fields])


class Series(_Images):
    """The images of a ``bioformats2raw.layout``: a sequence of images.

    The order is that of the ``series`` of the group ``OME``. Without it, the images are the groups ``0``, ``1``, ...
    """

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        ome = self.group.get("OME")
        if isinstance(ome, Group):
            listed = parse_paths(ome_members(ome.attrs.asdict()).get("series"), "series")
            if listed:
                return listed
        found: list[str] = []
        while isinstance(node := self.group.get(str(len(found))), Group) and _is_image(node):
            found.append(str(len(found)))
        return tuple(found)

    @property
    def paths(self) -> tuple[str, ...]:
        return self._paths


class Scene(_Images):
    """Images that are placed in common coordinate systems (OME-Zarr 0.6): a sequence of images.

    Specification: https://ngff.openmicroscopy.org/0.6/, section "scene" metadata.
    """

    @cached_property
    def _graph(self) -> SystemGraph:
        graph = SystemGraph()
        graph.add_scene(ome_members(self.group.attrs.asdict()))
        for path in graph.paths:
            node = self.group.get(path)
            if isinstance(node, Group) and _is_image(node):
                graph.add_image(ome_members(node.attrs.asdict()), path)
        return graph

    @property
    def paths(self) -> tuple[str, ...]:
        return self._graph.paths

    @property
    def systems(self) -> tuple[SystemName, ...]:
        """The coordinate systems: for each the path of the image that defines it (``""``: the scene), and its name."""
        return self._graph.systems

    def transform(self, points: Any, source: str | SystemName, target: str | SystemName) -> AnyArray:
        """Transform points from one coordinate system to another.

        Parameters
        ----------
        points
            Shape (n, axes of `source`), or (axes,) for one point.
        source, target
            Name of a coordinate system of the scene, or path of an image and name of one of its coordinate systems.

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
        return self._graph.transform(points, system_of(source), system_of(target))


def system_of(name: str | SystemName) -> SystemName:
    """Return a coordinate system by its name, or by a path and its name."""
    return ("", name) if isinstance(name, str) else (name[0], name[1])


def _is_image(group: Group) -> bool:
    return kind_of(group.attrs.asdict()) == "image"


class Plate(Mapping[str, Well]):
    """A plate of high-content screening: a mapping from paths such as ``"A/1"`` to wells.

    Attributes
    ----------
    group
        The group of the plate.
    metadata
        Rows, columns, paths of wells and acquisitions.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.metadata: PlateMetadata = parse_plate(ome_members(group.attrs.asdict()).get("plate"))

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows, also of those without wells."""
        return self.metadata.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, also of those without wells."""
        return self.metadata.columns

    def __getitem__(self, path: str) -> Well:
        if path not in self.metadata.wells:
            raise KeyError(f"the plate has no well {path!r}; there are {[*self.metadata.wells]}")
        node: Any = self.group.get(path)
        if not isinstance(node, Group):
            raise NodeTypeError(f"the well {path!r} of {self.group.name!r} is missing, or is no group")
        return Well(node)

    def __iter__(self) -> Iterator[str]:
        return iter(self.metadata.wells)

    def __len__(self) -> int:
        return len(self.metadata.wells)

    def __repr__(self) -> str:
        return f"<exzarr.multiscale.Plate {self.group.location} {len(self)} wells>"
