"""Reserved names: existing nodes keep them, new nodes are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, InvalidKeyError
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.base import StoreWrapper

Format = Literal[2, 3]
NAMES: dict[Format, tuple[str, ...]] = {
    2: ("__a", "zarr.json", "a\\b", "..."),
    3: ("__a", ".zarray", ".zgroup", ".zattrs", ".zmetadata", "a\\b", "...", "ZARR.JSON"),
}


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "odd")


def odd_group(store: Store, zarr_format: Format, names: tuple[str, ...] | None = None) -> exzarr.Group:
    """Create a group with arrays of these names key by key, as other software would."""
    group = exzarr.open_group(store, mode="w", zarr_format=zarr_format)
    made = exzarr.create_array(MemoryStore(), data=np.arange(4), chunks=(2,), zarr_format=zarr_format)
    for name in NAMES[zarr_format] if names is None else names:
        for key in made.store.list():
            store.put(f"{name}/{key}", bytes(made.store.get(key) or b""))
    return group


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nodes_with_reserved_names_are_listed_read_and_copied(store: Store, zarr_format: Format) -> None:
    group = odd_group(store, zarr_format)
    names = sorted(NAMES[zarr_format])
    assert [*group] == names
    assert [path for path, _ in group.walk()] == names
    other = MemoryStore()
    exzarr.copy(store, other)
    for root in (group, exzarr.open_group(other), exzarr.consolidate_metadata(store)):
        assert [*root] == names
        for name in names:
            assert name in root
            np.testing.assert_array_equal(root.get_array(name)[:], np.arange(4))
            root.get_array(name).append([4])
            root.get_array(name).resize((4,))
    assert exzarr.checksum(other).hexdigest == exzarr.checksum(store).hexdigest
    assert {finding.code for finding in exzarr.check(store, grace=0).findings} <= {"EXZ107"}
    for name in names:
        del group[name]
    assert [*exzarr.open_group(store)] == []


def test_check_reports_reserved_names(store: Store) -> None:
    odd_group(store, 3)
    report = exzarr.check(store, grace=0)
    assert [(f.code, f.key) for f in report.findings if f.key != "a\\b"] == [
        ("EXZ107", name) for name in sorted(NAMES[3]) if name != "a\\b"
    ]
    assert report.ok


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_new_nodes_with_reserved_names_are_refused(store: Store, zarr_format: Format) -> None:
    group = exzarr.open_group(store, mode="w", zarr_format=zarr_format)
    group.create_array("plain", data=np.arange(3))
    before = sorted(store.list())
    refused = [name for name in NAMES[zarr_format] if zarr_format == 3 or name not in ("__a", "...")]
    makers: tuple[Any, ...] = (
        lambda name: group.create_array(name, shape=(1,), dtype="i1"),
        group.create_group,
        group.require_group,
        lambda name: group.__setitem__(name, np.arange(3)),
        lambda name: group.copy("plain", name),
        lambda name: exzarr.create_array(store, name=name, shape=(1,), dtype="i1", zarr_format=zarr_format),
        lambda name: exzarr.copy(group.get_array("plain"), store, path=name),
        lambda name: group.create_array(f"{name}/below", shape=(1,), dtype="i1"),
    )
    for name in refused:
        for make in makers:
            with pytest.raises(InvalidKeyError, match="Choose another name"):
                make(name)
    assert sorted(store.list()) == before


def test_v2_reserves_no_names_that_begin_with_underscores(store: Store) -> None:
    group = exzarr.open_group(store, mode="w", zarr_format=2)
    group.create_array("__categories/kind", data=np.arange(3))
    assert [path for path, _ in group.walk()] == ["__categories", "__categories/kind"]


def test_existing_nodes_with_reserved_names_can_be_written_and_replaced(store: Store) -> None:
    group = odd_group(store, 3, ("__a",))
    group.get_array("__a")[:] = 7
    group.create_array("__a", data=np.arange(9), overwrite=True)
    np.testing.assert_array_equal(group.get_array("__a")[:], np.arange(9))
    group.move("__a", "a")
    assert [*group.get_array("a")[:2]] == [0, 1]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_conversion_keeps_reserved_names_and_reports_them(store: Store, zarr_format: Format) -> None:
    odd_group(store, zarr_format, ("__a", "b"))
    report = exzarr.convert(store, 5 - zarr_format)  # type: ignore[arg-type]
    assert [*exzarr.open_group(store)] == ["__a", "b"]
    assert any("__a: the name was kept" in note for note in report.notes) == (zarr_format == 2)


@pytest.mark.parametrize(("zarr_format", "name"), [(2, "zarr.json"), (3, ".zarray"), (3, ".zgroup")])
def test_conversion_refuses_a_node_that_hides_a_document(
    store: Store, zarr_format: Format, name: str
) -> None:
    odd_group(store, zarr_format, (name,))
    before = {key: store.get(key) for key in store.list()}
    with pytest.raises(ArgumentError, match="rename the node first"):
        exzarr.convert(store, 5 - zarr_format)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="rename the node first"):
        exzarr.copy(store, MemoryStore(), zarr_format=5 - zarr_format)  # type: ignore[arg-type]
    assert {key: store.get(key) for key in store.list()} == before


def test_quarantine_is_not_a_node(store: Store) -> None:
    group = exzarr.open_group(store, mode="w")
    store.put("__exzarr_quarantine__/zarr.json", b"{}")
    assert [*group] == []
    with pytest.raises(InvalidKeyError, match="damaged chunks"):
        group.create_group("__exzarr_quarantine__")


def test_repeated_slashes_in_a_path_count_as_one(store: Store) -> None:
    group = exzarr.open_group(store, mode="w")
    group.create_array("a/b", data=np.arange(3))
    assert group["a//b"] == group["/a/b/"]


def test_check_reports_keys_without_valid_path(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(".zgroup", b'{"zarr_format": 2}')
        archive.writestr("a//b/.zgroup", b'{"zarr_format": 2}')
    report = exzarr.check(tmp_path / "a.zip")
    assert [(finding.code, finding.key) for finding in report.findings] == [("EXZ403", "a//b/.zgroup")]


def test_empty_name_in_listing_is_not_a_node() -> None:
    class Raw(StoreWrapper):
        def list_dir(self, prefix: str = "") -> Any:
            keys, prefixes = super().list_dir(prefix)
            return keys, ["", *prefixes] if prefix == "" else prefixes

    store = Raw(MemoryStore())
    group = exzarr.open_group(store, mode="w")
    group.create_group("a")
    assert [*group] == ["a"]
    assert [(f.code, f.key) for f in exzarr.check(store, grace=0).findings] == [("EXZ403", "")]


@pytest.mark.parametrize(("zarr_format", "refused"), [(2, False), (3, True)])
@pytest.mark.parametrize("path", ["g.zarr/__x", "g.zarr/a/__x/b"])
def test_reserved_names_in_a_path_string_are_refused(
    tmp_path: Path, path: str, zarr_format: Format, refused: bool
) -> None:
    exzarr.create_group(tmp_path / "g.zarr", zarr_format=zarr_format)
    if not refused:
        exzarr.create_array(tmp_path / path, shape=3, dtype="i4", zarr_format=zarr_format)
        return
    with pytest.raises(InvalidKeyError, match="__x"):
        exzarr.create_array(tmp_path / path, shape=3, dtype="i4", zarr_format=zarr_format)
    with pytest.raises(InvalidKeyError, match="__x"):
        exzarr.create_group(tmp_path / path, zarr_format=zarr_format)
    assert [entry.name for entry in (tmp_path / "g.zarr").iterdir()] == ["zarr.json"]


def test_existing_node_with_reserved_name_is_overwritten_by_path(tmp_path: Path) -> None:
    exzarr.create_group(tmp_path / "g.zarr")
    exzarr.save(tmp_path / "__x", np.arange(3))  # no group around it
    (tmp_path / "__x").rename(tmp_path / "g.zarr" / "__x")
    exzarr.save(tmp_path / "g.zarr" / "__x", np.arange(4))
    assert exzarr.open_array(tmp_path / "g.zarr" / "__x").shape == (4,)
