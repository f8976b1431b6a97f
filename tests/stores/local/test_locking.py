"""The first write that needs a lock says what locks guarantee in its folder, or refuses to rely on them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import LocalStore, config
from exzarr.errors import ArgumentError, LockingWarning, UpdateUnsupportedError
from exzarr.stores.local import file_systems, locking
from exzarr.stores.local.file_systems import UNKNOWN, Mount, Reach, mount_of, parse_mounts, reach_of
from exzarr.stores.local.locking import locks_in

LINES = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
31 22 0:27 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw
40 22 0:51 / /home rw shared:9 master:2 - nfs4 server:/export/home rw,vers=4.2,local_lock=none,addr=10.0.0.1
41 22 0:52 / /scratch\040big rw - lustre mds@tcp:/lfs rw,flock,lazystatfs
42 22 0:53 / /mnt/s3 rw - fuse.s3fs s3fs rw,user_id=0
43 22 0:54 / /gone
44 22 0:55 / /odd rw -
"""


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "_known", {})


# -- mounts ---------------------------------------------------------------------------------------


def test_mountinfo_lists_point_type_source_and_options() -> None:
    mounts = parse_mounts(LINES)
    assert {number: (mount.point, mount.kind, mount.source) for number, mount in mounts.items()} == {
        22: ("/", "ext4", "/dev/nvme0n1p2"),
        31: ("/dev/shm", "tmpfs", "tmpfs"),
        40: ("/home", "nfs4", "server:/export/home"),
        41: ("/scratch big", "lustre", "mds@tcp:/lfs"),
        42: ("/mnt/s3", "fuse.s3fs", "s3fs"),
    }
    assert {"rw", "vers=4.2", "local_lock=none"} <= mounts[40].options


@pytest.mark.parametrize(
    ("kind", "options", "reach"),
    [
        ("ext4", "rw", Reach.ALL),
        ("tmpfs", "rw", Reach.ALL),
        ("overlay", "rw", Reach.ALL),
        ("xfs", "rw", Reach.ALL),
        ("fuseblk", "rw", Reach.ALL),  # NTFS on a local disk
        ("nfs4", "rw,vers=4.2,local_lock=none", Reach.HOSTS),
        ("nfs", "rw,vers=3", Reach.HOSTS),
        ("nfs", "rw,vers=3,nolock", Reach.HOST),
        ("nfs", "rw,vers=3,local_lock=flock", Reach.HOST),
        ("nfs4", "rw,local_lock=all", Reach.HOST),
        ("nfs4", "rw,local_lock=posix", Reach.HOSTS),
        ("lustre", "rw,flock", Reach.HOSTS),
        ("lustre", "rw,localflock", Reach.HOST),
        ("lustre", "rw,noflock", Reach.NONE),
        ("cifs", "rw,vers=3.1.1", Reach.HOSTS),
        ("smb3", "rw,nobrl", Reach.HOST),
        ("ceph", "rw", Reach.HOSTS),
        ("gfs2", "rw,localflocks", Reach.HOST),
        ("gpfs", "rw", Reach.NOT_KNOWN),
        ("fuse.sshfs", "rw", Reach.NOT_KNOWN),
        ("virtiofs", "rw", Reach.NOT_KNOWN),
        ("a new one", "rw", Reach.NOT_KNOWN),
    ],
)
def test_reach_follows_type_and_options(kind: str, options: str, reach: Reach) -> None:
    assert reach_of(Mount("/m", kind, "", frozenset(options.split(",")))) is reach


def test_system_without_mountinfo_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "MOUNTINFO", str(tmp_path / "none"))
    assert mount_of(str(tmp_path)) is UNKNOWN
    assert mount_of(str(tmp_path / "missing")) is UNKNOWN


MOUNTED = """
import os, subprocess, sys
from exzarr.stores.local.locking import locks_in
top = sys.argv[1]
def mount(*args):
    subprocess.run(["mount", *args], check=True)
mount("-t", "tmpfs", "none", top)
for name in ("lower", "upper", "work", "merged", "bound"):
    os.mkdir(os.path.join(top, name))
mount("-t", "overlay", "overlay", "-o", f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work", f"{top}/merged")
mount("--bind", f"{top}/merged", f"{top}/bound")
for folder in (top, f"{top}/merged", f"{top}/bound", f"{top}/merged/not/yet"):
    found, _ = locks_in(folder)
    print(found.mount.kind, found.reach.name, os.path.relpath(found.mount.point, top))
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="only root can mount")
def test_mounts_of_the_kernel_are_found(tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, "-c", MOUNTED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip("this container may not mount")
    assert done.stdout.splitlines() == [
        "tmpfs ALL .",
        "overlay ALL merged",
        "overlay ALL merged",
        "overlay ALL merged",
    ], done.stderr


# -- a real file system in user space -----------------------------------------------------------------


@pytest.fixture
def fuse(tmp_path: Path) -> Iterator[Path]:
    """A folder on a FUSE file system."""
    if not shutil.which("bindfs") or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("bindfs is not installed, or /dev/fuse is missing")
    (tmp_path / "source").mkdir()
    (tmp_path / "mounted").mkdir()
    command = ["bindfs", "--no-allow-other", str(tmp_path / "source"), str(tmp_path / "mounted")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount")
    yield tmp_path / "mounted"
    subprocess.run(["umount", str(tmp_path / "mounted")], check=True)


@pytest.mark.slow
def test_fuse_warns_once_at_the_first_write_that_needs_a_lock(fuse: Path) -> None:
    array = exzarr.create_array(fuse / "a.zarr", data=np.zeros(20, "i4"), chunks=10)
    array[:10] = 1  # whole chunks need no lock: no warning
    with pytest.warns(LockingWarning, match=r"is on fuse mounted on .*on other hosts is not known"):
        array[3] = 2
    array[13] = 2  # a second warning would be an error
    exzarr.open_array(fuse / "a.zarr")[4] = 2
    assert array[:5].tolist() == [1, 1, 1, 2, 2]


@pytest.mark.slow
def test_required_locking_refuses_fuse_and_changes_nothing(fuse: Path) -> None:
    array = exzarr.create_array(
        LocalStore(fuse / "a.zarr", locking="required"), data=np.zeros(20, "i4"), chunks=10
    )
    array[:] = 1
    for write in (
        lambda: array.__setitem__(3, 2),
        lambda: array.append([5]),
        lambda: array.attrs.update(a=1),
    ):
        with pytest.raises(
            UpdateUnsupportedError, match=r"locking is 'required'.*Writes of whole chunks need no lock"
        ):
            write()
    assert array[...].tolist() == [1] * 20
    assert dict(array.refresh().attrs) == {}
    assert not [path for path in fuse.rglob("*") if "exzarr-tmp" in path.name]


# -- other network file systems: a real folder, and the mountinfo of another machine ------------------------


@pytest.fixture
def mounted_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the kernel's list of mounts say that `tmp_path` is on another file system."""

    def change(kind: str, options: str = "rw") -> None:
        with Path("/proc/self/fdinfo").joinpath(str(fd := os.open(tmp_path, os.O_RDONLY))).open() as file:
            (number,) = [line.split()[1] for line in file if line.startswith("mnt_id:")]
        os.close(fd)
        (tmp_path / "mountinfo").write_text(f"{number} 1 0:9 / /shared rw - {kind} server:/x {options}\n")
        monkeypatch.setattr(file_systems, "MOUNTINFO", str(tmp_path / "mountinfo"))
        locking._known.clear()

    if not Path("/proc/self/fdinfo").is_dir():
        pytest.skip("no /proc")
    return change


def stored(folder: Path, **options: Any) -> exzarr.Array:
    exzarr.save_array(folder / "a.zarr", np.zeros(20, "i4"), chunks=10)
    return exzarr.open_array(LocalStore(folder / "a.zarr", **options), mode="r+")


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (
            "nfs4",
            "rw",
            "exclude writers on all hosts if the server supports them, which this host cannot check",
        ),
        ("nfs", "rw,nolock", "exclude only writers on this host"),
        (
            "gpfs",
            "rw",
            "exclude writers on this host; whether they exclude those on other hosts is not known",
        ),
    ],
)
def test_warning_states_what_is_guaranteed(
    tmp_path: Path, mounted_as: Any, kind: str, options: str, text: str
) -> None:
    array = stored(tmp_path)
    mounted_as(kind, options)
    with pytest.warns(LockingWarning, match=rf"is on {kind} mounted on '/shared': locks {text}"):
        array[3] = 1


@pytest.mark.parametrize(
    ("kind", "options"), [("nfs", "rw,nolock"), ("gpfs", "rw"), ("lustre", "rw,noflock")]
)
def test_required_locking_refuses_what_cannot_be_promised(
    tmp_path: Path, mounted_as: Any, kind: str, options: str
) -> None:
    array = stored(tmp_path, locking="required")
    mounted_as(kind, options)
    array[:10] = 1
    with pytest.raises(UpdateUnsupportedError, match=f"is on {kind}"):
        array[3] = 2
    assert array[3] == 1


def test_required_locking_accepts_locks_of_a_server_that_work_here(tmp_path: Path, mounted_as: Any) -> None:
    array = stored(tmp_path, locking="required")
    mounted_as("nfs4")
    with pytest.warns(LockingWarning, match="which this host cannot check"):
        array[3] = 2
    assert array[3] == 2


def test_locks_that_do_not_exclude_are_none(
    tmp_path: Path, mounted_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = stored(tmp_path, locking="required")
    mounted_as("nfs4")
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # a server that grants every lock
    assert locks_in(str(tmp_path))[0].reach is Reach.NONE
    with pytest.raises(UpdateUnsupportedError, match="there are no locks"):
        array[3] = 2


def test_missing_hard_links_are_named(
    tmp_path: Path, mounted_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    array = stored(tmp_path)
    mounted_as("cifs")
    monkeypatch.setattr("os.link", refuse)
    with pytest.warns(LockingWarning, match="no hard links, so two writers that create the same chunk"):
        array[3] = 1


def test_sqlite_and_zip_files_warn_and_refuse_too(tmp_path: Path, mounted_as: Any) -> None:
    array = exzarr.create_array(f"sqlite://{tmp_path}/a.db", data=np.zeros(20), chunks=10)
    mounted_as("gpfs")
    with pytest.warns(LockingWarning):
        array[3] = 1
    with config.override(locking="required"):
        with pytest.raises(UpdateUnsupportedError):
            array[4] = 1
        with pytest.raises(UpdateUnsupportedError):
            exzarr.ZipStore(tmp_path / "a.zip", "w").put("a", b"")


# -- local disks ----------------------------------------------------------------------------------------


def test_local_disks_never_warn(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        array = stored(tmp_path, locking="required")
        array[3] = 1
        array.append([2])
        array.attrs["a"] = 1
    assert locks_in(str(tmp_path))[0].reach is Reach.ALL


def test_setting_applies_to_paths_and_is_kept_in_pickles_and_views(tmp_path: Path) -> None:
    stored(tmp_path)
    with config.override(locking="required"):
        array = exzarr.open_array(tmp_path / "a.zarr")
    assert isinstance(array.store, LocalStore)
    copy = pickle.loads(pickle.dumps(array)).store
    assert array.store.locking == copy.locking == array.store.as_read_only().locking == "required"
    assert LocalStore(tmp_path).locking == "auto"
    with pytest.raises(ArgumentError, match="locking is 'auto' or 'required', not 'never'"):
        LocalStore(tmp_path, locking="never")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="locking must be one of"):
        config.override(locking="never").__enter__()


def test_required_locking_refuses_disabled_locks(tmp_path: Path) -> None:
    array = stored(tmp_path, locking="required")
    array[3] = 1
    with config.override(file_locks=False), pytest.raises(UpdateUnsupportedError, match="disabled"):
        array[3] = 2
    assert array[3] == 1


def _write(array: exzarr.Array) -> None:
    array[5] = 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_can_check_again(tmp_path: Path) -> None:
    array = stored(tmp_path, locking="required")
    with locking._guard:
        child = multiprocessing.get_context("fork").Process(target=_write, args=(array,))
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert array[5] == 7
