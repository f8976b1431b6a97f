"""The turn of whoever makes an array longer, kept in its metadata document: where stores have no locks.

A member ``exzarr_appends`` of the document (``zarr.json``, ``.zarray``), which says ``"must_understand": false``
and which other software therefore passes over and keeps
(https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#extension-points). What it is for is in
``docs/design/006-appends-without-locks.md``; who uses it, in `exzarr._nodes.leases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.named import shorten
from exzarr.errors import MetadataError

__all__ = ["MEMBER", "Appends", "Reach", "appends_of", "reach_of", "with_appends", "without_appends"]

M = TypeVar("M", bound=ArrayMetadata | GroupMetadata)
Reach = Mapping[str, tuple[int, ...]]
"""Path of an array, relative to the node, to the shape that it is to have."""

MEMBER = "exzarr_appends"
REMEMBERED = 16
"""How many commits back can be told of."""


@dataclass(frozen=True, slots=True)
class Appends:
    """Whose turn it is.

    Attributes
    ----------
    holder
        An id of the one whose turn it is; ``""`` where it is nobody's.
    beat
        Goes up for as long as the holder is alive.
    reach
        The shapes up to which chunks may have been written by those whose turn it is or was, and who
        did not get so far as to make them part of an array.
    count, done
        How many have committed, and the ids of the last of them.
    """

    holder: str = ""
    beat: int = 0
    reach: Reach = field(default_factory=dict)
    count: int = 0
    done: tuple[str, ...] = ()

    def taken(self, holder: str, reach: Reach) -> Appends:
        """It is `holder`'s turn now. What others have left is kept in mind."""
        return replace(self, holder=holder, beat=0, reach=_joined(self.reach, reach))

    def alive(self) -> Appends:
        """Its holder is."""
        return replace(self, beat=self.beat + 1)

    def committed(self) -> Appends:
        """Its holder has done what it wanted to."""
        done = (*self.done, self.holder)[-REMEMBERED:]
        return Appends(count=self.count + 1, done=done)

    def given_back(self, reach: Reach) -> Appends:
        """Its holder goes without having changed anything, and leaves chunks as far as `reach`."""
        return replace(self, holder="", beat=0, reach=reach)

    def has_committed(self, holder: str, count: int) -> bool | None:
        """Whether `holder`, whose turn began when `count` had committed, has; None where it can't be told."""
        if holder in self.done:
            return True
        return False if count <= self.count <= count + REMEMBERED else None


NOBODY = Appends()


def _joined(one: Reach, other: Reach) -> Reach:
    joined = {**one}
    for path, shape in other.items():
        known = joined.get(path, ())
        joined[path] = tuple(map(max, known, shape)) if len(known) == len(shape) else shape
    return joined


def reach_of(old: ArrayMetadata | GroupMetadata, new: ArrayMetadata | GroupMetadata) -> Reach:
    """Which arrays `new` makes longer than `old` had them, and how long."""
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
    """What the document says; `Appends()` where it says nothing."""
    json = meta.extra.get(MEMBER)
    if json is None:
        return NOBODY
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
    if found is None or not _makes_sense(found):
        raise MetadataError(
            f"the member {MEMBER!r} is not as exzarr writes it: {shorten(json)}. It may be deleted while nobody "
            "appends"
        )
    return found


def _makes_sense(found: Appends) -> bool:
    return (
        all(type(number) is int and number >= 0 for number in (found.beat, found.count))
        and all(type(text) is str for text in (found.holder, *found.done, *found.reach))
        and all(type(n) is int and n >= 0 for lengths in found.reach.values() for n in lengths)
    )


def with_appends(meta: M, appends: Appends) -> M:
    """`meta`, whose document says `appends`."""
    if appends == NOBODY:
        return without_appends(meta)
    json: dict[str, Any] = {"must_understand": False}
    if appends.holder:
        json |= {"holder": appends.holder, "beat": appends.beat}
    if appends.reach:
        json["reach"] = {path: [*shape] for path, shape in appends.reach.items()}
    if appends.count:
        json |= {"count": appends.count, "done": [*appends.done]}
    return cast("M", meta.with_(extra={**meta.extra, MEMBER: json}))


def without_appends(meta: M) -> M:
    """`meta` as it is to stand elsewhere: in a copy, or in consolidated metadata."""
    if MEMBER not in meta.extra:
        return meta
    return cast("M", meta.with_(extra={key: value for key, value in meta.extra.items() if key != MEMBER}))
