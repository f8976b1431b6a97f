"""Plates that exzarr writes: read by exzarr and ome-zarr, validated by ome-zarr-models and yaozarrs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import multiscale
from exzarr.errors import ArgumentError, NodeExistsError
from exzarr.stores import MemoryStore

WELLS = ["A/1", "B/2"]


def plate_in(place: Any, version: Any = "0.5") -> multiscale.Plate:
    plate = multiscale.create_plate(
        place, "AB", range(1, 3), name="test", acquisitions=[{"id": 0}, {"id": 4}], version=version
    )
    for number, well in enumerate(WELLS):
        for acquisition in (0, 4):
            image = np.full((1, 20, 30), 10 * number + acquisition, "u1")
            multiscale.write_field(image, plate, well, acquisition=acquisition, axes="cyx", chunks=(1, 8, 8))
    return plate


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plate_is_what_was_written(version):
    store = MemoryStore()
    plate_in(store, version)
    found = multiscale.open(store)
    assert isinstance(found, multiscale.Plate)
    assert (found.rows, found.columns, [*found]) == (("A", "B"), ("1", "2"), WELLS)
    assert [field.acquisition for field in found["B/2"].fields] == [0, 4]
    assert [int(image.levels[0].array[0, 0, 0]) for image in found["B/2"]] == [10, 14]
    assert not exzarr.check(store, grace=0).findings


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_models_finds_plates_and_wells_valid(tmp_path, version):
    zarr = pytest.importorskip("zarr")
    models = pytest.importorskip("ome_zarr_models")
    plate_in(tmp_path / "p.zarr", version)
    for below in ("", "A/1", "A/1/0"):
        models.open_ome_zarr(zarr.open_group(tmp_path / "p.zarr" / below, mode="r"))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_yaozarrs_finds_plates_valid(tmp_path, version):
    yaozarrs = pytest.importorskip("yaozarrs")
    plate_in(tmp_path / "p.zarr", version)
    yaozarrs.validate_zarr_store(str(tmp_path / "p.zarr"))


@pytest.mark.slow
def test_ome_zarr_reads_the_plate(tmp_path):
    reader = pytest.importorskip("ome_zarr.reader")
    io = pytest.importorskip("ome_zarr.io")
    plate_in(tmp_path / "p.zarr", "0.5")
    nodes = [*reader.Reader(io.parse_url(str(tmp_path / "p.zarr")))()]
    assert any(any(type(spec).__name__ == "Plate" for spec in node.specs) for node in nodes)


def test_wells_can_be_written_concurrently(tmp_path):
    rows, columns = "ABCD", range(1, 4)
    plate = multiscale.create_plate(tmp_path / "p.zarr", rows, columns)

    def add(well):
        multiscale.write_field(np.ones((4, 4), "u1"), plate, well, axes="yx", workers=1)

    wells = [f"{row}/{column}" for row in rows for column in columns]
    with ThreadPoolExecutor(4) as pool:
        [*pool.map(add, wells)]
    found = multiscale.open(tmp_path / "p.zarr")
    assert isinstance(found, multiscale.Plate)
    assert sorted(found) == sorted(wells)


def test_wrong_arguments_are_refused_and_leave_no_field(tmp_path):
    plate = plate_in(tmp_path / "p.zarr")
    image = np.ones((4, 4), "u1")
    for well, options, text in (
        ("C/1", {"acquisition": 0}, "no well 'C/1'"),
        ("A", {"acquisition": 0}, "no well 'A'"),
        ("A/1", {"acquisition": 7}, "the acquisitions of the plate are"),
        ("A/1", {}, "the acquisitions of the plate are"),
        ("A/1", {"acquisition": 0, "axes": "q"}, "."),
    ):
        with pytest.raises(ArgumentError, match=text):
            multiscale.write_field(image, plate, well, **options)
    assert len(plate["A/1"]) == len([*plate.group["A/1"]]) == 2
    with pytest.raises(ArgumentError, match="letters and digits"):
        multiscale.create_plate(MemoryStore(), ["A", "A"], "1")
    with pytest.raises(ArgumentError, match="id of its own"):
        multiscale.create_plate(MemoryStore(), "A", "1", acquisitions=[{"id": 1}, {"id": 1}])
    with pytest.raises(ArgumentError, match=r"0\.4 or 0\.5"):
        multiscale.create_plate(MemoryStore(), "A", "1", version="0.3")
    with pytest.raises(NodeExistsError):
        multiscale.create_plate(tmp_path / "p.zarr", "A", "1")
