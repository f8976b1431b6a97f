"""Transformations of points between the coordinate systems of OME-Zarr 0.6."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import multiscale
from exzarr._format.multiscales.coordinate_systems import inverse_of, matrix_of
from exzarr.errors import ArgumentError, ExzarrError, MetadataError, UnsupportedError
from exzarr.multiscale import Scene
from exzarr.stores import MemoryStore

AXES: Any = [{"name": name, "type": "space"} for name in "yx"]


def test_the_conformance_suite_passes() -> None:
    """https://github.com/clbarnes/ome_zarr_transformations_conformance"""
    suite = pytest.importorskip("transformation_conformance")
    cases = sorted((Path(suite.__file__).parent / "cases").glob("*.ome.zarr"))
    assert len(cases) > 20
    for case in cases:
        wanted = tomllib.loads((case / "conformance.toml").read_text())
        scene = multiscale.open(case)
        assert isinstance(scene, Scene)
        points, source, target = (
            wanted["source"]["coordinates"],
            wanted["source"]["name"],
            wanted["target"]["name"],
        )
        if wanted["should_error"]:
            with pytest.raises(ExzarrError):
                scene.transform(points, source, target)
        else:
            found = scene.transform(points, source, target)
            np.testing.assert_allclose(
                found,
                wanted["target"]["coordinates"],
                wanted["relative_tolerance"],
                wanted["absolute_tolerance"],
            )


@pytest.mark.parametrize(
    ("transformation", "point", "expected"),
    [
        ({"type": "identity"}, [1, 2, 3], [1, 2, 3]),
        ({"type": "scale", "scale": [2, 3, 4]}, [1, 2, 3], [2, 6, 12]),
        ({"type": "affine", "affine": [[1, 2, 3, 4], [0, 0, 1, 5]]}, [1, 2, 3], [18, 8]),
        ({"type": "mapAxis", "mapAxis": [2, 0, 1]}, [1, 2, 3], [3, 1, 2]),
        ({"type": "projectAxis", "createdOutputs": [0, 1]}, [1, 2, 3], [0, 0, 1, 2, 3]),
        ({"type": "projectAxis", "droppedInputs": [0], "createdOutputs": [0]}, [1, 2, 3], [0, 2, 3]),
        (
            {
                "type": "byDimension",
                "transformations": [
                    {"type": "translation", "translation": [5], "inputAxes": [0], "outputAxes": [2]},
                    {"type": "mapAxis", "mapAxis": [1, 0], "inputAxes": [1, 2], "outputAxes": [0, 1]},
                ],
            },
            [1, 2, 3],
            [3, 2, 6],
        ),
    ],
)
def test_each_type_of_transformation(transformation: Any, point: Any, expected: Any) -> None:
    matrix = matrix_of(transformation, 3)
    assert (matrix @ [*point, 1]).tolist() == expected
    if len(expected) == 3 and "droppedInputs" not in transformation:
        back = inverse_of(transformation, 3, 3)
        np.testing.assert_allclose(back @ [*expected, 1], point)


@pytest.mark.parametrize(
    ("transformation", "error"),
    [
        ({"type": "displacements", "path": "d"}, UnsupportedError),
        ({"type": "affine", "path": "a"}, UnsupportedError),
        ({"type": "warp"}, UnsupportedError),
        ({"type": "scale", "scale": [1]}, MetadataError),
        ({"type": "scale", "scale": [1, "a"]}, MetadataError),
        ({"type": "mapAxis", "mapAxis": [0, 0]}, MetadataError),
        ({"type": "mapAxis", "mapAxis": [0, 7]}, MetadataError),
        ({"type": "rotation", "rotation": [[1, 0, 0]]}, MetadataError),
        ({"type": "sequence", "transformations": [{"type": "scale", "scale": [1, 2, 3]}]}, MetadataError),
        (
            {
                "type": "byDimension",
                "transformations": [{"type": "identity", "inputAxes": [0], "outputAxes": [1]}],
            },
            MetadataError,
        ),
        (7, MetadataError),
    ],
)
def test_invalid_transformations_are_refused(transformation: Any, error: Any) -> None:
    with pytest.raises(error):
        matrix_of(transformation, 2)


def scene_of(*transformations: Any) -> Scene:
    root = exzarr.create_group(MemoryStore())
    for name in ("a", "b"):
        multiscale.write(np.zeros((4, 4), "u1"), root.create_group(name), version="0.6")
    root.attrs["ome"] = {
        "version": "0.6",
        "scene": {
            "coordinateSystems": [{"name": "world", "axes": AXES}],
            "coordinateTransformations": [*transformations],
        },
    }
    found = multiscale.open(root)
    assert isinstance(found, Scene)
    return found


def edge(path: str, **transformation: Any) -> Any:
    return {"input": {"path": path, "name": "physical"}, "output": {"name": "world"}, **transformation}


def test_points_go_from_image_to_image() -> None:
    scene = scene_of(
        edge("a", type="scale", scale=[2, 2]), edge("b", type="translation", translation=[10, 20])
    )
    assert scene.systems == (("", "world"), ("a", "physical"), ("b", "physical"))
    assert scene.paths == ("a", "b")
    assert [image.metadata.version for image in scene] == ["0.6", "0.6"]
    np.testing.assert_allclose(
        scene.transform([[1, 2], [3, 4]], ("a", "physical"), ("b", "physical")), [[-8, -16], [-4, -12]]
    )
    np.testing.assert_allclose(scene.transform([1, 2], ("a", "physical"), "world"), [2, 4])


def test_what_cannot_be_transformed_is_said() -> None:
    scene = scene_of(edge("a", type="scale", scale=[2, 0]), edge("b", type="coordinates"))
    with pytest.raises(
        UnsupportedError,
        match="'world' cannot be transformed to 'physical' of 'a': a transformation of type 'scale' has no inverse",
    ):
        scene.transform([1, 2], "world", ("a", "physical"))
    with pytest.raises(UnsupportedError, match="does not compute transformations of type 'coordinates'"):
        scene.transform([1, 2], ("b", "physical"), "world")
    with pytest.raises(
        ArgumentError, match="there is no coordinate system 'mars'; there are 'world', 'physical' of 'a'"
    ):
        scene.transform([1, 2], "mars", "world")
    with pytest.raises(ArgumentError, match=r"have the shape \(n, 2\)"):
        scene.transform([1, 2, 3], "world", "world")


def test_an_image_has_coordinate_systems_of_its_own(tmp_path: Path) -> None:
    pyramid = multiscale.write(np.zeros((4, 4)), tmp_path / "i.zarr", version="0.6", scale=0.5)
    ome = pyramid.group.attrs.asdict()["ome"]
    entry = ome["multiscales"][0]
    entry["coordinateSystems"].append({"name": "stage", "axes": AXES})
    entry["coordinateTransformations"] = [
        {
            "type": "rotation",
            "rotation": [[0, -1], [1, 0]],
            "input": {"name": "physical"},
            "output": {"name": "stage"},
        }
    ]
    pyramid.group.attrs["ome"] = ome
    found: Any = multiscale.open(tmp_path / "i.zarr")
    np.testing.assert_allclose(found.transform([1, 2], "stage"), [-2, 1])
    np.testing.assert_allclose(found.transform([-2, 1], "physical", "stage"), [1, 2])
    assert json.loads((tmp_path / "i.zarr" / "zarr.json").read_text())["attributes"]["ome"] == ome
