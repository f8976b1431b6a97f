"""A check of any folder ends, reports something, and uses little memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, strategies as st

import exzarr
from exzarr.stores.base import Store, check_key
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.counting import CountingStore
from exzarr.stores.wrappers.latency import LatencyStore
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples
from tests.engine.tools import contents
from tests.tools.check.stores import LAYOUTS, WRITERS, make_old, write

pytestmark = pytest.mark.usefixtures("brisk")

FIXTURES = Path(__file__).parents[3].parent / "shared" / "fixtures"
DOCUMENTS = {"zarr.json", ".zgroup", ".zarray"}


def roots() -> list[Path]:
    """Return the topmost nodes of the fixtures, and zip files."""
    # Invalid stores of other software are in tests/corpus/odd, with their findings.
    field = FIXTURES / "field"
    nodes = sorted(
        {
            path.parent
            for path in FIXTURES.rglob("*")
            if path.name in DOCUMENTS and not path.is_relative_to(field)
        }
    )
    found: list[Path] = []
    for node in nodes:
        if not any(node.is_relative_to(other) for other in found):
            found.append(node)
    return [*found, *sorted(FIXTURES.rglob("*.zip"))]


@pytest.mark.skipif(not roots(), reason="the fixtures are not here")
@pytest.mark.parametrize("path", roots(), ids=lambda path: str(path.relative_to(FIXTURES)))
def test_fixtures_have_no_findings(path: Path) -> None:
    report = exzarr.check(path, deep=True)
    assert (report.findings, report.unsettled) == ((), ())
    assert report.arrays >= 30


# -- any store ---------------------------------------------------------------------------------


class FiveMethods(Store):
    """A minimal third-party store: no versions, no sizes, no folders."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values

    def get(self, key: str, byte_range: Any = None) -> Any:
        value = self.values.get(check_key(key))
        if value is None or byte_range is None:
            return value
        start, length = byte_range
        part = value[start:] if start >= 0 else value[max(0, len(value) + start) :]
        return part if length is None else part[:length]

    def put(self, key: str, value: Any) -> None:
        self.values[check_key(key)] = bytes(value)

    def delete(self, key: str) -> None:
        self.values.pop(check_key(key), None)

    def list(self, prefix: str = "") -> Iterator[str]:
        start = f"{prefix}/" if prefix else ""
        return iter([key for key in self.values if key.startswith(start)])

    def list_dir(self, prefix: str = "") -> Any:
        skip = len(prefix) + 1 if prefix else 0
        parts = [key[skip:].partition("/") for key in self.list(prefix)]
        return sorted({a for a, s, _ in parts if not s}), sorted({a for a, s, _ in parts if s})


def memory(values: dict[str, bytes], tmp_path: Path) -> Store:
    store = MemoryStore()
    for key, value in values.items():
        store.put(key, value)
    return store


def zipped(values: dict[str, bytes], tmp_path: Path) -> Store:
    with ZipStore(tmp_path / "s.zip", mode="w") as store:
        for key, value in values.items():
            store.put(key, value)
    return ZipStore(tmp_path / "s.zip")


def fallback(values: dict[str, bytes], tmp_path: Path) -> Store:
    return FiveMethods(dict(values))


@pytest.mark.parametrize("make", [memory, zipped, fallback])
@pytest.mark.parametrize("layout", LAYOUTS[::3], ids=str)
def test_all_kinds_of_stores_are_checked_the_same(
    tmp_path: Path, layout: Any, make: Callable[..., Store]
) -> None:
    write(tmp_path / "s.zarr", layout, "exzarr")
    values = contents(LocalStore(tmp_path / "s.zarr"))
    with make(values, tmp_path) as store:
        assert exzarr.check(store, deep=True, full=True).findings == ()
    values |= {
        f"a/{layout.key(0, 0)}": values[f"a/{layout.key(0, 0)}"][:-3],
        f"a/{layout.key(0, 8)}": b"outside",
        "lost/c/0": b"orphan",
        "a/notes.txt": b"note",
    }
    with make(values, tmp_path) as store:
        report = exzarr.check(store, deep=True)
    shutil.rmtree(tmp_path / "s.zarr")
    for key, value in values.items():
        LocalStore(tmp_path / "s.zarr").put(key, value)
    make_old(tmp_path / "s.zarr")
    wanted = exzarr.check(tmp_path / "s.zarr", deep=True)
    assert [(f.code, f.key, f.index, f.detail) for f in report.findings] == [
        (f.code, f.key, f.index, f.detail) for f in wanted.findings
    ]
    assert len(report.findings) == 4


def test_single_array_or_group_can_be_checked(tmp_path: Path) -> None:
    root = exzarr.open_group(tmp_path / "s.zarr", mode="w")
    root["g/a"] = np.arange(10)
    root["b"] = np.arange(10)
    for target, arrays in ((root, 2), (root["g"], 1), (root["g/a"], 1)):
        report = exzarr.check(target)  # type: ignore[arg-type]
        assert (report.findings, report.arrays) == ((), arrays)
    assert exzarr.check(tmp_path / "s.zarr", path="g").arrays == 1
    with pytest.raises(exzarr.NodeNotFoundError, match="nowhere"):
        exzarr.check(tmp_path / "nowhere")


# -- any damage ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """Return a new copy of one of several stores, written by different libraries in different layouts."""
    folder = tmp_path_factory.mktemp("any")
    kinds = [(layout, writer) for layout, writer in zip(LAYOUTS, [*WRITERS] * 3, strict=False)]
    for layout, writer in kinds:
        write(folder / f"{layout}-{writer}", layout, writer)
        exzarr.consolidate_metadata(folder / f"{layout}-{writer}")

    def copy(data: Any) -> Path:
        layout, writer = data.draw(st.sampled_from(kinds))
        path = folder / "damaged"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder / f"{layout}-{writer}", path)
        return path

    return copy


def damage(path: Path, data: Any) -> None:
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    how = data.draw(
        st.sampled_from(
            ["bytes", "cut", "json", "gone", "moved", "folder", "link", "loop", "pipe", "new", "name"]
        )
    )
    if not files:
        return
    file = data.draw(st.sampled_from(files))
    if how == "bytes":
        content = bytearray(file.read_bytes() or b"x")
        at = data.draw(st.integers(0, len(content) - 1))
        some = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(some)] = some
        file.write_bytes(content)
    elif how == "cut":
        file.write_bytes(file.read_bytes()[: data.draw(st.integers(0, 100))])
    elif how == "json":
        documents = [f for f in files if f.name in {*DOCUMENTS, ".zattrs", ".zmetadata"}]
        if documents:
            _change_json(data.draw(st.sampled_from(documents)), data)
    elif how == "gone":
        file.unlink()
    elif how == "moved":
        target = file.parent / data.draw(st.sampled_from(["c", "0", "1.1", "9.9.9", "x", "zarr.json"]))
        if not target.is_dir():
            file.rename(target)
    elif how == "folder":
        file.unlink()
        file.mkdir()
    elif how == "link":
        file.unlink()
        file.symlink_to(data.draw(st.sampled_from(["/etc/passwd", "nowhere", "..", "/", file.name])))
    elif how == "loop":
        if not (file.parent / "loop").is_symlink():
            (file.parent / "loop").symlink_to(path)
    elif how == "pipe":
        file.unlink()
        os.mkfifo(file)
    elif how == "new":
        names = ["c/1/2/3", "a/zarr.json", ".zgroup", "deep/er/zarr.json", "__x/y", "0.0", "\udcff"]
        new = path / data.draw(st.sampled_from(names))
        if not new.parent.is_file():
            new.parent.mkdir(parents=True, exist_ok=True)
            if not new.exists():
                new.write_bytes(data.draw(st.sampled_from([b"", b"{}", b'{"zarr_format": 2}', b"\xff"])))
    else:
        names = [".1-00000000-1.exzarr-tmp", "x.__lock", ".exzarr-lock", "back\\slash", "e\u0301"]
        (file.parent / data.draw(st.sampled_from(names))).write_bytes(b"")


def _change_json(file: Path, data: Any) -> None:
    """Replace or remove a member at any depth."""
    try:
        root = json.loads(file.read_bytes())
    except ValueError:
        return
    node = root
    junk: Any = st.sampled_from([None, -1, 0, 2**70, 1.5, "x", [], {}, [[0]], True])
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from([*node] if isinstance(node, dict) else [*range(len(node))]))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        if data.draw(st.booleans()):
            del node[key]
        else:
            node[key] = data.draw(junk)
        break
    file.write_text(json.dumps(root))


@pytest.mark.slow
@given(st.data())
@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_check_never_fails_and_repair_never_increases_damage(damaged: Any, data: Any) -> None:
    path = damaged(data)
    for _ in range(data.draw(st.integers(1, 4))):
        damage(path, data)
    report = exzarr.check(path, deep=True, grace=0)
    quick = exzarr.check(path, grace=0, full=True)
    json.loads(report.to_json())
    assert str(quick)
    before = {(finding.code, finding.key) for finding in report.findings}
    # Arrays that were readable before the repair have the same values after it.
    ours = _arrays(path)
    repaired = exzarr.repair(path, report.plan(quarantine=True))
    assert str(repaired)
    after = exzarr.check(path, deep=True, grace=0)
    assert {(finding.code, finding.key) for finding in after.findings} <= before
    assert {name: _arrays(path).get(name) for name in ours} == ours


def _arrays(path: Path) -> dict[str, Any]:
    try:
        array = (
            exzarr.open_array(path / "a", use_consolidated=False) if False else exzarr.open_array(path / "a")
        )
        return {"a": array[...].tobytes()}
    except exzarr.ExzarrError:
        return {}


def test_circular_links_end(tmp_path: Path) -> None:
    """Two links to their own folder make 2^40 paths, up to the limit of the system."""
    path = tmp_path / "s.zarr"
    exzarr.create_array(path, name="g/a", shape=(4,), dtype="i4")[...] = 1
    for name in ("one", "two"):
        (path / "g" / name).symlink_to(path / "g")
        (path / name).symlink_to(path / "g")
    report = exzarr.check(path, deep=True)
    loops = {f"{at}{name}" for at in ("g/", "one/", "two/") for name in ("one", "two")}
    assert {(finding.code, finding.key) for finding in report.findings} == {("EXZ406", key) for key in loops}
    assert report.arrays == 3  # itself, and once for each link to a folder below


# -- memory ------------------------------------------------------------------------------

MILLION = """
import resource, sys
import exzarr
from exzarr.stores.base import Store
from tests.tools.check.test_robust import FiveMethods

class Many(FiveMethods):
    '''A million chunks of 4 bytes, made up as they are listed.'''

    def list(self, prefix=""):
        yield "zarr.json"
        for y in range(1000):
            for x in range(1000):
                yield f"c/{y}/{x}"

    def list_dir(self, prefix=""):
        raise AssertionError("a listing of a million names")

    def get(self, key, byte_range=None):
        return b"abcd" if key.startswith("c/") else super().get(key, byte_range)

    def size(self, key):
        return 4 if key.startswith("c/") else super().size(key)

store = Many({})
exzarr.create_array(store, shape=(1000, 1000), chunks=(1, 1), dtype="i4", compressors=None)
exzarr.check(FiveMethods(dict(store.values)), full=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = exzarr.check(store, full=True)
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert report.findings == (), report.findings
assert report.chunks == 1_000_000
print(peak)
"""


@pytest.mark.slow
def test_check_uses_one_bit_for_each_chunk() -> None:
    """The check keeps only one bit for each chunk: whether it is stored."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + MILLION],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 2**20


def test_findings_over_the_limit_are_counted(tmp_path: Path) -> None:
    array = exzarr.create_array(tmp_path / "s.zarr", shape=(50,), chunks=(1,), dtype="i4", compressors=None)
    array[...] = np.arange(50) + 1
    for file in (tmp_path / "s.zarr" / "c").iterdir():
        file.write_bytes(b"")
    report = exzarr.check(tmp_path / "s.zarr", limit=10)
    assert len(report.findings) == 10
    assert report.more == (("EXZ202", "", 40),)
    assert report.counts()["error"] == 50
    assert "and 40 more" in str(report)
    assert len(report.plan(quarantine=True).actions) == 10
    full = exzarr.create_array(tmp_path / "t.zarr", shape=(10**12,), chunks=(10,), dtype="i1")
    full[:10] = 1
    (finding,) = exzarr.check(tmp_path / "t.zarr", full=True).findings  # too many for one bit each
    assert finding.detail == "99999999999 of 100000000000 chunks are not stored"


def test_stores_with_high_latency_get_one_request_for_each_chunk() -> None:
    store = MemoryStore()
    exzarr.create_array(store, shape=(400,), chunks=(10,), dtype="i4")[...] = np.arange(400)
    bad = bytearray(store.get("c/7") or b"")
    bad[-1] ^= 1
    store.put("c/7", bad)
    counted = CountingStore(LatencyStore(store, 0.001, concurrency=8))
    report = exzarr.check(counted, deep=True)
    assert [finding.key for finding in report.findings] == ["c/7"]
    # Five keys for the documents, and once more for the second inspection.
    assert counted.requests["get"] <= 40 + 2 * 7
    assert counted.requests["size"] == counted.requests["range"] == 0
    assert counted.requests["list"] == 1
