"""Stores of three libraries, each damaged in one way: the check finds exactly this damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exzarr
from exzarr._tools.check.report import CheckReport
from tests.tools.check.stores import LAYOUTS, SHARDS, WRITERS, Layout, flip, make_old, rewrite, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brisk")]

INDEX = 16 * 4 + 4
"""Bytes of a shard's index: four inner chunks and a checksum."""

EVERY = [(layout, writer) for layout in LAYOUTS for writer in WRITERS]
SHARDED = [(layout, writer) for layout, writer in EVERY if layout.shards]
SOME = EVERY[::7]
"""Layouts for tests that do not depend on chunks."""


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Layout, str], Path]:
    """Stores that are written once and copied by the tests."""
    folder = tmp_path_factory.mktemp("originals")

    def original(layout: Layout, writer: str) -> Path:
        path = folder / f"{layout}-{writer}"
        if not path.exists():
            write(path, layout, writer)
        return path

    return original


@pytest.fixture
def layout(request: pytest.FixtureRequest) -> Layout:
    """Layout of the store under test; see `of`."""
    found: Layout = request.param[0]
    return found


@pytest.fixture
def store(request: pytest.FixtureRequest, originals: Callable[[Layout, str], Path], tmp_path: Path) -> Path:
    path = tmp_path / "s.zarr"
    shutil.copytree(originals(*request.node.callspec.params["layout"]), path)
    return path


def of(stores: list[tuple[Layout, str]]) -> pytest.MarkDecorator:
    """Parametrize a test over these layouts."""
    return pytest.mark.parametrize("layout", stores, ids=lambda s: f"{s[0]}-{s[1]}", indirect=True)


DEEP = {"EXZ201", "EXZ203", "EXZ311", "EXZ313"}
"""Codes that only a deep check finds."""


def found(path: Path, **options: Any) -> CheckReport:
    """Return the findings of a deep check. The default check must find the same, except `DEEP` codes."""
    make_old(path)
    report = exzarr.check(path, deep=True, **options)
    quick = exzarr.check(path, **options)
    assert codes(quick) == [(code, key) for code, key in codes(report) if code not in DEEP]
    assert (quick.arrays, quick.groups, quick.chunks) == (report.arrays, report.groups, report.chunks)
    return report


def codes(report: CheckReport) -> list[tuple[str, str]]:
    assert not report.unsettled
    assert not report.more
    return [(finding.code, finding.key) for finding in report.findings]


# -- no damage ---------------------------------------------------------------------------


@of(EVERY)
def test_intact_store_has_no_findings(store: Path, layout: Layout) -> None:
    report = found(store, full=True)
    assert codes(report) == []
    assert report.ok
    assert (report.arrays, report.groups) == (1, 1)
    assert report.chunks == (6 if layout.shards else 20)


# -- chunks ------------------------------------------------------------------------------


@of(EVERY)
def test_truncated_chunk(store: Path, layout: Layout) -> None:
    key = layout.key(1, 1)
    file = store / "a" / key
    file.write_bytes(file.read_bytes()[:-20])
    if layout.shards == "end":
        expected = "EXZ301"
    elif layout.shards == "start":
        expected = "EXZ302"
    elif layout.codec in ("raw", "crc32c"):
        expected = "EXZ202"
    else:
        expected = "EXZ201"
    assert codes(found(store)) == [(expected, f"a/{key}")]


@of(EVERY)
def test_empty_chunk(store: Path, layout: Layout) -> None:
    key = layout.key(0, 0)
    (store / "a" / key).write_bytes(b"")
    expected = "EXZ301" if layout.shards else "EXZ202"
    assert codes(found(store)) == [(expected, f"a/{key}")]


@of(EVERY)
def test_too_long_chunk(store: Path, layout: Layout) -> None:
    key = layout.key(1, 1)
    with (store / "a" / key).open("ab") as file:
        file.write(b"\1" * 7)
    report = found(store)
    if layout.shards == "start":
        assert codes(report) == []  # unused bytes
    elif layout.shards:
        assert codes(report) == [("EXZ301", f"a/{key}")]
    else:
        assert codes(report) == [("EXZ201" if layout.codec in ("zstd", "gzip") else "EXZ202", f"a/{key}")]


@of(EVERY)
def test_flipped_bit_in_the_data(store: Path, layout: Layout) -> None:
    """Only a checksum detects flipped bits, which is why new arrays have one."""
    key = layout.key(0, 1)
    at = {"zstd": -4, "crc32c": 30, "gzip": -8, "raw": 30}[layout.codec]  # for zstd and gzip: in the checksum
    file = store / "a" / key
    if layout.shards:  # the end of the first inner chunk, or its middle
        table = exzarr.open_array(store / "a").chunk_source.layout
        assert table is not None
        value = exzarr.LocalStore(store).open_value(f"a/{key}")
        assert value is not None
        starts, lengths = table.index(f"a/{key}", value)
        at = starts[2] + (lengths[2] + at if at < 0 else at)
        value.close()
    flip(file, at)
    expected = [("EXZ313" if layout.shards else "EXZ203", f"a/{key}")] if layout.checked else []
    report = found(store)
    assert codes(report) == expected
    if expected and layout.shards:
        (finding,) = report.findings
        assert finding.number == 2
        assert finding.index == (1, 2)


@of(EVERY)
def test_random_bytes_instead_of_a_chunk(store: Path, layout: Layout) -> None:
    key = layout.key(1, 0)
    file = store / "a" / key
    file.write_bytes(b"\xa5" * (file.stat().st_size + 1))
    report = found(store)
    if layout.shards:
        assert codes(report) == [("EXZ301", f"a/{key}")]
    elif layout.codec in ("raw", "crc32c"):
        assert codes(report) == [("EXZ202", f"a/{key}")]
    else:
        assert codes(report) == [("EXZ201", f"a/{key}")]


@of(EVERY)
def test_chunk_missing_from_a_full_array(store: Path, layout: Layout) -> None:
    for index in ((0, 0), (1, 2)):
        (store / "a" / layout.key(*index)).unlink()
    assert codes(found(store)) == []
    wanted = [("EXZ204", f"a/{layout.key(*index)}") for index in ((0, 0), (1, 2))]
    assert codes(found(store, full=True)) == wanted
    assert codes(found(store, full="a")) == wanted
    assert codes(found(store, full=["b*"])) == []
    exzarr.open_array(store / "a").attrs["exzarr_full"] = True
    assert codes(found(store)) == wanted


@of(EVERY)
def test_chunks_outside_the_grid(store: Path, layout: Layout) -> None:
    outside = [layout.key(0, 9), layout.key(7, 0)]
    for key in outside:
        (store / "a" / key).parent.mkdir(exist_ok=True)
        shutil.copy(store / "a" / layout.key(0, 0), store / "a" / key)
    assert codes(found(store)) == [("EXZ401", f"a/{key}") for key in sorted(outside)]


# -- shards ------------------------------------------------------------------------------


@of(SHARDED)
def test_flipped_bit_in_the_index_of_a_shard(store: Path, layout: Layout) -> None:
    key = layout.key(1, 1)
    flip(store / "a" / key, 20 if layout.shards == "start" else -INDEX + 20)
    assert codes(found(store)) == [("EXZ301", f"a/{key}")]


@of(SHARDED)
def test_shard_without_its_beginning(store: Path, layout: Layout) -> None:
    key = layout.key(1, 1)
    file = store / "a" / key
    file.write_bytes(file.read_bytes()[9:])
    assert codes(found(store)) == [("EXZ301" if layout.shards == "start" else "EXZ302", f"a/{key}")]


@of(SHARDED)
def test_inner_chunk_missing_from_a_full_array(store: Path, layout: Layout) -> None:
    exzarr.open_array(store / "a")[0:5, 0:6] = 0  # the fill value: it is not stored
    assert codes(found(store)) == []
    report = found(store, full=True)
    assert codes(report) == [("EXZ314", f"a/{layout.key(0, 0)}")]
    assert "1 of 4 inner chunks" in report.findings[0].detail


# -- metadata ----------------------------------------------------------------------------


def document(store: Path, layout: Layout, node: str = "a") -> Path:
    if layout.zarr_format == 3:
        return store / node / "zarr.json"
    return store / node / (".zarray" if node else ".zgroup")


@of(SOME)
def test_truncated_document(store: Path, layout: Layout) -> None:
    file = document(store, layout)
    file.write_bytes(file.read_bytes()[:-10])
    assert codes(found(store)) == [("EXZ101", f"a/{file.name}")]


@of(SOME)
def test_invalid_document(store: Path, layout: Layout) -> None:
    rewrite(document(store, layout), lambda json: json.update(shape=[-1, 30]))
    assert codes(found(store)) == [("EXZ102", f"a/{document(store, layout).name}")]


@of(SHARDED[::4])
def test_codec_that_does_not_fit_the_chunks(store: Path, layout: Layout) -> None:
    rewrite(
        document(store, layout),
        lambda json: json["chunk_grid"]["configuration"].update(chunk_shape=[SHARDS[0], SHARDS[1] + 1]),
    )
    assert codes(found(store)) == [("EXZ102", "a/zarr.json")]


@of(SOME)
def test_unknown_codec(store: Path, layout: Layout) -> None:
    def change(json: dict) -> None:
        if layout.zarr_format == 3:
            json["codecs"].append({"name": "of-the-future"})
        else:
            json["compressor"] = {"id": "of-the-future"}

    rewrite(document(store, layout), change)
    report = found(store)
    assert codes(report) == [("EXZ103", f"a/{document(store, layout).name}")]
    assert report.ok


@of(SOME)
def test_missing_document(store: Path, layout: Layout) -> None:
    document(store, layout).unlink()
    (store / "a" / ".zattrs").unlink(missing_ok=True)
    assert codes(found(store)) == [("EXZ402", "a")]


@of(SOME)
def test_missing_root_document(store: Path, layout: Layout) -> None:
    """The arrays are still found."""
    document(store, layout, "").unlink()
    (store / ".zattrs").unlink(missing_ok=True)
    report = found(store)
    assert codes(report) == []
    assert report.arrays == 1


# -- keys --------------------------------------------------------------------------------


@of(SOME)
def test_keys_that_belong_to_no_node(store: Path, layout: Layout) -> None:
    (store / "notes.txt").write_text("of mine")
    (store / "a" / "old.bak").write_text("too")
    (store / "drafts").mkdir()
    (store / "drafts" / "one.txt").write_text("three")
    assert codes(found(store)) == [
        ("EXZ403", "a/old.bak"),
        ("EXZ403", "drafts"),
        ("EXZ403", "notes.txt"),
    ]


@of(SOME)
def test_link_to_a_target_outside_the_store(store: Path, layout: Layout, tmp_path: Path) -> None:
    inside = store / "a" / layout.key(0, 0)
    outside = tmp_path / "elsewhere"
    inside.rename(outside)
    inside.symlink_to(outside)
    (store / "a" / layout.key(0, 1)).rename(store / "aside")
    (store / "a" / layout.key(0, 1)).symlink_to(store / "aside")
    make_old(tmp_path)
    report = exzarr.check(store)
    assert codes(report) == [("EXZ404", f"a/{layout.key(0, 0)}"), ("EXZ403", "aside")]
    assert report.chunks == (6 if layout.shards else 20)


@of(SOME)
def test_node_inside_an_array(store: Path, layout: Layout) -> None:
    shutil.copytree(store / "a", store / "a" / "inner")
    report = found(store)
    name = document(store, layout).name
    assert ("EXZ106", f"a/inner/{name}") in codes(report)
    assert {code for code, _ in codes(report)} == {"EXZ106", "EXZ403"}  # its chunks do not belong to `a`
