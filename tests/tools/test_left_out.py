"""How tools handle nodes that they cannot process: the table in docs/guides/check-and-repair.md, row by row."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr.errors import ArgumentError, ExzarrError, LeftOutWarning, StoreError
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "check-and-repair.md"
DATA = np.arange(8, dtype="i4")
links = pytest.mark.skipif(sys.platform == "win32", reason="needs links and names that Windows has not")


@dataclass
class Case:
    """A store with a group `top` that contains `good`, `deep/inner`, and one obstacle."""

    store: Any
    zarr_format: Any
    folder: Path
    name: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def document(self, path: str, kind: str = "array") -> str:
        return f"top/{path}/zarr.json" if self.zarr_format == 3 else f"top/{path}/.z{kind}"

    def chunk(self, index: int) -> str:
        return f"top/good/c/{index}" if self.zarr_format == 3 else f"top/good/{index}"

    def path(self, key: str) -> Path:
        return self.folder / "h.zarr" / key


def case(tmp_path: Path, zarr_format: int, store: Any = None) -> Case:
    made = Case(LocalStore(tmp_path / "h.zarr") if store is None else store, zarr_format, tmp_path)
    root = exzarr.create_group(made.store, zarr_format=made.zarr_format)
    for name in ("good", "deep/inner"):
        root.create_array(f"top/{name}", data=DATA, chunks=4)
    return made


# -- the obstacles -----------------------------------------------------------------------------


def invalid(one: Case) -> str:
    one.store.put(one.document("bad"), b'{"zarr_format": ')
    return "bad"


def unsupported(one: Case) -> str:
    document = json.loads(bytes(one.store.get(one.document("good"))))
    document.update({"data_type": "int1024"} if one.zarr_format == 3 else {"dtype": "int1024"})
    one.store.put(one.document("bad"), json.dumps(document).encode())
    return "bad"


def hole(one: Case) -> str:
    one.store.delete(one.document("deep", "group"))
    return "deep"


def orphans(one: Case) -> str:
    one.store.put("top/lost/c/0" if one.zarr_format == 3 else "top/lost/0", b"chunk")
    return "lost"


def dangling(one: Case) -> str:
    one.path("top/gone").symlink_to(one.folder / "nowhere")
    return "gone"


def loop(one: Case) -> str:
    one.path("top/deep/round").symlink_to(one.path("top"))
    return "round"


def behind(one: Case) -> str:
    """Make a link to a group that contains a link to another group."""
    exzarr.create_group(one.folder / "aside", zarr_format=one.zarr_format)
    exzarr.create_group(one.folder / "aside2", zarr_format=one.zarr_format)
    (one.folder / "aside" / "second").symlink_to(one.folder / "aside2")
    one.path("top/first").symlink_to(one.folder / "aside")
    return "second"


def bad_name(one: Case) -> str:
    try:
        one.path("top").joinpath(os.fsdecode(b"odd\xff")).mkdir()
    except OSError:
        pytest.skip("the file system has no such names")
    return "odd"


def dangling_chunk(one: Case) -> str:
    one.path(one.chunk(1)).unlink()
    one.path(one.chunk(1)).symlink_to(one.folder / "nowhere")
    return one.chunk(1)


def outside(one: Case) -> str:
    one.store.put(one.chunk(9), one.store.get(one.chunk(0)))
    return one.chunk(9)


def foreign(one: Case) -> str:
    one.store.put("top/README.txt", b"read me")
    return "README.txt"


def damaged(one: Case) -> str:
    one.store.put(one.chunk(1), b"no chunk")
    return one.chunk(1)


def other_version(one: Case) -> str:
    exzarr.create_array(one.store, name="top/other", data=DATA, zarr_format=5 - one.zarr_format)
    return "other"


class Refusing(MemoryStore):
    """A store that refuses to list one prefix."""

    refused = "top/deep"

    def as_read_only(self) -> MemoryStore:
        return self

    def _refuse(self, prefix: str) -> None:
        if prefix == self.refused or prefix.startswith(self.refused + "/"):
            raise StoreError(f"may not list {prefix!r}")

    def list(self, prefix: str = "") -> Any:
        self._refuse(prefix)
        return super().list(prefix)

    def list_dir(self, prefix: str = "") -> Any:
        self._refuse(prefix)
        return super().list_dir(prefix)


def unlistable(one: Case) -> str:
    return "deep"


OBSTACLES: dict[str, Callable[[Case], str]] = {
    "document that cannot be read": invalid,
    "unknown data type": unsupported,
    "group without a document, with nodes below it": hole,
    "chunks without a document": orphans,
    "group that cannot be listed": unlistable,
    "link to a missing target": dangling,
    "link to a folder that contains it": loop,
    "link to a folder, behind another such link": behind,
    "name that is not a valid key": bad_name,
    "chunk that is a link to a missing target": dangling_chunk,
    "node of the other format version": other_version,
    "damaged chunk": damaged,
    "chunk outside the grid": outside,
    "file that belongs to no node": foreign,
}
ON_LINKS = {dangling, loop, behind, bad_name, dangling_chunk}


# -- the tools ---------------------------------------------------------------------------------


def copied(one: Case, **options: Any) -> str:
    report = exzarr.copy(one.store, one.folder / "copy.zarr", source_path="top", **options)
    return "\n".join([*report.left_out, *report.notes])


def converted(one: Case, **options: Any) -> str:
    to = 5 - one.zarr_format
    report = exzarr.convert(one.store, to, path="top", destination=one.folder / "copy.zarr", **options)
    return "\n".join([*report.left_out, *report.notes])


def converted_in_place(one: Case, **options: Any) -> str:
    return "\n".join(exzarr.convert(one.store, 5 - one.zarr_format, path="top", **options).left_out)


def told(call: Callable[[], Any]) -> str:
    """Return the text of the LeftOutWarning of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", LeftOutWarning)
        call()
    return "\n".join([str(one.message) for one in found])


def consolidated(one: Case, **options: Any) -> str:
    return told(lambda: exzarr.consolidate_metadata(one.store, "top", **options))


def summed(one: Case, **options: Any) -> str:
    return "\n".join(exzarr.checksum(one.store, path="top", **options).left_out)


def loaded(one: Case, **options: Any) -> str:
    return told(lambda: exzarr.load(one.store, "top", **options))


def group_copied(one: Case, **options: Any) -> str:
    root = exzarr.open_group(one.store, mode="r+")
    source = "top/deep" if isinstance(one.store, Refusing) else "top"
    return told(lambda: root.copy(source, "copied", **options))


TOOLS: dict[str, Callable[..., str]] = {
    "copy": copied,
    "convert": converted,
    "convert in place": converted_in_place,
    "consolidate_metadata": consolidated,
    "checksum": summed,
    "load": loaded,
    "Group.copy": group_copied,
}


def table() -> dict[tuple[str, str], str]:
    """Return the guide's table: the behavior of each tool for each obstacle."""
    section = (
        GUIDE.read_text(encoding="utf-8").partition("## What tools leave out\n")[2].partition("\n## ")[0]
    )
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    header, _, *rest = rows
    columns = [[name.strip(" `") for name in cell.split(",")] for cell in header]
    return {
        (row[0], name): cell
        for row in rest
        for names, cell in zip(columns[1:], row[1:], strict=True)
        for name in names
    }


TABLE = table()


def prepared(tmp_path: Path, obstacle: str, zarr_format: int) -> Case:
    make = OBSTACLES[obstacle]
    if make in ON_LINKS and sys.platform == "win32":
        pytest.skip("needs links and names that Windows has not")
    one = case(tmp_path, zarr_format, Refusing() if make is unlistable else None)
    one.name = make(one)
    return one


def contents(store: Any) -> dict[str, bytes]:
    if isinstance(store, Refusing):
        store.refused = "?"
    found = {key: bytes(store.get(key)) for key in store.list("")}
    if isinstance(store, Refusing):
        store.refused = "top/deep"
    return found


def test_table_covers_all_obstacles_and_tools() -> None:
    assert {row for row, _ in TABLE} == {*OBSTACLES}
    assert {column for _, column in TABLE} == {*TOOLS, "tree", "check"}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("tool", TOOLS)
def test_tools_match_the_table(tool: str, obstacle: str, zarr_format: int, tmp_path: Path) -> None:
    one, run, what = prepared(tmp_path, obstacle, zarr_format), TOOLS[tool], TABLE[obstacle, tool]
    before = contents(one.store)
    if what in ("error", "always an error"):
        with pytest.raises(ExzarrError, match=re.escape(one.name)) as caught:
            run(one)
        assert contents(one.store) == before
        assert not (tmp_path / "copy.zarr").exists()
        if what == "error":
            if obstacle != "damaged chunk":
                assert "on_error='skip'" in str(caught.value)
            assert one.name in run(one, on_error="skip")
        else:
            with pytest.raises(ExzarrError, match=re.escape(one.name)):
                run(one, on_error="skip")
    elif what == "note":
        assert one.name in run(one)
    else:
        assert what in ("", "kept")
        assert one.name not in run(one)
        if what == "kept" and tool == "Group.copy":
            after = {
                key.replace("copied/", "top/", 1) for key in contents(one.store) if key.startswith("copied/")
            }
            assert after == {key for key in before if key.startswith("top/")}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_tree_and_check_match_the_table(obstacle: str, zarr_format: int, tmp_path: Path) -> None:
    one = prepared(tmp_path, obstacle, zarr_format)
    tree = str(exzarr.open_group(one.store, mode="r", path="top").tree())
    lines = [line for line in tree.splitlines() if one.name in line and "unreadable" in line]
    assert bool(lines) == (TABLE[obstacle, "tree"] == "shown"), tree
    report = exzarr.check(one.store, path="top", deep=True, grace=0)
    code = TABLE[obstacle, "check"].strip("`")
    if (obstacle, zarr_format) == ("unknown data type", 2):
        code = "EXZ102"  # format 2 only has NumPy's types, so an unknown type is invalid
    found = {finding.code for finding in report.findings if one.name in str(finding)}
    assert found == ({code} if code else set()), report


def test_type_missing_in_the_other_version(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "a.zarr")
    group.create_array("good", data=DATA)
    group.create_array("special", shape=(4,), dtype="i4", chunks=[[1, 3]])
    for run in (exzarr.copy, exzarr.convert):
        options: dict[str, Any] = {"zarr_format": 2}
        shutil.rmtree(tmp_path / "b.zarr", ignore_errors=True)
        place: Any = {"destination": tmp_path / "b.zarr"}
        with pytest.raises(ArgumentError, match=r"special.*on_error='skip'"):
            run(tmp_path / "a.zarr", **place, **options)
        assert not (tmp_path / "b.zarr").exists()
        report = run(tmp_path / "a.zarr", **place, **options, on_error="skip")
        assert [one.partition(":")[0] for one in report.left_out] == ["special"]
        assert [*exzarr.open_group(tmp_path / "b.zarr")] == ["good"]
        assert "left out: special" in str(report)
        assert report.asdict()["left_out"] == [*report.left_out]


def test_conversion_that_would_lose_files_is_refused(tmp_path: Path) -> None:
    group = exzarr.create_group(tmp_path / "a.zarr")
    group.create_array("x", data=DATA, chunks=2, shards=4)  # shards are re-encoded for format 2
    (tmp_path / "a.zarr" / "README.txt").write_text("read me")
    with pytest.raises(ArgumentError, match=r"README\.txt"):
        exzarr.convert(tmp_path / "a.zarr", 2)
    assert (tmp_path / "a.zarr" / "README.txt").read_text() == "read me"
    exzarr.convert(tmp_path / "a.zarr", 2, destination=tmp_path / "b.zarr")
    (tmp_path / "a.zarr" / "README.txt").unlink()
    exzarr.convert(tmp_path / "a.zarr", 2)
    np.testing.assert_array_equal(exzarr.open_array(tmp_path / "a.zarr" / "x")[...], DATA)


def test_incomplete_checksum_differs_from_complete_one(tmp_path: Path) -> None:
    one = case(tmp_path, 3)
    whole = exzarr.checksum(one.store)
    invalid(one)
    part = exzarr.checksum(one.store, on_error="skip")
    assert part.nodes == whole.nodes
    assert part.hexdigest != whole.hexdigest


def test_several_obstacles_are_named_in_one_error(tmp_path: Path) -> None:
    one = case(tmp_path, 3)
    invalid(one)
    hole(one)
    with pytest.raises(ExzarrError, match=r"bad.*'top/deep'"):
        exzarr.copy(one.store, MemoryStore())


def test_moving_a_group_deletes_nothing_that_was_not_copied(tmp_path: Path) -> None:
    one = case(tmp_path, 3)
    dangling(one)
    with pytest.raises(StoreError, match="gone"):
        exzarr.open_group(one.store, mode="r+").move("top", "other")
    assert one.path("top/gone").is_symlink()
    assert exzarr.open_group(one.store, path="top").nmembers(None) == 3


@pytest.mark.parametrize("wrong", ["ignore", None, True])
def test_other_values_of_on_error_are_refused(wrong: Any, tmp_path: Path) -> None:
    one = case(tmp_path, 3)
    for run in TOOLS.values():
        with pytest.raises(ArgumentError, match="on_error is 'raise' or 'skip'"):
            run(one, on_error=wrong)


def command(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_commands_skip_on_request_and_exit_with_status_1(tmp_path: Path) -> None:
    one = case(tmp_path, 3)
    invalid(one)
    source = one.path("top")
    for arguments in (
        ["copy", source, tmp_path / "c"],
        ["convert", source, tmp_path / "d", "--to", 2],
        ["checksum", source],
    ):
        status, _ = command(*arguments)
        assert status != 0
        status, text = command(*arguments, "--on-error", "skip")
        assert status == 1
        assert "left out: " in text
        assert "bad" in text
    assert command("copy", source, tmp_path / "e", "--on-error", "ignore")[0] != 0
    assert command("copy", one.path("top/deep"), tmp_path / "f", "--on-error", "skip")[0] == 0
    status, text = command("tree", source)
    assert status == 0
    assert "bad" in text
