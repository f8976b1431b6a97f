"""No data is lost on full disks, in read-only folders, and with deleted files and links that lead out of the store.

Tests that need another file system or another user run in a separate process.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import contents

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="for POSIX systems")


@cache
def cannot_mount() -> str:
    """Return the reason why no file system can be mounted here; empty if one can."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    done = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"nothing can be mounted here: {done.stderr.strip()}"


def run(
    source: str, *args: object, before: str = "", within: list[str] | None = None, **options: object
) -> None:
    """Run Python source in a separate process, after a shell command in a separate mount namespace."""
    command = [*(within or []), sys.executable, "-c", SETUP + source, *map(str, args)]
    if before:
        if cannot_mount():
            pytest.skip(cannot_mount())
        command = ["unshare", "-rm", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr


SETUP = """
import os, sys
from pathlib import Path
import numpy as np
import exzarr
from exzarr.stores.local.store import LocalStore
from tests.engine.tools import contents

def hierarchy(path):
    root = exzarr.open_group(path, mode="w", attributes={"title": "old"})
    for name, options in (("a", {}), ("s", {"shards": (64, 64)}), ("raw", {"compressors": None})):
        array = root.create_array(name, shape=(64, 64), chunks=(32, 32), dtype="u1", **options)
        array[...] = random((64, 64))
    exzarr.consolidate_metadata(root)
    return root

def random(shape):
    return np.random.default_rng(0).integers(1, 256, shape, "u1")

BIG = random((640, 640))

def no_leftovers(path):
    left = [str(file) for file in Path(path).rglob("*") if "exzarr-tmp" in file.name]
    assert not left, left
"""

# Each of these fails on a full disk and keeps the old data.
FULL = """
OPERATIONS = {
    "append": lambda root: root["a"].append(BIG.reshape(-1, 64)),
    "append to shards": lambda root: root["s"].append(BIG.reshape(-1, 64)),
    "append raw": lambda root: root["raw"].append(BIG.reshape(-1, 64)),
    "new array": lambda root: root.create_array("new", data=BIG, chunks=(64, 64)),
    "attributes": lambda root: root["a"].attrs.update(text="x" * 500_000),
    "group attributes": lambda root: root.attrs.update(text="x" * 500_000),
    "copy": lambda root: exzarr.copy(exzarr.array(BIG), root, path="copy"),
    "zip": lambda root: exzarr.copy(exzarr.array(BIG), str(Path(root.store.path).parent / "new.zip")),
}

def must_fail(path, error_type, number):
    root = hierarchy(path)
    before = contents(LocalStore(path))
    old = {name: root[name][...] for name in ("a", "s", "raw")}
    for what, operate in OPERATIONS.items():
        try:
            operate(root)
        except error_type as error:
            assert error.errno == number, (what, error.errno, error)
            assert "cannot write" in str(error), (what, error)
        else:
            raise SystemExit(f"{what} did not fail")
        now = contents(LocalStore(path))
        changed = [key for key in before if now.get(key) != before[key]]
        assert not changed, (what, changed)
        for name, values in old.items():
            np.testing.assert_array_equal(exzarr.open_array(path, path=name)[...], values)
        assert exzarr.open_group(path).attrs["title"] == "old"
        no_leftovers(Path(path).parent)
        assert not (Path(path).parent / "new.zip").exists()
        # Chunks that a failed append or copy has written belong to no node. Delete them to free space.
        for key in set(now) - set(before):
            LocalStore(path).delete(key)
    root["a"][:32, :32] = 7  # there is space for this
    assert (exzarr.open_array(path, path="a")[:32, :32] == 7).all()
    grown = exzarr.check(path, deep=True, grace=0)
    assert grown.ok, grown
"""


def test_full_disk_loses_no_data(tmp_path: Path) -> None:
    """A file system of 300 KiB."""
    run(
        FULL + "import errno\nmust_fail(sys.argv[1] + '/s.zarr', exzarr.StoreError, errno.ENOSPC)",
        tmp_path,
        before=f"mount -t tmpfs -o size=300k none {tmp_path}",
    )


def test_file_size_limit_loses_no_data(tmp_path: Path) -> None:
    """Without mounts: the system refuses files larger than 20 KiB."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 10, 20 << 10))

    run(
        FULL
        + """
import errno, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
# One value of each is too large. With small chunks there is space for all of them.
OPERATIONS = {
    "attributes": OPERATIONS["attributes"],
    "group attributes": OPERATIONS["group attributes"],
    "new array": lambda root: root.create_array("new", data=BIG, chunks=(640, 640)),
    "copy": lambda root: exzarr.copy(exzarr.array(BIG), root, path="copy", chunks=(640, 640)),
    "zip": OPERATIONS["zip"],
}
must_fail(sys.argv[1] + "/s.zarr", exzarr.StoreError, errno.EFBIG)
""",
        tmp_path,
        preexec_fn=limit,
    )


READ_ONLY = """
path = sys.argv[1]
before = contents(LocalStore(path))

def refused(operate):
    try:
        operate()
    except exzarr.ReadOnlyError as error:
        assert "permission" in str(error).lower() or "read-only" in str(error).lower(), error
    else:
        raise SystemExit("it was not refused")
    assert contents(LocalStore(path)) == before
    no_leftovers(path)

for root in (exzarr.open_group(path, mode="r+"), exzarr.Group(exzarr._nodes.hierarchy.Location(LocalStore(path), ""), exzarr._nodes.hierarchy.load_group(exzarr._nodes.hierarchy.Location(LocalStore(path), "")))):
    refused(lambda: root["a"].__setitem__((slice(0, 32), slice(0, 32)), 1))
    refused(lambda: root["a"].__setitem__((3, 4), 1))
    refused(lambda: root["s"].__setitem__((3, 4), 1))
    refused(lambda: root["a"].append(BIG[:1, :64]))
    refused(lambda: root["a"].resize((3, 3)))
    refused(lambda: root["a"].attrs.update(x=1))
    refused(lambda: root.attrs.update(x=1))
    refused(lambda: root.create_group("new"))
    refused(lambda: root.create_array("new", shape=(3,), dtype="i4"))
    refused(lambda: root.__delitem__("a"))
    refused(lambda: exzarr.consolidate_metadata(root))
    refused(lambda: exzarr.copy(exzarr.zeros((3, 3)), root, path="copy"))
root = exzarr.open_group(path)
assert root["a"][...].any() and root.read_only
report = exzarr.check(path, deep=True)
assert report.findings == ()
"""


def test_read_only_file_system_raises_and_changes_nothing(tmp_path: Path) -> None:
    run("hierarchy(sys.argv[1])", tmp_path / "s.zarr")
    run(
        "import exzarr._nodes.hierarchy\n" + READ_ONLY,
        tmp_path / "s.zarr",
        before=f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}",
    )


def test_folder_without_permission_raises_and_changes_nothing(tmp_path: Path) -> None:
    """Also as root, without the capability to override permissions."""
    run("hierarchy(sys.argv[1])", tmp_path / "s.zarr")
    for entry in [tmp_path / "s.zarr", *(tmp_path / "s.zarr").rglob("*")]:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    as_user: list[str] = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to make it like others")
        as_user = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    try:
        run("import exzarr._nodes.hierarchy\n" + READ_ONLY, tmp_path / "s.zarr", within=as_user)
    finally:
        for entry in [tmp_path / "s.zarr", *(tmp_path / "s.zarr").rglob("*")]:
            entry.chmod(0o755)


# -- what vanishes -------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    array = exzarr.create_array(
        tmp_path / "s.zarr", name="a", shape=(8, 8), chunks=(4, 4), dtype="i4", fill_value=-1
    )
    array[...] = np.arange(64).reshape(8, 8)
    return tmp_path / "s.zarr"


def test_deleted_chunk_reads_as_missing(path: Path) -> None:
    array = exzarr.open_array(path, path="a")
    strict = exzarr.open_array(path, path="a", missing="error")
    (path / "a" / "c" / "1" / "0").unlink()
    assert (array[4:, :4] == -1).all()
    assert array[:4].tolist() == np.arange(32).reshape(4, 8).tolist()
    with pytest.raises(exzarr.ChunkMissingError, match=r"chunk \(1, 0\)"):
        strict[...]


def test_deleted_array_raises(path: Path) -> None:
    array = exzarr.open_array(path, path="a", mode="r+")
    shutil.rmtree(path / "a")
    for operate in (
        lambda: array.append(np.zeros((1, 8), "i4")),
        lambda: array.resize((3, 3)),
        lambda: array.attrs.update(x=1),
        array.refresh,
    ):
        with pytest.raises(exzarr.NodeNotFoundError, match="a"):
            operate()
    assert not (path / "a").exists()


def test_store_deleted_during_read(path: Path) -> None:
    """An open shard keeps its content."""
    array = exzarr.create_array(path, name="s", shape=(8, 8), chunks=(2, 2), shards=(8, 8), dtype="i4")
    array[...] = 5
    value = LocalStore(path).open_value("s/c/0/0")
    assert value is not None
    shutil.rmtree(path / "s")
    whole = bytearray(value.size)
    value.read_into(memoryview(whole), 0)
    value.close()
    assert array[...].tolist() == [[0] * 8] * 8


# -- what leads away -----------------------------------------------------------------------


def test_write_replaces_a_linked_chunk_and_leaves_its_target(path: Path) -> None:
    outside = path.parent / "mine"
    chunk = path / "a" / "c" / "0" / "0"
    chunk.rename(outside)
    chunk.symlink_to(outside)
    before = outside.read_bytes()
    array = exzarr.open_array(path, path="a", mode="r+")
    assert array[0, :4].tolist() == [0, 1, 2, 3]
    array[1, 1] = 99  # reads the chunk through the link, and puts a file in its place
    assert outside.read_bytes() == before
    assert not chunk.is_symlink()
    assert array[0:2, :4].tolist() == [[0, 1, 2, 3], [8, 99, 10, 11]]
    theirs = zarr.open_array(path / "a", mode="r")
    np.testing.assert_array_equal(theirs[...], array[...])  # type: ignore[arg-type]


def test_write_leaves_the_target_of_a_linked_document(path: Path) -> None:
    outside = path.parent / "zarr.json"
    (path / "a" / "zarr.json").rename(outside)
    (path / "a" / "zarr.json").symlink_to(outside)
    before = outside.read_bytes()
    array = exzarr.open_array(path, path="a", mode="r+")
    array.attrs["x"] = 1
    array.append(np.zeros((1, 8), "i4"))
    assert outside.read_bytes() == before
    assert array.refresh().shape == (9, 8)


@pytest.mark.parametrize("what", ["a", "a/c", "a/c/0"])
def test_delete_leaves_the_targets_of_links(path: Path, what: str) -> None:
    outside = path.parent / "mine"
    (path / what).rename(outside)
    (path / what).symlink_to(outside)
    before = contents(LocalStore(outside))
    root = exzarr.open_group(path, mode="r+")
    assert root["a"][0, 0] == 0  # type: ignore[index]
    del root["a"]
    assert contents(LocalStore(outside)) == before
    assert "a" not in root


def test_folder_or_pipe_at_a_chunk_key_reads_as_missing_and_blocks_writes(path: Path) -> None:
    folder, pipe = path / "a" / "c" / "0" / "0", path / "a" / "c" / "0" / "1"
    folder.unlink()
    folder.mkdir()
    (folder / "mine").write_text("x")
    pipe.unlink()
    os.mkfifo(pipe)
    array = exzarr.open_array(path, path="a", mode="r+")
    assert (array[:4] == -1).all()
    with pytest.raises(exzarr.StoreError, match="a/c/0/0"):
        array[:4, :4] = 1
    assert (folder / "mine").read_text() == "x"
    array[:4, 4:] = 1  # a pipe can be replaced
    assert (array[:4, 4:] == 1).all()
