"""Pyramids and collections, as they are found in the wild."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import multiscale
from exzarr.errors import MetadataError, NodeNotFoundError, NodeTypeError, UnsupportedError
from exzarr.multiscale import Plate, Pyramid, Series, Well
from exzarr.stores import MemoryStore


def group_with(attributes: Any, shapes: Any, zarr_format: Any = 3, store: Any = None) -> exzarr.Group:
    root = exzarr.open_group(store or MemoryStore(), mode="a", zarr_format=zarr_format)
    for path, shape in shapes.items():
        root.create_array(path, shape=shape, dtype="u1")
    root.attrs.update(attributes)
    return root


def opened(*arguments: Any, **options: Any) -> Pyramid:
    found = multiscale.open(group_with(*arguments, **options))
    assert isinstance(found, Pyramid)
    return found


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ({"version": "0.1"}, "0.1"),
        ({"version": "0.2"}, "0.2"),
        ({}, "0.2"),
        ({"version": "0.3", "axes": ["t", "c", "z", "y", "x"]}, "0.3"),
    ],
)
def test_early_versions_have_scales_by_their_shapes(entry: Any, version: str) -> None:
    datasets = [{"path": "0"}, {"path": "1"}, {"path": "2"}]
    shapes = {"0": (1, 2, 9, 101, 64), "1": (1, 2, 9, 50, 32), "2": (1, 2, 9, 26, 16)}
    found = opened({"multiscales": [{**entry, "datasets": datasets}]}, shapes, 2)
    assert found.metadata.version == version
    assert [axis.name for axis in found.axes] == [*"tczyx"]
    assert found.axes[0].type == "time"
    assert [level.scale for level in found] == [(1, 1, 1, 1, 1), (1, 1, 1, 2, 2), (1, 1, 1, 4, 4)]
    assert found.levels[2].translation == (0, 0, 0, 1.5, 1.5)


def axes(*names: str) -> list[Any]:
    kinds = {"t": "time", "c": "channel"}
    return [{"name": name, "type": kinds.get(name, "space")} for name in names]


def test_transformations_of_datasets_and_of_the_image_are_combined() -> None:
    datasets = [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]},
        {
            "path": "1",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2, 2]},
                {"type": "translation", "translation": [0.5, 0.5]},
            ],
        },
    ]
    entry = {
        "axes": axes("y", "x"),
        "datasets": datasets,
        "coordinateTransformations": [{"type": "scale", "scale": [0.1, 10]}],
    }
    found = opened({"multiscales": [entry]}, {"0": (8, 8), "1": (4, 4)}, 2)
    assert found.metadata.version == "0.4"
    assert found.levels[1].scale == (0.2, 20)
    assert found.levels[1].translation == (0.05, 5)


def test_early_writers_of_0_4_left_transformations_out() -> None:
    entry = {"axes": axes("y", "x"), "datasets": [{"path": "0"}, {"path": "1"}], "version": "0.4"}
    assert opened({"multiscales": [entry]}, {"0": (8, 9), "1": (4, 5)}, 2).levels[1].scale == (2, 2)


def test_unusable_omero_metadata_is_ignored() -> None:
    entry = {"axes": axes("y", "x"), "datasets": [{"path": "0"}]}
    cases: Any = ({"channels": [{"window": {"min": "a"}}, 7]}, {"channels": 3}, [], {"rdefs": {}})
    for omero in cases:
        found = opened({"multiscales": [entry], "omero": omero}, {"0": (8, 9)}, 2)
        assert all(channel.window is None for channel in found.channels)


def v06(**members: Any) -> Any:
    transformation = {
        "type": "sequence",
        "input": {"path": "s0"},
        "output": {"name": "world"},
        "transformations": [
            {"type": "scale", "scale": [2, 3]},
            {"type": "translation", "translation": [5, 6]},
        ],
    }
    entry = {
        "coordinateSystems": [
            {"name": "other", "axes": axes("a")},
            {"name": "world", "axes": axes("y", "x")},
        ],
        "datasets": [{"path": "s0", "coordinateTransformations": [transformation]}],
        "coordinateTransformations": [{"type": "affine", "affine": [[1, 0, 0]]}],
        **members,
    }
    return {"ome": {"version": "0.6", "multiscales": [entry]}}


def test_coordinate_systems_of_0_6() -> None:
    found = opened(v06(), {"s0": (4, 4)})
    assert found.metadata.coordinate_system == "world"
    assert found.levels[0].scale == (2, 3)
    assert found.levels[0].translation == (5, 6)
    assert found.metadata.transformations[0]["type"] == "affine"


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"ome": {"version": "0.9", "multiscales": [{}]}}, UnsupportedError, "exzarr reads 0.1 to 0.6"),
        ({"ome": {"version": "0.5", "multiscales": [{}]}}, MetadataError, "requires the array 'axes'"),
        (
            {"multiscales": [{"axes": axes("y", "x"), "datasets": [{"path": "../secret"}]}]},
            MetadataError,
            "a path below the group",
        ),
        (
            {"multiscales": [{"axes": axes("y", "y"), "datasets": [{"path": "0"}]}]},
            MetadataError,
            "names of axes are unique",
        ),
        (
            v06(coordinateSystems=[{"name": "q", "axes": axes("y", "x")}]),
            MetadataError,
            "there are \\['q'\\]",
        ),
        (
            v06(
                datasets=[
                    {
                        "path": "s0",
                        "coordinateTransformations": [{"type": "rotation", "output": {"name": "world"}}],
                    }
                ]
            ),
            UnsupportedError,
            "type 'rotation'",
        ),
        ({"multiscales": {"layout": [{"asset": "/s0"}]}}, MetadataError, "a path below the group"),
        (
            {
                "multiscales": {
                    "layout": [{"asset": "s0", "derived_from": "s9", "transform": {"scale": [1, 1]}}]
                }
            },
            MetadataError,
            "is no level before it",
        ),
        (
            {"multiscales": {"layout": [{"asset": "s0", "spatial:transform": [1, 0.5, 0, 0, 1, 0]}]}},
            UnsupportedError,
            "rotated or sheared",
        ),
        (
            {
                "multiscales": [
                    {
                        "axes": axes("y", "x"),
                        "datasets": [
                            {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [0, 1]}]}
                        ],
                    }
                ]
            },
            MetadataError,
            "a scale is not 0",
        ),
    ],
)
def test_invalid_metadata_names_the_group_and_the_problem(attributes: Any, error: Any, message: str) -> None:
    group = group_with(attributes, {"s0": (4, 4)})
    with pytest.raises(error, match=message) as raised:
        multiscale.open(group)
    assert "the pyramid '/'" in str(raised.value)


def test_a_missing_level_is_named() -> None:
    with pytest.raises(NodeNotFoundError, match="has a level '1', but there is no such array"):
        opened(
            {"multiscales": [{"axes": axes("y", "x"), "datasets": [{"path": "0"}, {"path": "1"}]}]},
            {"0": (4, 4)},
        )


def test_levels_of_other_dimensions_are_refused() -> None:
    entry = {"axes": axes("y", "x"), "datasets": [{"path": "0"}, {"path": "1"}]}
    with pytest.raises(MetadataError, match=r"2 axes, and levels of \[2, 3\] dimensions"):
        opened({"multiscales": [entry]}, {"0": (4, 4), "1": (2, 2, 2)})


@pytest.mark.parametrize("attributes", [{}, {"labels": ["a"]}, {"multiscales": 3}])
def test_other_nodes_are_no_pyramids(attributes: Any) -> None:
    group = group_with(attributes, {"a": (3,)})
    with pytest.raises(NodeTypeError, match="no pyramid"):
        multiscale.open(group)
    with pytest.raises(NodeTypeError, match="is an array"):
        multiscale.open(group, path="a")


# -- the Zarr conventions ----------------------------------------------------------------


def test_spatial_coordinates_are_those_of_corners() -> None:
    layout = [
        {"asset": "a", "transform": {"scale": [1, 1], "translation": [0, 0]}},
        {"asset": "b", "derived_from": "a", "transform": {"scale": [2, 2], "translation": [0, 0]}},
    ]
    attributes = {
        "multiscales": {"layout": layout, "resampling_method": "average"},
        "spatial:dimensions": ["lat", "lon"],
        "spatial:transform": [10, 0, 500, 0, -10, 900],
        "proj:code": "EPSG:32633",
    }
    found = opened(attributes, {"a": (8, 8), "b": (4, 4)})
    assert [level.scale for level in found] == [(-10, 10), (-20, 20)]
    assert [level.translation for level in found] == [(895, 505), (890, 510)]
    assert found.extent == {"lat": (820, 900), "lon": (500, 580)}
    assert found.metadata.crs == {"code": "EPSG:32633"}
    assert found.metadata.method == "mean"
    node = opened({**attributes, "spatial:registration": "node"}, {"a": (8, 8), "b": (4, 4)})
    assert node.levels[1].translation == (900, 500)


def test_levels_may_be_groups_of_variables() -> None:
    layout = [
        {"asset": "r10m", "spatial:transform": [10, 0, 0, 0, -10, 0]},
        {
            "asset": "r20m",
            "derived_from": "r10m",
            "transform": {"scale": [2, 2]},
            "spatial:transform": [20, 0, 0, 0, -20, 0],
        },
    ]
    shapes = {
        f"{level}/{band}": (3, n, n) for level, n in (("r10m", 8), ("r20m", 4)) for band in ("b02", "b03")
    }
    group = group_with({"multiscales": {"layout": layout}}, shapes)
    with pytest.raises(NodeTypeError, match=r"\['b02', 'b03'\]: choose one with variable="):
        multiscale.open(group)
    found = multiscale.open(group, variable="b03")
    assert isinstance(found, Pyramid)
    assert found.levels[1].array.path == "r20m/b03"
    assert found.levels[1].scale == (1.0, -20, 20)
    with pytest.raises(NodeNotFoundError, match="r10m/b99"):
        multiscale.open(group, variable="b99")


# -- label images ------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_label_images_are_listed_and_have_the_levels_of_the_image(tmp_path: Path, version: Any) -> None:
    image = np.random.default_rng(0).random((2, 40, 50))
    pyramid = multiscale.write(
        image, tmp_path / "i.zarr", axes="cyx", scale=0.5, chunks=(1, 8, 8), version=version
    )
    cells = (image[0] > 0.5).astype("i4") * 7
    written = multiscale.write_labels(
        cells, pyramid, "cells", colors={7: (255, 0, 0)}, properties={7: {"class": "nucleus"}}
    )
    found = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(found, Pyramid)
    assert [*found.labels] == ["cells"]
    labels = found.labels["cells"]
    assert labels.metadata == written.metadata
    assert [level.shape for level in labels] == [level.shape[1:] for level in pyramid]
    assert [level.scale for level in labels] == [level.scale[1:] for level in pyramid]
    assert all({*np.unique(level.array[...])} <= {0, 7} for level in labels)
    assert labels.label is not None
    assert labels.label.colors == {7: (255, 0, 0, 255)}
    assert labels.label.properties == {7: {"class": "nucleus"}}
    with pytest.raises(KeyError, match="there is no label image 'x'"):
        found.labels["x"]
    multiscale.write_labels(cells[None], pyramid, "more", axes="cyx")
    assert [*found.labels] == ["cells", "more"]


def test_labels_that_do_not_fit_store_nothing() -> None:
    pyramid = multiscale.write(np.zeros((8, 9)), MemoryStore())
    for labels, message in [
        (np.zeros((8, 9)), "array of integers"),
        (np.zeros((8, 8), int), "length 8 along axis 'x'"),
        (np.zeros((1, 8, 9), int), "3 dimensions"),
    ]:
        with pytest.raises(exzarr.ArgumentError, match=message):
            multiscale.write_labels(labels, pyramid, "a")
    with pytest.raises(exzarr.ArgumentError, match="method is one of"):
        multiscale.write_labels(np.zeros((8, 9), int), pyramid, "a", method="median")
    assert [*pyramid.labels] == []
    assert "labels/a" not in pyramid.group


# -- collections -------------------------------------------------------------------------


def image_in(group: exzarr.Group, path: str, version: str = "0.5") -> None:
    multiscale.write(np.full((4, 4), len(path), "u1"), group.create_group(path), version=version)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates_and_wells(version: str) -> None:
    zarr_format: Any = 2 if version == "0.4" else 3
    root = exzarr.open_group(MemoryStore(), mode="a", zarr_format=zarr_format)
    plate = {
        "name": "test",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [
            {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
            {"path": "B/2", "rowIndex": 1, "columnIndex": 1},
        ],
        "acquisitions": [{"id": 3}],
    }
    well = {"images": [{"path": "0", "acquisition": 3}, {"path": "1"}]}

    def put(group: exzarr.Group, members: Any) -> None:
        group.attrs.update(members if version == "0.4" else {"ome": {"version": version, **members}})

    put(root, {"plate": plate, "bioformats2raw.layout": 3})
    group = root.create_group("A/1")
    put(group, {"well": well})
    image_in(group, "0", version)
    image_in(group, "1", version)
    found = multiscale.open(root)
    assert isinstance(found, Plate)
    assert (found.rows, found.columns, [*found]) == (("A", "B"), ("1", "2"), ["A/1", "B/2"])
    assert found.metadata.acquisitions[0]["id"] == 3
    assert [field.acquisition for field in found["A/1"].fields] == [3, None]
    assert [image.levels[0].array[0, 0] for image in found["A/1"]] == [1, 1]
    assert isinstance(multiscale.open(root, path="A/1"), Well)
    with pytest.raises(KeyError, match="the plate has no well 'C/1'"):
        found["C/1"]
    with pytest.raises(NodeTypeError, match="the well 'B/2' of '/' is missing"):
        found["B/2"]


@pytest.mark.parametrize("series", [None, ["b", "a/deep"]])
def test_series_of_bioformats2raw(series: Any) -> None:
    root = exzarr.open_group(MemoryStore(), mode="a")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for path in series or ["0", "1", "2"]:
        image_in(root, path)
    root.create_group("7")
    if series:
        root.create_group("OME", attributes={"ome": {"version": "0.5", "series": series}})
    found = multiscale.open(root)
    assert isinstance(found, Series)
    assert found.paths == tuple(series or ["0", "1", "2"])
    assert [image.levels[0].array[0, 0] for image in found] == [len(path) for path in found.paths]
    assert len(found[1:]) == len(found) - 1


def test_a_zipped_image_is_read_and_written(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((40, 40))
    multiscale.write(image, tmp_path / "i.ozx", chunks=(8, 8)).group.store.close()
    assert (tmp_path / "i.ozx").is_file()
    found = multiscale.open(tmp_path / "i.ozx")
    assert isinstance(found, Pyramid)
    np.testing.assert_array_equal(found.read(level=0), image)
    assert exzarr.open_array(tmp_path / "i.ozx/1").shape == (20, 20)


def test_names_are_functions_whatever_is_imported_first() -> None:
    import importlib
    import pkgutil

    for module in pkgutil.iter_modules(multiscale.__path__):
        importlib.import_module(f"exzarr.multiscale.{module.name}")
    assert all(callable(getattr(multiscale, name)) for name in multiscale.__all__)
