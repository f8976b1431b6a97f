"""The writer lease of appends in a metadata document, for stores without locks.

The lease is the member ``exzarr_appends`` of the document (``zarr.json``, ``.zarray``). It contains
``"must_understand": false``, so other software ignores and keeps it
(https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#extension-points). zarr-python does not open a v3 group
whose document has an unknown member. If the group has consolidated metadata, the lease is therefore a member of
``consolidated_metadata``, where zarr-python ignores it. The design is in
``docs/design/006-appends-without-locks.md``; `exzarr._nodes.leases` uses the lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.named import shorten
from exzarr.errors import MetadataError

__all__ = [
    "MEMBER",
    "Appends",
    "Reach",
    "appends_of",
    "has_appends",
    "reach_of",
    "with_appends",
    "without_appends",
]

M = TypeVar("M", bound=ArrayMetadata | GroupMetadata)
Reach = Mapping[str, tuple[int, ...]]
"""Intended shapes of arrays, by path relative to the node."""

MEMBER = "exzarr_appends"
REMEMBERED = 16
"""Number of recent commits whose ids the document keeps."""


@dataclass(frozen=True, slots=True)
class Appends:
    """The state of the writer lease.

    Attributes
    ----------
    holder
        Id of the writer that holds the lease; ``""`` if the lease is free.
    beat
        Counter that the holder increments while it is alive.
    reach
        Shapes up to which current and earlier holders may have written chunks that no commit made
        part of an array.
    count, done
        Number of commits, and the ids of the most recent ones.
    """

    holder: str = ""
    beat: int = 0
    reach: Reach = field(default_factory=dict)
    count: int = 0
    done: tuple[str, ...] = ()

    def taken(self, holder: str, reach: Reach) -> Appends:
        """Return the lease held by `holder`. The reach includes chunks that earlier holders left."""
        return replace(self, holder=holder, beat=0, reach=_join_reach(self.reach, reach))

    def alive(self) -> Appends:
        """Return the renewed lease: its holder is alive."""
        return replace(self, beat=self.beat + 1)

    def committed(self) -> Appends:
        """Return the free lease after a commit of its holder."""
        done = (*self.done, self.holder)[-REMEMBERED:]
        return Appends(count=self.count + 1, done=done)

    def given_back(self, reach: Reach) -> Appends:
        """Return the free lease after its holder gave up without a commit. Its chunks extend to `reach`."""
        return replace(self, holder="", beat=0, reach=reach)

    def has_committed(self, holder: str, count: int) -> bool | None:
        """Return True if `holder` has committed since its lease began, after `count` commits.

        Return None if too many later commits make the answer unknown.
        """
        if holder in self.done:
            return True
        return False if count <= self.count <= count + REMEMBERED else None


FREE = Appends()


def _join_reach(one: Reach, other: Reach) -> Reach:
    joined = {**one}
    for path, shape in other.items():
        known = joined.get(path, ())
        joined[path] = tuple(map(max, known, shape)) if len(known) == len(shape) else shape
    return joined


def reach_of(old: ArrayMetadata | GroupMetadata, new: ArrayMetadata | GroupMetadata) -> Reach:
    """Return the new shapes of the arrays that are longer in `new` than in `old`."""
    if isinstance(new, ArrayMetadata):
        return (
            {"": new.shape} if not isinstance(old, ArrayMetadata) or _is_longer(new.shape, old.shape) else {}
        )
    if new.consolidated is None:
        return {}
    before = old.consolidated.documents if isinstance(old, GroupMetadata) and old.consolidated else {}
    return {
        path: (*document["shape"],)
        for path, document in new.consolidated.documents.items()
        if "shape" in document and document["shape"] != before.get(path, {}).get("shape")
    }


def _is_longer(new: tuple[int, ...], old: tuple[int, ...]) -> bool:
    return any(n > m for n, m in zip(new, old, strict=True))


def appends_of(meta: ArrayMetadata | GroupMetadata) -> Appends:
    """Return the lease in the document, or a free lease if it has none."""
    json = _member(meta)
    if json is None:
        return FREE
    try:
        found = Appends(
            json.get("holder", ""),
            json.get("beat", 0),
            {path: tuple(shape) for path, shape in json.get("reach", {}).items()},
            json.get("count", 0),
            tuple(json.get("done", ())),
        )
    except (TypeError, AttributeError, ValueError):
        found = None
    if found is None or not _is_valid(found):
        raise MetadataError(
            f"the member {MEMBER!r} is invalid: {shorten(json)}. You can delete it while no process appends "
            "to this node"
        )
    return found


def _is_valid(found: Appends) -> bool:
    return (
        all(type(number) is int and number >= 0 for number in (found.beat, found.count))
        and all(type(text) is str for text in (found.holder, *found.done, *found.reach))
        and all(type(n) is int and n >= 0 for lengths in found.reach.values() for n in lengths)
    )


def with_appends(meta: M, appends: Appends) -> M:
    """Return `meta` with the lease `appends` in its document."""
    if appends == FREE:
        return without_appends(meta)
    json: dict[str, Any] = {"must_understand": False}
    if appends.holder:
        json |= {"holder": appends.holder, "beat": appends.beat}
    if appends.reach:
        json["reach"] = {path: [*shape] for path, shape in appends.reach.items()}
    if appends.count:
        json |= {"count": appends.count, "done": [*appends.done]}
    meta = without_appends(meta)
    held = meta.consolidated if isinstance(meta, GroupMetadata) else None
    if held is not None:
        return cast("M", meta.with_(consolidated=replace(held, extra={**held.extra, MEMBER: json})))
    return cast("M", meta.with_(extra={**meta.extra, MEMBER: json}))


def has_appends(meta: ArrayMetadata | GroupMetadata) -> bool:
    """Return whether the document has a lease, free or held."""
    return _member(meta) is not None


def without_appends(meta: M) -> M:
    """Return `meta` without a lease, for a copy or for consolidated metadata."""
    if MEMBER in meta.extra:
        meta = cast("M", meta.with_(extra=_without(meta.extra)))
    held = meta.consolidated if isinstance(meta, GroupMetadata) else None
    if held is not None and MEMBER in held.extra:
        meta = cast("M", meta.with_(consolidated=replace(held, extra=_without(held.extra))))
    return meta


def _member(meta: ArrayMetadata | GroupMetadata) -> Any:
    """Return the JSON of the lease, or None."""
    held = meta.consolidated if isinstance(meta, GroupMetadata) else None
    return meta.extra.get(MEMBER, held.extra.get(MEMBER) if held is not None else None)


def _without(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in extra.items() if key != MEMBER}
