"""On which file system a folder is, and how far the locks of its files reach.

Linux lists the mounts of a process in ``/proc/self/mountinfo``
(https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html), and the mount of an open file in its ``fdinfo``.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass

__all__ = ["UNKNOWN", "Mount", "Reach", "mount_of", "parse_mounts", "reach_of"]

MOUNTINFO = "/proc/self/mountinfo"

LOCAL = frozenset(
    "apfs bcachefs btrfs erofs exfat ext2 ext3 ext4 f2fs fuseblk hfs hfsplus jfs nilfs2 ntfs ntfs3 overlay ramfs "
    "reiserfs rootfs squashfs tmpfs udf vfat xfs zfs".split()
)
"""File systems that one host mounts, so that its locks exclude all writers."""


class Reach(enum.Enum):
    """Which writers a lock on a file excludes."""

    ALL = "all"
    """All: only this host mounts the file system."""
    HOSTS = "hosts"
    """Those of all hosts, if the server is configured for it, which one host cannot check."""
    HOST = "host"
    """Those of this host only."""
    NOT_KNOWN = "not known"
    """Those of this host; others only if the file system supports it, which is not known."""
    NONE = "none"
    """None: the file system has no locks."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes
    ----------
    point
        Folder on which it is mounted; empty if it is not known.
    kind
        Its type, as the kernel names it: ``ext4``, ``nfs4``, ``fuse.sshfs``.
    source
        What is mounted: a device, or a server and its folder.
    options
        Options of the mount and of the file system.
    """

    point: str
    kind: str
    source: str = ""
    options: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.kind} mounted on {self.point!r}" if self.point else "an unknown file system"


UNKNOWN = Mount("", "unknown")
"""The mount of a folder on systems that do not tell."""


def parse_mounts(text: str) -> dict[int, Mount]:
    """Return the mounts that a ``mountinfo`` lists, by their number.

    A line is ``36 35 98:0 /root /point rw,noatime shared:1 - nfs4 server:/folder rw,vers=4.2``.
    """
    mounts = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not dash or len(fields) < 6 or len(rest) < 3 or not fields[0].isdigit():
            continue
        options = frozenset(f"{fields[5]},{rest[2]}".split(","))
        mounts[int(fields[0])] = Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), options)
    return mounts


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def mount_of(folder: str) -> Mount:
    """Return the mount of an existing folder; `UNKNOWN` if the system does not tell."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return UNKNOWN
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            numbers = [int(line.split()[1]) for line in file if line.startswith("mnt_id:")]
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            mounts = parse_mounts(file.read())
    except (OSError, ValueError, IndexError):  # not Linux, or no /proc
        return UNKNOWN
    finally:
        os.close(fd)
    return mounts.get(numbers[0], UNKNOWN) if numbers else UNKNOWN


def reach_of(mount: Mount) -> Reach:
    """Return the reach of locks on a file system, by its type and its options."""
    kind, options = mount.kind, mount.options
    if kind in LOCAL:
        return Reach.ALL
    if kind in ("nfs", "nfs4"):  # https://man7.org/linux/man-pages/man5/nfs.5.html
        local = {"nolock", "local_lock=all", "local_lock=flock"} & options
        return Reach.HOST if local else Reach.HOSTS
    if kind == "lustre":  # https://doc.lustre.org: mount.lustre
        return Reach.HOST if "localflock" in options else Reach.NONE if "noflock" in options else Reach.HOSTS
    if kind in ("cifs", "smb3", "smbfs"):  # https://man7.org/linux/man-pages/man8/mount.cifs.8.html
        return Reach.HOST if {"nobrl", "nolock"} & options else Reach.HOSTS
    if kind == "ceph":
        return Reach.HOSTS
    if kind in ("gfs2", "ocfs2"):
        return Reach.HOST if "localflocks" in options else Reach.HOSTS
    # GPFS, BeeGFS, FUSE, 9p, virtiofs and others: their configuration decides, and mount options do not show it.
    return Reach.NOT_KNOWN
