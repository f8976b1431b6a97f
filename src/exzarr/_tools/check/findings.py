"""What can be wrong with a hierarchy: a table of kinds, each with a code that never changes its meaning.

``EXZ1..`` metadata, ``EXZ2..`` chunks, ``EXZ3..`` shards, ``EXZ4..`` keys, ``EXZ5..`` left-overs,
``EXZ6..`` consolidated metadata, ``EXZ7..`` arrays that belong together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["KINDS", "Finding", "Kind", "Severity"]

Severity = Literal["error", "warning", "note"]
"""``error``: data is lost, or reads as something that it is not. ``warning``: it may come to that, or
could not be checked. ``note``: harmless, and worth tidying up."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes
    ----------
    code
        ``"EXZ201"``. What a code means never changes; codes of kinds that are given up are not used again.
    severity
        See `Severity`.
    title
        What it is, in a few words.
    meaning
        What it means for readers.
    repair
        What `exzarr.repair` does about it.
    on_request
        Whether it does so only where it is asked to (``quarantine=True``): the data is moved out of sight.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    repair: str = "nothing: only a backup can tell what was there"
    on_request: bool = False


_QUARANTINE = "moves it into the array's quarantine, so that it reads as missing"
_RESCUE = "moves the shard into quarantine and makes a new one of the inner chunks that still decode"
_CONSOLIDATE = "consolidates the group's metadata again"
_LEFT = "removes it"

KINDS: dict[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            "EXZ101",
            "error",
            "metadata document that cannot be read",
            "it is no JSON (cut short, or overwritten): the node cannot be opened",
        ),
        Kind(
            "EXZ102",
            "error",
            "invalid metadata document",
            "it is JSON, but not what the specification allows: the node cannot be opened",
        ),
        Kind(
            "EXZ103",
            "warning",
            "metadata that this installation does not support",
            "a codec, data type or extension is not known here: the array's chunks were not checked",
            "nothing: install what is missing, and check again",
        ),
        Kind(
            "EXZ104",
            "warning",
            "documents of both versions that do not say the same",
            "readers of Zarr v3 see another node than readers of v2",
            "nothing: which of the two is right is for you to say",
        ),
        Kind(
            "EXZ105",
            "warning",
            "group without a document",
            "there are nodes below it, but who lists the group above does not find them",
            "nothing: exzarr.create_group makes one",
        ),
        Kind(
            "EXZ106",
            "warning",
            "node inside an array",
            "arrays have no children: most readers never find it",
            "nothing: move it to where it belongs",
        ),
        Kind(
            "EXZ107",
            "note",
            "node with a reserved name",
            "exzarr reads it; other software may refuse it, or not list it",
            "nothing: give the node another name (Group.move)",
        ),
        Kind(
            "EXZ108",
            "warning",
            "invalid metadata document that can be read",
            "older software wrote it; exzarr knows what it means, other software may refuse it",
            "stores the document as the specification wants it",
        ),
        Kind(
            "EXZ201",
            "error",
            "chunk that does not decode",
            "reading it is an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ202",
            "error",
            "chunk of the wrong size",
            "it was cut short, or written for other metadata: reading it is an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ203",
            "error",
            "chunk whose checksum is wrong",
            "it was damaged after it was written: reading it is an error",
            _QUARANTINE,
            True,
        ),
        Kind(
            "EXZ204",
            "error",
            "chunk that is missing from a full array",
            "the array is said to be full, and reads as its fill value there",
        ),
        Kind(
            "EXZ205",
            "error",
            "chunk that cannot be read",
            "the store fails to give it",
            "nothing: see to the file, its permissions, or the disk",
        ),
        Kind(
            "EXZ206",
            "warning",
            "chunk that is too large to be checked",
            "it does not fit into this process's memory",
            "nothing",
        ),
        Kind(
            "EXZ301",
            "error",
            "shard without a readable index",
            "it is torn (cut short while it was written) or its index is damaged: none of it can be read",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ302",
            "error",
            "shard whose index is wrong",
            "the index points past the shard's end, into itself, or to inner chunks that overlap",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ311",
            "error",
            "inner chunk that does not decode",
            "reading it is an error; the rest of the shard can be read",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ312",
            "error",
            "inner chunk of the wrong size",
            "it was written for other metadata: reading it is an error",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ313",
            "error",
            "inner chunk whose checksum is wrong",
            "it was damaged after it was written: reading it is an error",
            _RESCUE,
            True,
        ),
        Kind(
            "EXZ314",
            "error",
            "inner chunk that is missing from a full array",
            "the array is said to be full, and reads as its fill value there",
        ),
        Kind(
            "EXZ401",
            "warning",
            "chunk outside of the grid",
            "nobody reads it today; other software shows it as data when the array grows",
            "moves it into the array's quarantine",
        ),
        Kind(
            "EXZ402",
            "warning",
            "chunks of no array",
            "there is no metadata document to read them by: it was removed, or never written",
        ),
        Kind(
            "EXZ403",
            "note",
            "key that belongs to no node",
            "no reader of Zarr ever asks for it",
            "nothing: it may be dear to somebody",
        ),
        Kind(
            "EXZ404",
            "warning",
            "link that leads out of the store",
            "it is read like a part of the store, and changes with what it points to",
            "nothing",
        ),
        Kind(
            "EXZ405",
            "warning",
            "store that cannot list its keys",
            "the nodes that consolidated metadata names were checked, and every chunk of their grids; other keys, and "
            "nodes that it does not name, were not seen",
            "nothing: check a copy in a folder, or through a store that lists",
        ),
        Kind(
            "EXZ406",
            "warning",
            "entry that listings leave out",
            "a link that is not followed, or a name that is no key: readers do not see it, and copies do not have it",
            "nothing: replace it by what it should be, or remove it",
        ),
        Kind(
            "EXZ501",
            "note",
            "temporary file of an exzarr that died",
            "nobody reads it, nor what its writer had not finished, if it says what that was",
            "removes it, and finishes or undoes what its writer had not finished",
        ),
        Kind(
            "EXZ502",
            "note",
            "temporary file that other software left behind",
            "zarr-python or TensorStore died while writing; it only takes up space",
            _LEFT,
        ),
        Kind(
            "EXZ601",
            "error",
            "consolidated metadata that cannot be read",
            "the group cannot be opened, but for those who do without consolidated metadata",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ602",
            "error",
            "stale consolidated metadata",
            "it says something else of a node than the node's own document",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ603",
            "error",
            "node that consolidated metadata does not know",
            "who opens the group with consolidated metadata does not find it",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ604",
            "error",
            "consolidated metadata of a node that is not there",
            "who opens the group with consolidated metadata finds an array without chunks, or nothing",
            _CONSOLIDATE,
        ),
        Kind(
            "EXZ701",
            "warning",
            "dimension of several lengths",
            "arrays of one group share a dimension name, and not its length: xarray does not open the group",
            "nothing: which length is right is for you to say",
        ),
    )
}
"""All kinds by code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where.

    Attributes
    ----------
    code
        The kind: one of `KINDS`.
    path
        The node's path, from the root of the store; ``""`` is the root.
    key
        The key that it is about (of a left-over file: its name in the store's folder).
    detail
        What is wrong with this one.
    index
        The chunk's index, where it is about a chunk (among all inner chunks of the array, where it is
        about an inner chunk).
    number
        Which inner chunk of its shard, in C order.
    mark
        What the value was when it was looked at (its size and checksum, say), by which `exzarr.repair` knows
        that it is still the same.
    """

    code: str
    path: str
    key: str
    detail: str
    index: tuple[int, ...] | None = None
    number: int | None = None
    mark: str = field(default="", repr=False)

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
        """The finding with what its kind says of it, as a plain dict."""
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
