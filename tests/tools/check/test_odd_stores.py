"""Every store of tests/corpus/odd: read, checked, copied, converted and repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores.base import Store
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore

CORPUS = Path(__file__).parents[2] / "corpus" / "odd"
CASES = sorted(CORPUS.glob("*.json"))


def case_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def fill(store: Store, keys: dict[str, Any]) -> Store:
    for key, value in keys.items():
        if isinstance(value, str):
            store.put(key, value.encode())
        elif value.keys() == {"hex"}:
            store.put(key, bytes.fromhex(value["hex"]))
        else:
            store.put(key, json.dumps(value).encode())
    return store


@pytest.fixture(params=["memory", "local", "zip"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return a function that makes the store of a case."""

    def make(keys: dict[str, Any]) -> Store:
        store: Store
        if request.param == "memory":
            return fill(MemoryStore(), keys)
        if request.param == "local":
            return fill(LocalStore(tmp_path / "odd"), keys)
        with exzarr.ZipStore(tmp_path / "odd.zip", mode="w") as store:
            fill(store, keys)
        return exzarr.ZipStore(tmp_path / "odd.zip", mode="r")

    return make


def array_of(right: dict[str, Any]) -> np.ndarray[Any, Any]:
    values, dtype = right["values"], np.dtype(right["dtype"])
    if dtype.kind == "c":
        return np.array([complex(*map(float, pair)) for pair in values], dtype)
    if dtype.kind == "M":
        return np.array(values, "i8").astype(dtype)
    if dtype.kind == "f":
        return np.vectorize(float, [dtype])(values) if values else np.empty(0, dtype)
    return np.array(values, dtype)


def assert_right(root: Any, case: dict[str, Any]) -> None:
    for path, right in case["right"].items():
        expected = array_of(right)
        found = (root[path] if path else root)[...]
        assert found.dtype == expected.dtype, path
        np.testing.assert_array_equal(found, expected, err_msg=path)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
@pytest.mark.parametrize("use_consolidated", [None, False])
def test_store_is_read(odd: Any, file: Path, use_consolidated: bool | None) -> None:
    case = case_of(file)
    root = exzarr.open(odd(case["keys"]), mode="r", use_consolidated=use_consolidated)
    assert_right(root, case)
    for path, why in case["refused"].items():
        with pytest.raises(exzarr.MetadataError, match=why):
            root[path]
    if isinstance(root, exzarr.Group) and not case["refused"]:
        arrays = [path for path, node in root.walk() if isinstance(node, exzarr.Array)]
        assert sorted(arrays) == sorted(case["right"])


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_check_reports_the_problems(odd: Any, file: Path) -> None:
    case = case_of(file)
    report = exzarr.check(odd(case["keys"]), grace=0)
    assert sorted(f"{finding.code} {finding.key}" for finding in report.findings) == sorted(case["finds"])


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_repaired_store_is_readable_by_zarr_python(tmp_path: Path, file: Path) -> None:
    case = case_of(file)
    store = fill(LocalStore(tmp_path / "odd"), case["keys"])
    report = exzarr.repair(store, exzarr.check(store, grace=0).plan())
    assert report.ok
    left = {finding.code for finding in exzarr.check(store, grace=0).findings}
    assert left == ({"EXZ102"} if case["refused"] else set() if case["mended"] else left - {"EXZ108"})
    assert_right(exzarr.open(store), case)
    for key in store.list():
        if key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zgroup"):
            json.loads(bytes(store.get(key) or b""), parse_constant=pytest.fail)  # strict JSON
    for path, right in case["right"].items():
        try:
            theirs: Any = zarr.open_array(tmp_path / "odd" / path, mode="r")
        except ValueError as error:
            if "ectilinear" in str(error) or "chunk grid" in str(error):
                continue  # a version without these codecs
            raise
        np.testing.assert_array_equal(theirs[...], array_of(right), err_msg=path)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_copies_and_conversions_are_complete(odd: Any, file: Path) -> None:
    case = case_of(file)
    if case["refused"]:
        case["keys"] = {k: v for k, v in case["keys"].items() if k.rpartition("/")[0] not in case["refused"]}
    source = odd(case["keys"])
    root = exzarr.open(source)
    copy = MemoryStore()
    exzarr.copy(source, copy)
    assert_right(exzarr.open(copy), case)
    assert exzarr.checksum(copy).hexdigest == exzarr.checksum(source).hexdigest
    other: Literal[2, 3] = 2 if root.metadata.zarr_format == 3 else 3
    if file.stem != "documents_v3":  # varying chunks, which v2 does not support
        converted = MemoryStore()
        exzarr.copy(source, converted, zarr_format=other)
        assert_right(exzarr.open(converted), case)
    if isinstance(root, exzarr.Group):
        exzarr.consolidate_metadata(copy)
        again = exzarr.open_group(copy, use_consolidated=True)
        assert_right(again, case)
        assert exzarr.check(copy, grace=0).findings == () or not case["mended"]
