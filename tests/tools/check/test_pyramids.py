"""Findings about pyramids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import multiscale
from exzarr.stores import MemoryStore


def codes(group: exzarr.Group) -> list[tuple[str, str]]:
    report = exzarr.check(group, grace=0)
    assert not report.unsettled
    return [(finding.code, finding.key) for finding in report.findings]


def image(**options: Any) -> exzarr.Group:
    root = exzarr.create_group(MemoryStore(), zarr_format=options.pop("zarr_format", 3))
    arguments: Any = {"axes": "cyx", "scale": 0.5, "chunks": (1, 8, 8), **options}
    pyramid = multiscale.write(np.ones((2, 33, 47), "u1"), root.create_group("image"), **arguments)
    if arguments.get("convention") is None:
        multiscale.write_labels(np.ones((33, 47), "u1"), pyramid, "cells")
    return root


def change_level(root: exzarr.Group, level: int, **members: Any) -> None:
    def change(stored: dict[str, Any]) -> None:
        stored["ome"]["multiscales"][0]["datasets"][level].update(members)

    root["image"].attrs.change(change)


@pytest.mark.parametrize(
    "options",
    [
        {"version": "0.5"},
        {"version": "0.6"},
        {"version": "0.4", "zarr_format": 2},
        {"factors": (1, 3, 2)},
        {"method": "nearest"},
        {"convention": "multiscales"},
    ],
)
def test_what_exzarr_writes_has_no_findings(options: Any) -> None:
    assert codes(image(**options)) == []


def test_a_missing_level_is_found() -> None:
    root = image()
    del root["image"]["2"]
    assert codes(root) == [("EXZ801", "image/2")]


@pytest.mark.parametrize(
    ("shape", "dtype", "code"),
    [
        ((33, 47), "u1", "EXZ802"),
        ((2, 17, 24), "u2", "EXZ802"),
        ((2, 40, 24), "u1", "EXZ802"),
        ((2, 9, 24), "u1", "EXZ803"),
    ],
)
def test_a_level_of_another_shape_is_found(shape: Any, dtype: str, code: str) -> None:
    root = image()
    root["image"].create_array("1", shape=shape, dtype=dtype, overwrite=True)  # type: ignore[union-attr]
    assert (code, "image/1") in codes(root)


def test_a_wrong_scale_is_found() -> None:
    root = image()
    change_level(root, 1, coordinateTransformations=[{"type": "scale", "scale": [1, 0.5, 0.5]}])
    (finding,) = exzarr.check(root, grace=0).findings
    assert (finding.code, finding.key) == ("EXZ803", "image/1")
    assert "1 times as coarse as the first one along dimension 1, but its length is 17" in finding.detail


def test_levels_that_are_rounded_down_are_fine() -> None:
    root = image(levels=2)
    root["image"].create_array("1", shape=(2, 16, 23), dtype="u1", overwrite=True)  # type: ignore[union-attr]
    assert codes(root) == []


@pytest.mark.parametrize(
    ("level", "code"),
    [({"path": "../x"}, "EXZ804"), ({"coordinateTransformations": [{"type": "affine"}]}, "EXZ804")],
)
def test_invalid_metadata_is_found(level: Any, code: str) -> None:
    root = image()
    change_level(root, 0, **level)
    assert codes(root) == [(code, "image")]


def test_listed_images_that_are_missing_are_found() -> None:
    root = image()
    del root["image/labels"]["cells"]
    well = root.create_group(
        "plate/A/1", attributes={"ome": {"version": "0.5", "well": {"images": [{"path": "0"}]}}}
    )
    assert well.path == "plate/A/1"
    plate = {"rows": [], "columns": [], "wells": [{"path": "A/1"}, {"path": "B/1"}]}
    root["plate"].attrs["ome"] = {"version": "0.5", "plate": plate}
    assert codes(root) == [
        ("EXZ805", "image/labels/cells"),
        ("EXZ805", "plate/A/1/0"),
        ("EXZ805", "plate/B/1"),
    ]


def test_levels_that_are_groups_are_not_missing() -> None:
    root = exzarr.create_group(MemoryStore())
    root.create_array("0/band", shape=(4, 4), dtype="u1")
    root.create_array("1/band", shape=(2, 2), dtype="u1")
    layout = [
        {"asset": "0"},
        {"asset": "1", "derived_from": "0", "transform": {"scale": [2, 2]}},
        {"asset": "2"},
    ]
    root.attrs["multiscales"] = {"layout": layout}
    assert codes(root) == [("EXZ801", "2")]


def test_a_level_that_is_being_changed_is_unsettled(tmp_path: Any) -> None:
    multiscale.write(np.ones((33, 47)), tmp_path / "i.zarr", chunks=(8, 8))
    exzarr.open_array(tmp_path / "i.zarr" / "1").resize((9, 9))
    report = exzarr.check(tmp_path / "i.zarr", grace=60)
    assert [finding.code for finding in report.unsettled] == ["EXZ803"]
    assert not report.findings
