"""Pyramids that other libraries read and validate, and pyramids that they write.

ome-zarr, ome-zarr-models, ngff-zarr and geozarr-toolkit are not in the extra `test`: some of their dependencies are older than
those of other libraries there. `make pyramid-tests VENV=.venv-pyramids` installs and tests them.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exzarr import multiscale
from exzarr.multiscale import Pyramid, reduce_blocks

pytestmark = pytest.mark.filterwarnings("ignore")  # other libraries warn of each other

VERSIONS: Any = ("0.4", "0.5", "0.6")
SHAPE, CHUNKS = (2, 9, 60, 70), (1, 8, 16, 16)


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 999, SHAPE, dtype="u2")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of an image with labels and channels, by version."""
    paths = {}
    for version in VERSIONS:
        paths[version] = tmp_path_factory.mktemp("ome") / f"{version}.ome.zarr"
        pyramid = multiscale.write(
            image(),
            paths[version],
            axes="czyx",
            scale={"z": 2.0, "y": 0.5, "x": 0.5},
            unit="micrometer",
            channels=["DAPI", "GFP"],
            name="cells",
            version=version,
            chunks=CHUNKS,
        )
        multiscale.write_labels(
            (image()[0] > 500).astype("i4"),
            pyramid,
            "nuclei",
            colors={1: (255, 0, 0)},
            properties={1: {"a": 2}},
        )
    return paths


def attributes_of(path: Path, version: str) -> Any:
    if version == "0.4":
        return json.loads((path / ".zattrs").read_text())
    return json.loads((path / "zarr.json").read_text())["attributes"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_yaozarrs_finds_images_and_labels_valid(written: Any, version: str) -> None:
    yaozarrs = pytest.importorskip("yaozarrs")
    # Metadata of the group of labels has no version in 0.4.
    for below in ("", "labels/nuclei", *(["labels"] if version == "0.5" else [])):
        yaozarrs.validate_zarr_store(str(written[version] / below))


def test_yaozarrs_writes_what_exzarr_reads(tmp_path: Path) -> None:
    v05 = pytest.importorskip("yaozarrs.v05")
    yaozarrs_write = pytest.importorskip("yaozarrs.write.v05")
    dims = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [s, s]}]}
        for n, s in enumerate((0.5, 1.0))
    ]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    described = v05.Image.model_validate(
        {"version": "0.5", "multiscales": [{"name": "m", "axes": axes, "datasets": dims}]}
    )
    data = [image()[0, 0], image()[0, 0, ::2, ::2]]
    yaozarrs_write.write_image(tmp_path / "i.zarr", described, data, writer="zarr")
    found = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(found, Pyramid)
    assert [level.scale for level in found] == [(0.5, 0.5), (1.0, 1.0)]
    np.testing.assert_array_equal(found.read(level=1), data[1])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_models_finds_images_valid(written: Any, version: str) -> None:
    models = pytest.importorskip("ome_zarr_models")
    zarr = pytest.importorskip("zarr")
    for below in ("", "labels/nuclei"):
        models.open_ome_zarr(zarr.open_group(written[version] / below, mode="r"))


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_ngff_zarr_reads_and_validates(written: Any, version: str) -> None:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    found = ngff_zarr.from_ome_zarr(str(written[version]))
    ours = multiscale.open(written[version])
    assert isinstance(ours, Pyramid)
    assert len(found.images) == len(ours)
    for theirs, level in zip(found.images, ours, strict=True):
        assert [*theirs.scale.values()] == [*level.scale]
        assert [*theirs.translation.values()] == [*level.translation]
        np.testing.assert_array_equal(np.asarray(theirs.data), level.array[...])
    ngff_zarr.validate(attributes_of(written[version], version), version=version)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_ngff_zarr_writes_what_exzarr_reads(tmp_path: Path, version: str) -> None:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    theirs = ngff_zarr.to_ngff_image(image(), dims=("c", "z", "y", "x"), scale={"z": 2.0, "y": 0.5, "x": 0.5})
    ngff_zarr.to_ome_zarr(
        str(tmp_path / "i.ome.zarr"), ngff_zarr.to_multiscales(theirs, scale_factors=[]), version=version
    )
    found = multiscale.open(tmp_path / "i.ome.zarr")
    assert isinstance(found, Pyramid)
    assert found.metadata.version == version
    assert found.levels[0].scale == (1.0, 2.0, 0.5, 0.5)
    np.testing.assert_array_equal(found.read(level=0), image())


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_ome_zarr_reads_levels_and_labels(written: Any, version: str) -> None:
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    location = parse_url(str(written[version]))
    assert location is not None
    ours = multiscale.open(written[version])
    assert isinstance(ours, Pyramid)
    first = next(iter(Reader(location)()))
    for theirs, level in zip(first.data, ours, strict=True):
        np.testing.assert_array_equal(np.asarray(theirs), level.array[...])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_writes_what_exzarr_reads(tmp_path: Path, version: str) -> None:
    pytest.importorskip("ome_zarr")
    zarr = pytest.importorskip("zarr")
    from ome_zarr import format as formats, writer

    logging.getLogger("ome_zarr").setLevel(logging.ERROR)
    group = zarr.open_group(tmp_path / "i.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    fmt = {"0.4": formats.FormatV04, "0.5": formats.FormatV05}[version]()
    writer.write_image(image(), group, axes="czyx", fmt=fmt)
    writer.write_labels((image() > 500).astype("i4"), group, "nuclei", axes="czyx", fmt=fmt)
    found = multiscale.open(tmp_path / "i.zarr")
    assert isinstance(found, Pyramid)
    assert found.metadata.version == version
    np.testing.assert_array_equal(found.read(level=0), image())
    ratios = [a / b for a, b in zip(found.levels[0].shape, found.levels[1].shape, strict=True)]
    np.testing.assert_allclose(found.levels[1].scale, ratios, rtol=0.2)
    assert [*found.labels] == ["nuclei"]
    np.testing.assert_array_equal(found.labels["nuclei"].read(level=0), image() > 500)


# -- the Zarr conventions ----------------------------------------------------------------


@pytest.fixture(scope="module")
def geo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("geo") / "dem.zarr"
    multiscale.write(
        image()[0, 0],
        path,
        convention="multiscales",
        crs="EPSG:32633",
        scale=(-10.0, 10.0),
        translation=(4_999_995.0, 500_005.0),
        chunks=(16, 16),
    )
    return path


def test_zarr_cm_finds_the_conventions_valid(geo: Path) -> None:
    zarr_cm = pytest.importorskip("zarr_cm")
    document = json.loads((geo / "zarr.json").read_text())
    zarr_cm.validate_all(document["attributes"])
    zarr_cm.multiscales.validate_group_metadata(document)
    zarr_cm.spatial.validate_group_metadata(document)
    zarr_cm.proj.validate_group_metadata(document)
    layout = document["attributes"]["multiscales"]["layout"]
    assert layout[1]["derived_from"] == "0"
    assert layout[1]["transform"] == {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}
    assert layout[2]["spatial:transform"] == [40.0, 0.0, 500_000.0, 0.0, -40.0, 5_000_000.0]
    assert document["attributes"]["spatial:bbox"] == [500_000.0, 4_999_400.0, 500_700.0, 5_000_000.0]


def test_geozarr_toolkit_finds_the_group_valid(geo: Path) -> None:
    toolkit = pytest.importorskip("geozarr_toolkit")
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(geo, mode="r")
    assert {*toolkit.detect_conventions(dict(group.attrs))} == {"multiscales", "spatial", "proj"}
    # It resolves codes of proj with pyproj.
    checked = ["multiscales", "spatial", *(["proj"] if importlib.util.find_spec("pyproj") else [])]
    assert not any(toolkit.validate_group(group, checked).values())


def test_what_zarr_cm_makes_is_read(tmp_path: Path) -> None:
    zarr_cm = pytest.importorskip("zarr_cm")
    import exzarr

    layout = (
        {"asset": "full", "transform": {"scale": [1.0, 1.0], "translation": [0.0, 0.0]}},
        {
            "asset": "half",
            "derived_from": "full",
            "transform": {"scale": [2.0, 2.0], "translation": [0.0, 0.0]},
        },
    )
    attributes = zarr_cm.multiscales.create_convention_attrs(layout=layout, resampling_method="average")
    root = exzarr.create_group(tmp_path / "i.zarr", attributes=dict(attributes))
    root.create_array("full", data=image()[0, 0])
    root.create_array("half", data=image()[0, 0, ::2, ::2])
    found = multiscale.open(root)
    assert isinstance(found, Pyramid)
    assert [level.scale for level in found] == [(1, 1), (2, 2)]
    assert found.levels[1].translation == (1.0, 1.0)


# -- real images -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "axes"), [("camera", "yx"), ("astronaut", "yxc"), ("cell", "yx")])
def test_real_images_equal_reductions_of_scikit_image(tmp_path: Path, name: str, axes: str) -> None:
    data = pytest.importorskip("skimage.data")
    measure = pytest.importorskip("skimage.measure")
    picture = getattr(data, name)()
    if axes.endswith("c"):
        picture = np.moveaxis(picture, -1, 0)
    source = picture.astype("f8")
    pyramid = multiscale.write(
        source, tmp_path / "i.zarr", axes="cyx"[3 - source.ndim :], method="max", chunks=(32,) * source.ndim
    )
    expected = source
    for level in pyramid.levels[1:]:
        step = (1, 2, 2)[3 - source.ndim :]
        # scikit-image pads with 0, which no maximum of positive numbers shows.
        expected = measure.block_reduce(expected, step, np.max)
        np.testing.assert_array_equal(level.array[...], expected)
    assert np.array_equal(pyramid.levels[1].array[...], reduce_blocks(source, step, "max"))
