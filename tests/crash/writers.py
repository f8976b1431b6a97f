"""Writers that run until they are killed, and the checks that must hold afterwards.

`prepare` creates the array or group. `write` runs forever, and yields after each write. `check` receives the node as one
library opens it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import exzarr

LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (4, 8), "compressors": None},
    "zstd": {"chunks": (4, 8)},
    "shards": {"chunks": (2, 4), "shards": (4, 8)},
    "v2": {"chunks": (4, 8), "zarr_format": 2},
}
SHAPE = (16, 24)


@dataclass(frozen=True)
class Writer:
    """One kind of writing.

    `nodes` are the checked paths. If `comes_and_goes`, a node may be missing.
    """

    prepare: Callable[[Path, dict[str, Any]], None]
    write: Callable[[Path], Iterator[None]]
    check: Callable[[Any], None]
    layouts: tuple[str, ...] = tuple(LAYOUTS)
    nodes: tuple[str, ...] = ("",)
    comes_and_goes: bool = False


def _numbers() -> Iterator[int]:
    """Count 1, 2, 3, ... within int16, repeatedly."""
    return itertools.cycle(range(1, 30_000))


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    for row in range(0, values.shape[0], 4):
        for column in range(0, values.shape[1], 8):
            yield values[row : row + 4, column : column + 8]


# -- whole chunks --------------------------------------------------------------------------


def _array(path: Path, layout: dict[str, Any]) -> None:
    exzarr.create_array(path, shape=SHAPE, dtype="i2", fill_value=0, **layout)


def _write_whole(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")
    for number in _numbers():
        array[...] = number
        yield


def _check_whole(node: Any) -> None:
    for piece in _pieces(np.asarray(node[...])):
        assert len(np.unique(piece)) == 1, f"a torn chunk: {piece}"


# -- parts of chunks -----------------------------------------------------------------------


def _write_parts(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")
    for number in _numbers():
        array[1:-1, 1:-1] = number
        array[0, :] = -number
        yield


def _check_parts(node: Any) -> None:
    values = np.array(node[...])
    inner = np.zeros(SHAPE, bool)
    inner[1:-1, 1:-1] = True
    top = np.zeros(SHAPE, bool)
    top[0] = True
    for piece, inside, edge in zip(_pieces(values), _pieces(inner), _pieces(top), strict=True):
        assert len(np.unique(piece[inside])) <= 1, f"a torn patch: {piece}"
        assert len(np.unique(piece[edge])) <= 1, f"a torn patch: {piece}"
        assert (piece[~inside & ~edge] == 0).all(), f"values that no writer wrote: {piece}"


# -- appends and resizes -------------------------------------------------------------------------------


def _empty(path: Path, layout: dict[str, Any]) -> None:
    exzarr.create_array(path, shape=(0, 8), dtype="i4", fill_value=-1, **layout)


def _append(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")
    while True:
        start = array.refresh().shape[0]
        array.append(np.repeat(np.arange(start, start + 3, dtype="i4")[:, None], 8, 1))
        yield


def _check_appended(node: Any) -> None:
    values = np.asarray(node[...])
    assert len(values) % 3 == 0, "part of an append"
    np.testing.assert_array_equal(values, np.repeat(np.arange(len(values))[:, None], 8, 1))


LENGTHS = (6, 16, 11, 2)


def _resizable(path: Path, layout: dict[str, Any]) -> None:
    array = exzarr.create_array(path, shape=(2, 8), dtype="i4", fill_value=-1, **layout)
    array[...] = 5


def _resize(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")
    for length in itertools.cycle(LENGTHS):
        before = array.refresh().shape[0]
        array.resize((length, 8))
        if length == 16:
            array[2:16] = 7
        elif before == 2:
            assert (array[2:] == -1).all(), "old data came back"
        yield


def _check_resized(node: Any) -> None:
    values = np.asarray(node[...])
    assert len(values) in LENGTHS
    assert (values[:2] == 5).all(), "kept elements are lost"
    # Each added chunk is not yet written, written, or (during a shrink) cleared.
    for row in range(2, len(values), 2):
        assert len(np.unique(values[row : row + 2])) == 1, "a torn chunk"
    assert set(np.unique(values[2:])) <= {-1, 7}


# -- metadata ------------------------------------------------------------------------------


def _attributes(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")
    for number in _numbers():
        array.attrs.update({"a": number, "b": number, "text": "x" * (number % 3000)})
        yield


def _check_attributes(node: Any) -> None:
    attributes = dict(node.attrs)
    assert attributes.get("a") == attributes.get("b")
    assert len(attributes.get("text", "")) == attributes.get("a", 0) % 3000
    assert node.shape == SHAPE


def _group(path: Path, layout: dict[str, Any]) -> None:
    group = exzarr.create_group(path, zarr_format=layout.get("zarr_format", 3))
    for name in ("a", "b/c"):
        group.create_array(
            name, shape=SHAPE, dtype="i2", **{k: v for k, v in layout.items() if k != "zarr_format"}
        )
    exzarr.consolidate_metadata(path)


def _consolidate(path: Path) -> Iterator[None]:
    for number in _numbers():
        exzarr.open_group(path, mode="r+")["a"].attrs["n"] = number
        exzarr.consolidate_metadata(path)
        yield


def _check_group(node: Any) -> None:
    assert node["a"].shape == node["b/c"].shape == SHAPE
    assert isinstance(dict(node["a"].attrs).get("n", 0), int)


def _copyable(path: Path, layout: dict[str, Any]) -> None:
    _group(path, layout)
    group = exzarr.open_group(path, mode="r+")
    group.get_array("a")[...] = np.arange(SHAPE[0] * SHAPE[1], dtype="i2").reshape(SHAPE)


def _copy(path: Path) -> Iterator[None]:
    for number in itertools.count():
        group = exzarr.open_group(path, mode="r+", use_consolidated=False)
        group.copy("a", f"copy{number % 3}", overwrite=True)
        yield


def _check_copied(node: Any) -> None:
    model = np.arange(SHAPE[0] * SHAPE[1], dtype="i2").reshape(SHAPE)
    np.testing.assert_array_equal(np.asarray(node["a"][...]), model)
    for name in ("copy0", "copy1", "copy2"):
        if name in node:
            np.testing.assert_array_equal(np.asarray(node[name][...]), model, err_msg="part of a copy")


# -- nodes that are created and deleted -------------------------------------------------------------------


def _come_and_go(path: Path) -> Iterator[None]:
    root = exzarr.open_group(path, mode="r+", use_consolidated=False)
    layout: dict[str, Any] = {"zarr_format": root.zarr_format}
    for number in itertools.count():
        name = f"new{number % 2}"
        if name in root:
            del root[name]
            yield
        root.create_group(name, attributes={"n": number})
        yield
        root.create_array(
            f"{name}/deep/x", shape=(8, 8), chunks=(4, 4), dtype="i2", attributes={"n": number}
        )[...] = 9
        yield
        exzarr.create_array(
            path, name="over", data=np.full((12, 8), 3, "i2"), chunks=(4, 8), overwrite=True, **layout
        )
        yield


def _check_come_and_gone(node: Any) -> None:
    assert node["a"].shape == node["b/c"].shape == SHAPE
    for name in ("new0", "new1"):
        if name in node and "deep" in node[name] and "x" in node[name]["deep"]:
            assert set(np.unique(np.asarray(node[name]["deep"]["x"][...]))) <= {0, 9}
    if "over" in node:
        assert set(np.unique(np.asarray(node["over"][...]))) <= {0, 3}


# -- ingestion into a group ---------------------------------------------------------------------


def _ingestible(path: Path, layout: dict[str, Any]) -> None:
    group = exzarr.create_group(path)
    group.create_array("time", shape=(0,), chunks=(4,), dtype="i4", dimension_names=("time",))
    group.create_array(
        "deep/values", shape=(0, 8), dtype="i4", fill_value=-1, dimension_names=("time", "x"), **layout
    )
    exzarr.consolidate_metadata(path)


def _ingest_group(path: Path) -> Iterator[None]:
    group = exzarr.open_group(path, mode="r+")

    def source(position: int | None) -> Iterator[dict[str, np.ndarray]]:
        for number in itertools.count(position or 0):
            rows = np.full(3, number, "i4")
            yield {"time": rows, "deep/values": np.repeat(rows[:, None], 8, 1)}

    while True:
        start = exzarr.ingest_position(group, "k") or 0
        exzarr.ingest(
            group, lambda position: itertools.islice(source(position), 2), key="k", axis="time", batch=1
        )
        assert exzarr.ingest_position(group, "k") == start + 2
        yield


def _check_ingested_group(node: Any) -> None:
    times, values = np.asarray(node["time"][...]), np.asarray(node["deep/values"][...])
    np.testing.assert_array_equal(times, np.repeat(np.arange(len(times) // 3), 3))
    np.testing.assert_array_equal(values, np.repeat(times[:, None], 8, 1))


def _ingest(path: Path) -> Iterator[None]:
    array = exzarr.open_array(path, mode="r+")

    def source(position: int | None) -> Iterator[np.ndarray]:
        for number in itertools.count((position or 0) * 3, 3):
            yield np.repeat(np.arange(number, number + 3, dtype="i4")[:, None], 8, 1)

    while True:
        exzarr.ingest(array, lambda position: itertools.islice(source(position), 2), key="k", batch=1)
        yield


# -- whole hierarchies ----------------------------------------------------------------------


def _copy_source(path: Path, layout: dict[str, Any]) -> None:
    path.mkdir()
    _copyable(path / "from", layout)


def _copy_hierarchy(path: Path) -> Iterator[None]:
    for number in itertools.count():
        exzarr.copy(path / "from", path / f"to{number % 2}", overwrite=True)
        yield
        exzarr.copy(path / "from", path / f"to{number % 2}", chunks=(8, 8), overwrite=True)
        yield


def _check_copied_hierarchy(node: Any) -> None:
    model = np.arange(SHAPE[0] * SHAPE[1], dtype="i2").reshape(SHAPE)
    np.testing.assert_array_equal(np.asarray(node["a"][...]), model)


def _overwritable(path: Path, layout: dict[str, Any]) -> None:
    exzarr.create_array(path, data=np.ones(SHAPE, "i2"), **layout)


def _overwrite(path: Path) -> Iterator[None]:
    versions: tuple[Any, ...] = (2, 3)
    for version in itertools.cycle(versions):
        exzarr.create_array(
            path, shape=SHAPE, chunks=(4, 8), dtype="i2", overwrite=True, zarr_format=version
        )[...] = 1
        yield


def _check_overwritten(node: Any) -> None:
    assert set(np.unique(np.asarray(node[...]))) <= {0, 1}


WRITERS: dict[str, Writer] = {
    "whole chunks": Writer(_array, _write_whole, _check_whole),
    "parts of chunks": Writer(_array, _write_parts, _check_parts),
    "append": Writer(_empty, _append, _check_appended),
    "resize": Writer(_resizable, _resize, _check_resized),
    "attributes": Writer(_array, _attributes, _check_attributes, ("raw", "v2")),
    "consolidation": Writer(_group, _consolidate, _check_group, ("raw", "v2")),
    "copy": Writer(_copyable, _copy, _check_copied, ("raw", "shards")),
    "ingest": Writer(_empty, _ingest, _check_appended, ("raw", "shards")),
    "ingest group": Writer(_ingestible, _ingest_group, _check_ingested_group, ("raw", "shards")),
    "come and go": Writer(_group, _come_and_go, _check_come_and_gone, ("raw", "v2")),
    "copy hierarchies": Writer(
        _copy_source, _copy_hierarchy, _check_copied_hierarchy, ("raw", "v2"), ("from", "to0", "to1"), True
    ),
    "overwrite": Writer(_overwritable, _overwrite, _check_overwritten, ("raw",), comes_and_goes=True),
}
