"""Modes of the opening functions: open, create, replace or refuse nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import Array, Group, NodeExistsError, NodeNotFoundError, NodeTypeError


@pytest.fixture(params=[3, 2])
def zarr_format(request: Any) -> Any:
    return request.param


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "x.zarr"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", [None, "r", "r+"])
@pytest.mark.parametrize("opener", [exzarr.open, exzarr.open_array, exzarr.open_group])
def test_reading_modes_create_nothing(place: Path, opener: Any, mode: Any) -> None:
    with pytest.raises(NodeNotFoundError, match=r"looked for zarr.json, .zarray and .zgroup\)") as raised:
        opener(place, mode=mode)
    assert ("mode 'a' or 'w' would create one" in str(raised.value)) == (mode != "r")
    with pytest.raises(FileNotFoundError):
        opener(place, mode=mode, path="a/b")
    assert not place.exists()


@pytest.mark.parametrize("mode", [None, "r", "r+"])
def test_options_for_new_arrays_are_errors_in_reading_modes(place: Path, mode: Any) -> None:
    exzarr.save(place, np.arange(3))
    with pytest.raises(exzarr.ArgumentError, match="shape= describes a new node"):
        exzarr.open(place, mode=mode, shape=(3,))


def test_open_returns_array_or_group(place: Path, zarr_format: Any) -> None:
    root = exzarr.create_group(place, zarr_format=zarr_format)
    root["a"] = np.arange(3)
    assert isinstance(exzarr.open(place), Group)
    assert isinstance(exzarr.open(place, path="a"), Array)
    assert isinstance(exzarr.open(place / "a"), Array)
    assert isinstance(exzarr.open(str(place / "a")), Array)
    assert isinstance(exzarr.open((place / "a").as_uri()), Array)
    assert isinstance(exzarr.open(exzarr.LocalStore(place), path="/a/"), Array)
    assert exzarr.open(place).zarr_format == zarr_format
    with pytest.raises(NodeTypeError, match="not an array: use open_group or open"):
        exzarr.open_array(place)
    with pytest.raises(NodeTypeError, match="not a group: use open_array or open"):
        exzarr.open_group(place, path="a")


def test_default_mode_writes_if_the_store_is_writable(place: Path) -> None:
    exzarr.save(place, np.arange(3))
    a = exzarr.open_array(place)
    assert not a.read_only
    a[0] = 5
    assert exzarr.open_array(place, mode="r").read_only
    exzarr.save(place.with_suffix(".zip"), np.arange(3))
    assert exzarr.open_array(place.with_suffix(".zip")).read_only
    assert exzarr.open_array(exzarr.LocalStore(place, read_only=True)).read_only
    with pytest.raises(PermissionError, match="mode 'r'"):
        exzarr.open_array(exzarr.LocalStore(place, read_only=True), mode="r+")


def test_reading_mode_refuses_every_write(place: Path) -> None:
    exzarr.save(place, np.arange(3))
    before = files(place)
    a = exzarr.open_array(place, mode="r")
    for change in (
        lambda: a.__setitem__(0, 1),
        lambda: a.append([1]),
        lambda: a.resize(5),
        lambda: a.attrs.update(x=1),
        lambda: a.attrs.put({}),
    ):
        with pytest.raises(exzarr.ReadOnlyError):
            change()
    assert files(place) == before


def test_mode_a_creates_missing_and_keeps_existing_nodes(place: Path, zarr_format: Any) -> None:
    a = exzarr.open(place, mode="a", shape=(4,), dtype="i2", chunks=2, fill_value=7, zarr_format=zarr_format)
    assert isinstance(a, Array)
    assert (a.shape, a.dtype, a.chunks, a.fill_value, a.zarr_format) == (
        (4,),
        np.dtype("i2"),
        (2,),
        7,
        zarr_format,
    )
    a[:] = 1
    again = exzarr.open_array(place, mode="a", shape=(9,), dtype="f8")
    assert again == a
    np.testing.assert_array_equal(again[:], 1)
    assert isinstance(exzarr.open(place.with_name("g"), mode="a"), Group)
    group = exzarr.open_group(place.with_name("g"), mode="a", attributes={"x": 1})
    assert group.attrs.asdict() == {}, "attributes are for a group that is made"
    assert exzarr.open_group(place.with_name("h"), mode="a", attributes={"x": 1}).attrs == {"x": 1}
    with pytest.raises(NodeTypeError):
        exzarr.open_group(place, mode="a")
    with pytest.raises(NodeTypeError):
        exzarr.open_array(place.with_name("g"), mode="a", shape=(1,))


def test_mode_w_replaces_existing_node(place: Path, zarr_format: Any) -> None:
    root = exzarr.create_group(place, zarr_format=5 - zarr_format)
    root["old/array"] = np.arange(100)
    root.consolidate_metadata()
    group = exzarr.open_group(place, mode="w", zarr_format=zarr_format)
    assert [*group] == []
    assert len(files(place)) == (1 if zarr_format == 3 else 2)
    group["a"] = np.arange(3)
    a = exzarr.open_array(place, mode="w", path="a", shape=(2,), dtype="i1", zarr_format=zarr_format)
    np.testing.assert_array_equal(a[:], 0)
    assert [*exzarr.open_group(place)] == ["a"]
    assert isinstance(exzarr.open(place, mode="w", shape=(2,)), Array)


def test_mode_w_minus_creates_and_never_replaces(place: Path) -> None:
    assert isinstance(exzarr.open(place, mode="w-", shape=(2,)), Array)
    before = files(place)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (exzarr.open, {}),
        (exzarr.open_group, {}),
        (exzarr.open_array, {"shape": 3}),
    ]
    for opener, options in calls:
        with pytest.raises(NodeExistsError, match="there is an array at .*; mode='w' replaces it"):
            opener(place, mode="w-", **options)
    assert files(place) == before


def test_new_arrays_need_a_shape(place: Path) -> None:
    with pytest.raises(exzarr.ArgumentError, match="shape is missing"):
        exzarr.open_array(place, mode="w")
    with pytest.raises(
        exzarr.ArgumentError, match="chunks, dtype: these describe a new array; give its shape"
    ):
        exzarr.open(place, mode="w", dtype="i1", chunks=3)
    assert not place.exists()


def test_overwrite_does_not_empty_a_folder_with_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to mum.txt").write_text("dear")
    for make in (
        lambda: exzarr.open(tmp_path, mode="w"),
        lambda: exzarr.save(tmp_path, np.arange(3)),
        lambda: exzarr.create_group(tmp_path / "letters", overwrite=True),
        lambda: exzarr.zeros(3, store=tmp_path, overwrite=True),
    ):
        with pytest.raises(NodeExistsError, match=r"is no Zarr node, but holds .*: it is not deleted"):
            make()
    assert files(tmp_path) == {"letters/to mum.txt": b"dear"}
    # A node next to foreign files may be replaced.
    assert isinstance(exzarr.open_group(tmp_path, mode="a"), Group)


@pytest.mark.parametrize("left", ["c/0/0", "0.0", "0", "a/zarr.json", "a/.zarray", ".zattrs"])
def test_overwrite_removes_remains_of_an_interrupted_deletion(place: Path, left: str) -> None:
    (place / left).parent.mkdir(parents=True)
    (place / left).write_bytes(b"{}")
    exzarr.save(place, np.arange(3))
    assert left not in files(place) or left == ".zattrs"


def test_v3_takes_precedence_over_v2(place: Path) -> None:
    exzarr.create_array(place, shape=(2,), dtype="i1", zarr_format=2)
    for name, document in files(place).items():
        (place / f"keep{name}").write_bytes(document)
    exzarr.create_array(place, shape=(3,), dtype="i1", zarr_format=3, overwrite=True)
    exzarr.create_array(place.with_name("two"), shape=(2,), dtype="i1", zarr_format=2)
    for name, document in files(place.with_name("two")).items():
        (place / name).write_bytes(document)
    assert exzarr.open_array(place).shape == (3,)
    assert exzarr.open_array(place, zarr_format=3).shape == (3,)
    two = exzarr.open_array(place, zarr_format=2)
    assert two.shape == (2,)
    two.attrs["a"] = 1
    two.append([1])
    assert exzarr.open_array(place, zarr_format=2).shape == (3,)
    assert exzarr.open_array(place, zarr_format=3).attrs == {}


def test_the_wrong_version_is_not_found(place: Path, zarr_format: Any) -> None:
    exzarr.create_array(place, shape=(2,), dtype="i1", zarr_format=zarr_format)
    with pytest.raises(NodeNotFoundError, match=f"the node there has Zarr format {zarr_format}"):
        exzarr.open(place, zarr_format=5 - zarr_format)  # type: ignore[arg-type]
    with pytest.raises(exzarr.ArgumentError, match="zarr_format is 2, 3 or None"):
        exzarr.open(place, zarr_format=1)  # type: ignore[arg-type]


def test_error_for_parent_folder_names_the_nodes_below(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "inner", np.arange(3))
    with pytest.raises(NodeNotFoundError, match="below it there is 'inner'"):
        exzarr.open(tmp_path)


def test_missing_chunks_may_be_errors(place: Path, zarr_format: Any) -> None:
    a = exzarr.create_array(place, shape=(4,), chunks=2, dtype="i1", zarr_format=zarr_format)
    a[:2] = 1
    np.testing.assert_array_equal(exzarr.open_array(place)[:], [1, 1, 0, 0])
    strict = exzarr.open_array(place, missing="error")
    np.testing.assert_array_equal(strict[:2], 1)
    with pytest.raises(KeyError, match=r"chunk \(1,\) of array"):
        strict[:]
    with pytest.raises(exzarr.ArgumentError, match="missing is 'fill' or 'error'"):
        exzarr.open_array(place, missing="ignore")  # type: ignore[arg-type]


def test_empty_chunks_are_stored_on_request(place: Path) -> None:
    exzarr.create_array(place, shape=(4,), chunks=2, dtype="i1")[:] = 0
    assert exzarr.open_array(place).nchunks_initialized == 0
    exzarr.open_array(place, write_empty_chunks=True)[:] = 0
    assert exzarr.open_array(place).nchunks_initialized == 2


def test_store_none_is_a_new_memory_store() -> None:
    group = exzarr.open(mode="a")
    assert isinstance(group.store, exzarr.MemoryStore)
    assert exzarr.open(mode="a") != group
    with pytest.raises(exzarr.ArgumentError, match="no path was given"):
        exzarr.open()
    with pytest.raises(exzarr.ArgumentError, match="mode is"):
        exzarr.open(mode="x")  # type: ignore[arg-type]


def test_zip_is_written_once_and_discarded_on_failure(tmp_path: Path) -> None:
    place = tmp_path / "x.zip"
    group = exzarr.open_group(place, mode="w")
    group["a"] = np.arange(3)
    group.store.close()
    with pytest.raises(exzarr.ArgumentError):
        exzarr.open_array(place, mode="w", shape=(1,), dtype="nonsense")
    with pytest.raises(PermissionError):
        exzarr.open_group(place, mode="a")
    np.testing.assert_array_equal(
        zarr.open_group(zarr.storage.ZipStore(place), mode="r")["a"][:], np.arange(3)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_open_like(place: Path) -> None:
    model = exzarr.zeros((3, 4), chunks=2, dtype="i2", fill_value=1, dimension_names=["a", "b"])
    made = exzarr.open_like(model, place)
    made[0] = 5
    assert (made.shape, made.chunks, made.dtype, made.dimension_names) == (
        (3, 4),
        (2, 2),
        np.dtype("i2"),
        ("a", "b"),
    )
    np.testing.assert_array_equal(exzarr.open_like(model, place)[0], 5)


def test_open_like_takes_the_zarr_format_of_a_new_array_and_of_an_existing_one(tmp_path: Path) -> None:
    model = exzarr.create_array(data=np.arange(4), zarr_format=3)
    assert exzarr.open_like(model, tmp_path / "a", zarr_format=2).zarr_format == 2
    assert exzarr.open_like(model, tmp_path / "a").zarr_format == 2
    with pytest.raises(exzarr.NodeExistsError):
        exzarr.open_like(model, tmp_path / "a", zarr_format=3)
