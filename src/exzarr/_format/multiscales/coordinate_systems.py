"""Coordinate systems of OME-Zarr 0.6, and the transformations between them (RFC-5).

https://ngff.openmicroscopy.org/0.6/, sections "coordinateSystems" and "coordinateTransformations" metadata. Coordinate
systems are the nodes of a graph, and transformations its edges. All types but fields of displacements and coordinates are
affine: each becomes a matrix with one row for each output axis, and one column for each input axis and a last one for the
translation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._format.multiscales.documents import array_in, numbers, object_in, text_in
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["SystemGraph", "SystemName", "matrix_of"]

Matrix = npt.NDArray[np.float64]

SystemName = tuple[str, str]
"""Path of the group that defines a coordinate system, relative to the group with the graph (``""``: that one), and its name."""


class SystemGraph:
    """The coordinate systems of a group, and the transformations between them."""

    def __init__(self) -> None:
        self._axes: dict[SystemName, int] = {}
        self._edges: dict[SystemName, list[tuple[SystemName, Any, bool]]] = {}

    @property
    def systems(self) -> tuple[SystemName, ...]:
        """The coordinate systems."""
        return tuple(self._axes)

    def add_systems(self, entries: Iterable[Any], path: str = "") -> None:
        """Add the array ``coordinateSystems`` of the group at `path`."""
        for entry in entries:
            one = object_in(entry, "a coordinate system")
            name = text_in(one, "name")
            if name is None:
                raise MetadataError("a coordinate system requires a name")
            self._axes[path, name] = len(array_in(one, "axes", f"the coordinate system {name!r}"))

    def add_transformations(self, entries: Iterable[Any], path: str = "") -> None:
        """Add the array ``coordinateTransformations`` of the group at `path`."""
        for entry in entries:
            one = object_in(entry, "a transformation")
            start, end = _reference(one.get("input"), path), _reference(one.get("output"), path)
            self._edges.setdefault(start, []).append((end, one, False))
            self._edges.setdefault(end, []).append((start, one, True))

    def add_image(self, ome: Mapping[str, Any], path: str = "") -> None:
        """Add the coordinate systems of the image at `path`, whose attribute ``ome`` is given."""
        for entry in array_in(ome, "multiscales", "an OME-Zarr image")[:1]:
            one = object_in(entry, "an entry of 'multiscales'")
            self.add_systems(array_in(one, "coordinateSystems", "", required=False), path)
            self.add_transformations(array_in(one, "coordinateTransformations", "", required=False), path)

    def add_scene(self, ome: Mapping[str, Any]) -> None:
        """Add the coordinate systems and transformations of a scene, whose attribute ``ome`` is given."""
        scene = object_in(ome.get("scene"), "'scene' metadata")
        self.add_systems(array_in(scene, "coordinateSystems", "", required=False))
        self.add_transformations(array_in(scene, "coordinateTransformations", "", required=False))

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the groups below that transformations refer to."""
        return tuple(dict.fromkeys([path for path, _ in self._edges if path]))

    def transform(self, points: Any, source: SystemName, target: SystemName) -> Matrix:
        """Transform points from one coordinate system to another, by the shortest path that can be computed.

        Parameters
        ----------
        points
            Shape (n, axes of `source`), or (axes,) for one point.

        Returns
        -------
        numpy.ndarray
            Shape (n, axes of `target`), or (axes,).

        Raises
        ------
        ArgumentError
            There is no such coordinate system, or the points have another number of axes.
        UnsupportedError
            No path between them can be computed.
        """
        for system in (source, target):
            if system not in self._axes:
                known = ", ".join([_shown(one) for one in self._axes])
                raise ArgumentError(f"there is no coordinate system {_shown(system)}; there are {known}")
        found = np.asarray(points, np.float64)
        if found.ndim not in (1, 2) or found.shape[-1] != self._axes[source]:
            raise ArgumentError(
                f"points of {_shown(source)} have the shape (n, {self._axes[source]}), not {found.shape}"
            )
        matrix = self._path(source, target)
        return found @ matrix[:, :-1].T + matrix[:, -1]

    def _path(self, source: SystemName, target: SystemName) -> Matrix:
        reached = {source: _identity(self._axes[source])}
        waiting = deque([source])
        problem: MetadataError | None = None
        while waiting and target not in reached:
            here = waiting.popleft()
            for there, transformation, backward in self._edges.get(here, ()):
                if there in reached or there not in self._axes:
                    continue
                try:
                    if backward:
                        step = inverse_of(transformation, self._axes[there], self._axes[here])
                    else:
                        step = matrix_of(transformation, self._axes[here])
                    if len(step) != self._axes[there]:
                        raise MetadataError(
                            f"the transformation to {_shown(there)} has {len(step)} outputs for {self._axes[there]} axes"
                        )
                except UnsupportedError as error:
                    problem = problem or error
                    continue
                reached[there] = _after(step, reached[here])
                waiting.append(there)
        if target not in reached:
            why = f": {problem}" if problem is not None else ", since no transformation links them"
            raise UnsupportedError(
                f"points of {_shown(source)} cannot be transformed to {_shown(target)}{why}"
            )
        return reached[target]


def _reference(value: Any, path: str) -> SystemName:
    """Return the coordinate system that ``input`` or ``output`` refers to. Drafts of 0.6 have a text."""
    if isinstance(value, str):
        return path, value
    one = object_in(value, "input and output of a transformation")
    below = text_in(one, "path") or ""
    return "/".join([part for part in (path, below.strip("/")) if part]), text_in(one, "name") or ""


def _shown(system: SystemName) -> str:
    return repr(system[1]) if not system[0] else f"{system[1]!r} of {system[0]!r}"


def _identity(count: int) -> Matrix:
    return np.eye(count, count + 1)


def _after(second: Matrix, first: Matrix) -> Matrix:
    """Return the matrix that applies `first` and then `second`."""
    if second.shape[1] != len(first) + 1:
        raise MetadataError(
            f"a transformation has {second.shape[1] - 1} inputs, and gets points of {len(first)} axes"
        )
    combined = second[:, :-1] @ first
    combined[:, -1] += second[:, -1]
    return combined


def matrix_of(transformation: Any, inputs: int) -> Matrix:
    """Return the matrix of a transformation of points with this number of axes.

    Raises
    ------
    MetadataError
        A parameter is invalid.
    UnsupportedError
        The type is unknown or not affine, or a parameter is stored in an array.
    """
    one = object_in(transformation, "a transformation")
    kind = one.get("type")
    if kind in ("scale", "translation", "affine", "rotation") and kind not in one and "path" in one:
        raise UnsupportedError(
            f"a transformation of type {kind} is stored in an array, which exzarr does not read"
        )
    if kind == "identity":
        return _identity(inputs)
    if kind == "scale":
        return np.hstack([np.diag(numbers(one.get("scale"), "a scale", inputs)), np.zeros((inputs, 1))])
    if kind == "translation":
        matrix = _identity(inputs)
        matrix[:, -1] = numbers(one.get("translation"), "a translation", inputs)
        return matrix
    if kind in ("affine", "rotation"):
        columns = inputs + (kind == "affine")
        rows = [numbers(row, f"a row of type {kind}", columns) for row in array_in(one, kind, f"a {kind}")]
        matrix = np.array(rows)
        return matrix if kind == "affine" else np.hstack([matrix, np.zeros((len(rows), 1))])
    if kind == "mapAxis":
        order = _axis_numbers(one.get("mapAxis"), inputs, "mapAxis")
        if sorted(order) != [*range(inputs)]:
            raise MetadataError(f"mapAxis has each of {inputs} axes once, not {order}")
        return _identity(inputs)[order]
    if kind == "projectAxis":
        return _projection(one, inputs)
    if kind == "sequence":
        matrix = _identity(inputs)
        for step in array_in(one, "transformations", "a sequence"):
            matrix = _after(matrix_of(step, len(matrix)), matrix)
        return matrix
    if kind == "bijection":
        return matrix_of(one.get("forward"), inputs)
    if kind == "byDimension":
        return _by_dimension(one, inputs)
    raise UnsupportedError(f"exzarr does not compute transformations of type {kind!r}")


def inverse_of(transformation: Any, inputs: int, outputs: int) -> Matrix:
    """Return the matrix of the inverse of a transformation of points with `inputs` axes to points with `outputs` axes."""
    one = object_in(transformation, "a transformation")
    if one.get("type") == "bijection":
        return matrix_of(one.get("inverse"), outputs)
    if one.get("type") == "sequence":
        sizes = [inputs]
        steps = array_in(one, "transformations", "a sequence")
        for step in steps:
            sizes.append(len(matrix_of(step, sizes[-1])))
        matrix = _identity(outputs)
        for at in reversed(range(len(steps))):
            matrix = _after(inverse_of(steps[at], sizes[at], sizes[at + 1]), matrix)
        return matrix
    forward = matrix_of(one, inputs)
    linear = forward[:, :-1]
    if linear.shape[0] != linear.shape[1] or np.linalg.matrix_rank(linear) < len(linear):
        raise UnsupportedError(f"a transformation of type {one.get('type')!r} has no inverse")
    back = np.linalg.inv(linear)
    return np.hstack([back, -(back @ forward[:, -1:])])


def _axis_numbers(value: Any, count: int, what: str) -> list[int]:
    given = value if isinstance(value, list | tuple) else None
    if given is None or not all(type(n) is int and 0 <= n < count for n in given):
        raise MetadataError(f"{what} is an array of numbers of axes from 0 to {count - 1}, not {value!r:.80}")
    return [*given]


def _projection(one: Mapping[str, Any], inputs: int) -> Matrix:
    dropped = set(_axis_numbers(one.get("droppedInputs", []), inputs, "droppedInputs"))
    kept = [row for axis, row in enumerate(_identity(inputs)) if axis not in dropped]
    created = one.get("createdOutputs", [])
    count = len(kept) + (len(created) if isinstance(created, list | tuple) else 0)
    rows: list[Any] = kept
    for axis in sorted(_axis_numbers(created, count, "createdOutputs")):
        rows.insert(axis, np.zeros(inputs + 1))
    return np.array(rows).reshape(len(rows), inputs + 1)


def _by_dimension(one: Mapping[str, Any], inputs: int) -> Matrix:
    parts: list[tuple[Sequence[int], Sequence[int], Any]] = []
    for entry in array_in(one, "transformations", "byDimension"):
        part = object_in(entry, "a transformation of byDimension")
        start = _axis_numbers(part.get("inputAxes", part.get("input_axes")), inputs, "inputAxes")
        end = part.get("outputAxes", part.get("output_axes"))
        parts.append((start, _axis_numbers(end, 1024, "outputAxes"), part))
    outputs = sorted([axis for _, end, _ in parts for axis in end])
    if outputs != [*range(len(outputs))]:
        raise MetadataError(f"byDimension sets each output axis once, not {outputs}")
    matrix = np.zeros((len(outputs), inputs + 1))
    for inside, outside, part in parts:
        own = matrix_of(part, len(inside))
        if len(own) != len(outside):
            raise MetadataError(
                f"a transformation of byDimension has {len(own)} outputs for {len(outside)} outputAxes"
            )
        matrix[np.ix_(outside, [*inside, inputs])] = own
    return matrix
