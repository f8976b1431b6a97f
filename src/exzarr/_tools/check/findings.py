"""The kinds of findings, each with a code whose meaning never changes.

``EXZ1..`` metadata, ``EXZ2..`` chunks, ``EXZ3..`` shards, ``EXZ4..`` keys, ``EXZ5..`` leftover files,
``EXZ6..`` consolidated metadata, ``EXZ7..`` arrays with shared dimensions, ``EXZ8..`` pyramids, ``EXZ9..`` ragged arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["KINDS", "Finding", "Kind", "Severity"]

Severity = Literal["error", "warning", "note"]
"""``error``: data is lost, or reads as wrong values. ``warning``: this may happen later, or a check was not possible.
``note``: harmless, but worth cleaning up."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes
    ----------
    code
        The code, for example ``"EXZ201"``. Its meaning never changes. Codes of removed kinds are not reused.
    severity
        See `Severity`.
    title
        A short description.
    meaning
        The consequence for readers.
    repair
        What `exzarr.repair` does.
    on_request
        True if the repair moves data out of readers' view and therefore requires ``quarantine=True``.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    repair: str = "nothing: restore the data from a backup"
    on_request: bool = False


_QUARANTINE = "moves the chunk into the array's quarantine; the chunk then reads as missing"
_RESCUE = "moves the shard into quarantine and writes a new shard with the inner chunks that can be decoded"
_CONSOLIDATE = "consolidates the group's metadata again"
_LEFT = "removes the file"

KINDS: dict[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            "EXZ101",
            "error",
            "metadata document that cannot be read",
            "the document is not JSON (it may be truncated or overwritten): the node cannot be opened",
        ),
        Kind(
            "EXZ102",
            "error",
            "invalid metadata document",
            "the document is JSON, but violates the specification: the node cannot be opened",
        ),
        Kind(
            "EXZ103",
            "warning",
            "metadata that this installation does not support",
            "a codec, data type or extension is unknown to this installation: the array's chunks were not checked",
            "nothing: install the missing package and check again",
        ),
        Kind(
            "EXZ104",
            "warning",
            "v2 and v3 documents that differ",
            "readers of Zarr v3 see a different node than readers of v2",
            "nothing: decide which document is correct and remove the other",
        ),
        Kind(
            "EXZ105",
            "warning",
            "group without a document",
            "there are nodes below this path, but listing the parent group does not show them",
            "nothing: create the group with exzarr.create_group",
        ),
        Kind(
            "EXZ106",
            "warning",
            "node inside an array",
            "arrays have no children: most readers do not find this node",
            "nothing: move the node out of the array",
        ),
        Kind(
            "EXZ107",
            "note",
            "node with a reserved name",
            "exzarr reads the node; other software may reject it or not list it",
            "nothing: rename the node (Group.move)",
        ),
        Kind(
            "EXZ108",
            "warning",
            "invalid metadata document that can be read",
            "older software wrote the document; exzarr can interpret it, other software may reject it",
            "replaces the document with a valid one of the same meaning",
        ),
        Kind(
            "EXZ201",
            "error",
            "chunk that cannot be decoded",
            "reading the chunk raises an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ202",
            "error",
            "chunk of the wrong size",
            "the chunk is truncated, or was written with different metadata: reading it raises an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ203",
            "error",
            "chunk with a wrong checksum",
            "the chunk was damaged after it was written: reading it raises an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ204",
            "error",
            "chunk that is missing from a full array",
            "the array is declared full, but this chunk is not stored and reads as the fill value",
        ),
        Kind(
            "EXZ205",
            "error",
            "chunk that cannot be read",
            "the store fails to read the value",
            "nothing: check the file, its permissions and the disk",
        ),
        Kind(
            "EXZ206",
            "warning",
            "chunk that is too large to be checked",
            "the decoded chunk does not fit into this process's memory",
            "nothing: check again on a machine with more memory",
        ),
        Kind(
            "EXZ301",
            "error",
            "shard without a readable index",
            "the shard is truncated, or its index is damaged: none of its inner chunks can be read",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ302",
            "error",
            "shard with a wrong index",
            "the index points past the end of the shard, into itself, or to inner chunks that overlap",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ311",
            "error",
            "inner chunk that cannot be decoded",
            "reading the inner chunk raises an error; the rest of the shard can be read",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ312",
            "error",
            "inner chunk of the wrong size",
            "the inner chunk was written with different metadata: reading it raises an error",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ313",
            "error",
            "inner chunk with a wrong checksum",
            "the inner chunk was damaged after it was written: reading it raises an error",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ314",
            "error",
            "inner chunk that is missing from a full array",
            "the array is declared full, but this inner chunk is not stored and reads as the fill value",
        ),
        Kind(
            "EXZ401",
            "warning",
            "chunk outside the grid",
            "readers ignore the chunk now, but other software shows it as data if the array grows",
            "moves the chunk into the array's quarantine",
        ),
        Kind(
            "EXZ402",
            "warning",
            "chunks without an array",
            "the metadata document was removed or never written: the chunks cannot be read",
        ),
        Kind(
            "EXZ403",
            "note",
            "key that belongs to no node",
            "Zarr readers ignore the key",
            "nothing: the file may be needed by other software",
        ),
        Kind(
            "EXZ404",
            "warning",
            "link to a target outside the store",
            "the target is read as part of the store, and may change independently of it",
            "nothing",
        ),
        Kind(
            "EXZ405",
            "warning",
            "store that cannot list its keys",
            "the check covers the nodes in the consolidated metadata and every chunk of their grids; other keys and "
            "nodes were not checked",
            "nothing: check a copy in a folder, or use a store that can list its keys",
        ),
        Kind(
            "EXZ406",
            "warning",
            "entry that listings omit",
            "the entry is a link that is not followed, or its name is not a valid key: readers and copies omit it",
            "nothing: replace the entry with a regular file or folder, or remove it",
        ),
        Kind(
            "EXZ501",
            "note",
            "temporary file of an exzarr process that died",
            "readers ignore the file and the unfinished write that it records",
            "finishes or undoes the recorded write, and removes the file",
        ),
        Kind(
            "EXZ502",
            "note",
            "temporary file that other software left behind",
            "a zarr-python or TensorStore process died while it was writing; the file only uses space",
            _LEFT,
        ),
        Kind(
            "EXZ601",
            "error",
            "consolidated metadata that cannot be read",
            "the group can only be opened without consolidated metadata",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ602",
            "error",
            "stale consolidated metadata",
            "the consolidated metadata of a node differs from the node's own document",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ603",
            "error",
            "node that is missing from consolidated metadata",
            "readers that use the consolidated metadata do not find the node",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ604",
            "error",
            "consolidated metadata of a missing node",
            "readers that use the consolidated metadata find an empty array, or nothing",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ701",
            "warning",
            "dimension with several lengths",
            "arrays of one group share a dimension name but differ in its length: xarray cannot open the group",
            "nothing: decide which length is correct and resize the other arrays",
        ),
        Kind(
            "EXZ801",
            "error",
            "pyramid with a missing level",
            "viewers cannot open the image, or show nothing at this resolution",
            "nothing: build the pyramid again, or remove the level from its metadata",
        ),
        Kind(
            "EXZ802",
            "error",
            "level of the wrong shape",
            "the level has other dimensions or another data type than the first one, or is longer than the level before it",
            "nothing: build the pyramid again",
        ),
        Kind(
            "EXZ803",
            "warning",
            "level whose shape and scale contradict each other",
            "viewers show this resolution at another place or size than the others",
            "nothing: correct the scale in the metadata, or build the pyramid again",
        ),
        Kind(
            "EXZ804",
            "warning",
            "invalid metadata of a pyramid",
            "the metadata violates its convention, or its version is unknown to exzarr: viewers may not open the image",
            "nothing: correct the metadata",
        ),
        Kind(
            "EXZ805",
            "error",
            "listed image that is missing",
            "a plate, a well or a group of labels lists an image that does not exist",
            "nothing: restore the image, or remove it from the list",
        ),
        Kind(
            "EXZ901",
            "error",
            "arrays of a ragged array with different lengths",
            "other software has changed one of them: exzarr.ragged cannot open the group",
            "nothing: resize them to one length",
        ),
        Kind(
            "EXZ902",
            "error",
            "broken offsets of a ragged array",
            "items cannot be read, or have the wrong values: the offsets do not divide the values",
            "nothing: compute the offsets again, from the row sizes if they are right",
        ),
    )
}
"""All kinds by code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem in a hierarchy, and its location.

    Attributes
    ----------
    code
        The kind: one of `KINDS`.
    path
        The node's path, from the root of the store; ``""`` is the root.
    key
        The affected key. For a leftover file, its name in the store's folder.
    detail
        What is wrong with this key.
    index
        The index of the affected chunk, or None. For an inner chunk, the index among all inner chunks of the array.
    number
        The position of an inner chunk in its shard, in C order.
    fingerprint
        A fingerprint of the value that was checked, such as its size and checksum. `exzarr.repair` uses it to detect
        that the value has changed.
    """

    code: str
    path: str
    key: str
    detail: str
    index: tuple[int, ...] | None = None
    number: int | None = None
    fingerprint: str = field(default="", repr=False)

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    @property
    def is_error(self) -> bool:
        return self.kind.severity == "error"

    def asdict(self) -> dict[str, Any]:
        """Return the finding and the texts of its kind as a plain dict."""
        kind = self.kind
        return {
            "code": self.code,
            "severity": kind.severity,
            "title": kind.title,
            "path": "/" + self.path,
            "key": self.key,
            "index": None if self.index is None else [*self.index],
            "detail": self.detail,
            "meaning": kind.meaning,
            "repair": kind.repair,
        }

    def __str__(self) -> str:
        return f"{self.code} {self.severity}: {self.kind.title}: {self.key or '/'}: {self.detail}"
