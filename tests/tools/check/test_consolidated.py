"""Consolidated metadata that differs from the documents, and shared dimensions with several lengths."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import zarr

import exzarr
from tests.tools.check.stores import make_old, rewrite

pytestmark = pytest.mark.usefixtures("brisk")

FORMATS: Any = [2, 3]
WRITERS = ["exzarr", "zarr"]


@pytest.fixture(params=[(f, w) for f in FORMATS for w in WRITERS], ids=lambda p: f"v{p[0]}-{p[1]}")
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Groups and arrays, consolidated at the root and at ``g``."""
    zarr_format, writer = request.param
    path = tmp_path / "s.zarr"
    library: Any = {"exzarr": exzarr, "zarr": zarr}[writer]
    root = library.open_group(
        str(path), mode="w", zarr_format=zarr_format, attributes={"title": "NaN", "b": 1}
    )
    group = root.create_group("g", attributes={"z": [1, {"y": 2.5}], "a": float("nan")})
    for where, name in ((root, "x"), (group, "a"), (group, "b")):
        where.create_array(name, shape=(4,), chunks=(2,), dtype="f4", attributes={"u": "m", "k": None})
    library.consolidate_metadata(str(path))
    library.consolidate_metadata(str(path / "g"))
    make_old(path)
    return path


def zarr_format(store: Path) -> int:
    return 3 if (store / "zarr.json").exists() else 2


def holder(store: Path, group: str = "") -> Path:
    return store / group / ("zarr.json" if zarr_format(store) == 3 else ".zmetadata")


def found(store: Path) -> set[tuple[str, str, str]]:
    make_old(store)
    report = exzarr.check(store)
    assert not report.unsettled
    return {(f.code, f.key, f.detail) for f in report.findings}


def repaired(store: Path) -> None:
    """Repair everything, and verify the result with zarr-python."""
    report = exzarr.check(store)
    outcome = exzarr.repair(store, report.plan())
    assert outcome.ok
    assert found(store) == set()
    with_, without = [zarr.open_group(store, mode="r", use_consolidated=use) for use in (True, False)]
    there = dict(without.members(max_depth=None))
    assert dict(with_.members(max_depth=None)).keys() == there.keys()
    assert len(there) >= 3


def test_consistent_metadata_has_no_findings(store: Path) -> None:
    assert found(store) == set()


def test_changed_array_is_stale(store: Path) -> None:
    name = ".zarray" if zarr_format(store) == 2 else "zarr.json"
    rewrite(store / "g" / "a" / name, lambda document: document.update(shape=[6]))
    key, inner = holder(store).name, f"g/{holder(store).name}"
    assert found(store) == {
        ("EXZ602", inner, "the entry for 'g/a' is out of date"),
        ("EXZ602", key, "the entry for 'g/a' is out of date"),
    }
    assert not exzarr.check(store).ok
    repaired(store)


def test_changed_attributes_are_stale(store: Path) -> None:
    if zarr_format(store) == 3:
        rewrite(store / "x" / "zarr.json", lambda document: document["attributes"].update(u="km"))
    else:
        rewrite(store / "x" / ".zattrs", lambda document: document.update(u="km"))
    assert found(store) == {("EXZ602", holder(store).name, "the entry for 'x' is out of date")}
    repaired(store)


def test_order_of_attributes_does_not_matter(store: Path) -> None:
    name = "zarr.json" if zarr_format(store) == 3 else ".zattrs"
    for node in ("x", "g", "g/a"):
        file = store / node / name
        document = json.loads(file.read_text())
        file.write_text(json.dumps(document, sort_keys=True, indent=7))
    assert found(store) == set()


def test_missing_entry_is_found(store: Path) -> None:
    shutil.copytree(store / "x", store / "g" / "new")
    inner = f"g/{holder(store).name}"
    assert found(store) == {
        ("EXZ603", inner, "the entry for 'g/new' is missing"),
        ("EXZ603", holder(store).name, "the entry for 'g/new' is missing"),
    }
    repaired(store)


def test_entry_of_missing_array_is_found(store: Path) -> None:
    shutil.rmtree(store / "g" / "b")
    inner = f"g/{holder(store).name}"
    assert found(store) == {
        ("EXZ604", inner, "it has an entry for 'g/b', which does not exist"),
        ("EXZ604", holder(store).name, "it has an entry for 'g/b', which does not exist"),
    }
    repaired(store)


def test_unreadable_consolidated_metadata_is_found(store: Path) -> None:
    def change(document: Any) -> None:
        if zarr_format(store) == 3:
            document["consolidated_metadata"]["metadata"] = "gone"
        else:
            document["zarr_consolidated_format"] = "one"

    rewrite(holder(store, "g"), change)
    codes = [(code, key) for code, key, _ in found(store)]
    assert codes == [("EXZ601", f"g/{holder(store).name}")]
    repaired(store)


def test_unreadable_entry_is_found(store: Path) -> None:
    def change(document: Any) -> None:
        if zarr_format(store) == 3:
            document["consolidated_metadata"]["metadata"]["g/a"]["shape"] = "long"
        else:
            document["metadata"]["g/a/.zarray"]["shape"] = "long"

    rewrite(holder(store), change)
    assert [(code, key) for code, key, _ in found(store)] == [("EXZ601", holder(store).name)]
    repaired(store)


def test_zmetadata_that_is_not_json_is_found(store: Path) -> None:
    if zarr_format(store) == 3:  # the group's own document contains it
        return
    holder(store).write_bytes(holder(store).read_bytes()[:-5])
    assert [(code, key) for code, key, _ in found(store)] == [("EXZ601", ".zmetadata")]
    repaired(store)


def test_repair_skips_what_is_already_repaired(store: Path) -> None:
    shutil.copytree(store / "x", store / "new")
    plan = exzarr.check(store).plan()
    exzarr.consolidate_metadata(str(store))
    before = holder(store).stat().st_mtime_ns
    assert [outcome.result for outcome in exzarr.repair(store, plan).outcomes] == ["skipped"]
    assert holder(store).stat().st_mtime_ns == before


# -- dimensions --------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_shared_dimension_with_two_lengths_is_found(tmp_path: Path, zarr_format: Any) -> None:
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=zarr_format)
    for name, shape, names in (
        ("time", (10,), ("time",)),
        ("t", (10, 3), ("time", "x")),
        ("u", (9, 3), ("time", "x")),
        ("other/time", (5,), ("time",)),
    ):
        root.create_array(name, shape=shape, dtype="f4", dimension_names=names)
    report = exzarr.check(tmp_path / "s.zarr")
    assert report.findings == ()  # a process may be appending to the arrays one after the other
    assert [f.code for f in report.unsettled] == ["EXZ701"]
    make_old(tmp_path / "s.zarr")
    report = exzarr.check(tmp_path / "s.zarr")
    (finding,) = report.findings
    assert (finding.code, finding.path) == ("EXZ701", "")
    assert finding.detail == "dimension 'time' has the lengths 9 in u and 10 in t, time"
    assert report.ok
    root["u"].resize((10, 3))  # type: ignore[union-attr]
    assert exzarr.check(tmp_path / "s.zarr").findings == ()


def test_multiscale_images_have_no_findings(tmp_path: Path) -> None:
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w", attributes={"ome": {"multiscales": []}})
    for level, n in enumerate((8, 4, 2)):
        root.create_array(str(level), shape=(n, n), dtype="u1", dimension_names=("y", "x"))
    assert exzarr.check(tmp_path / "s.zarr").findings == ()


def test_documents_of_both_versions_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    exzarr.create_array(path, shape=(4,), chunks=(2,), dtype="i4", zarr_format=2)[...] = 1
    exzarr.convert(path, 3)
    make_old(path)
    assert exzarr.check(path, deep=True).findings == ()
    rewrite(path / ".zarray", lambda document: document.update(shape=[6]))
    make_old(path)
    (finding,) = exzarr.check(path, deep=True).findings
    assert finding.code == "EXZ104"
    assert finding.detail == "zarr.json has shape (4,), .zarray has (6,)"


def test_nodes_below_folder_without_document_are_found(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    root = exzarr.open_group(path, mode="w")
    root.create_array("a/b/c", shape=(4,), dtype="i4")
    (path / "a" / "b" / "zarr.json").unlink()
    make_old(path)
    report = exzarr.check(path)
    assert [(f.code, f.key) for f in report.findings] == [("EXZ105", "a/b")]
    assert (report.arrays, report.groups) == (1, 2)
