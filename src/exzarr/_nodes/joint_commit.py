"""Change several nodes below a group in one commit.

The group's document makes the commit atomic, since it holds the consolidated metadata of all nodes below it: ``zarr.json``
in v3, ``.zmetadata`` in v2. Under its lock (or writer lease), the chunks are written first, then the documents of the
nodes, and last the group's document with one atomic put. This put is the commit. Readers that open the nodes through
consolidated metadata see all changes or none.

A writer that is killed before the commit leaves nodes whose own documents are ahead of the group's. Before it changes
them, it stores their intended shapes in the group's document (the `reach` of `_format.appends`). The next commit starts
from the group's document, and knows by this that the longer arrays are no append of another program.

See docs/design/020-joint-commits.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from exzarr._format.appends import MEMBER, Appends, Reach, appends_of, with_appends
from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidate, consolidated_node
from exzarr._nodes import consolidation, hierarchy, transactions
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr.errors import StoreError, UnsupportedError

__all__ = ["Nodes", "Plan", "WriteChunks", "commit_together"]

Nodes = Mapping[str, Metadata]
"""Metadata by path, relative to the group; ``""`` is the group."""

Plan = Callable[[Nodes, Reach], Nodes | None]
"""Receives the committed nodes, and the shapes that uncommitted writers may have stored. Returns the changed nodes, or
None to change nothing. It is called under the lock, possibly several times."""

WriteChunks = Callable[[Nodes, Nodes, Location], object]
"""Receives the nodes before and after the change, and the location of the group to write chunks below."""


def commit_together(
    place: Location, group: GroupMetadata, plan: Plan, write: WriteChunks, *, consolidated: bool = True
) -> None:
    """Change the nodes that `plan` returns, with one commit, after `write` has stored their chunks.

    Parameters
    ----------
    place, group
        The group, and its metadata as last read.
    plan, write
        See `Plan` and `WriteChunks`. If one of them raises, nothing is committed.
    consolidated
        True stores consolidated metadata if there is none. False uses it only if it exists. Without it, the documents
        of the nodes are put one after the other: readers may see some of them changed.

    Raises
    ------
    StoreError
        Another program has changed the shape of an array without updating consolidated metadata.
    UnsupportedError
        A v2 group with consolidated metadata, in a store without locks.
    """
    place = place.direct
    version = group.zarr_format
    with consolidation.announced(place.store, place.path, version):
        if version == 3:
            consolidated = consolidated or group.consolidated is not None
            changed = _ByDocument(place, group, plan, write, consolidated).run()
        elif consolidated or consolidation.read_v2(place.store, place.path) is not None:
            changed = _ByZmetadata(place, group, plan, write).run()
        else:
            changed = _ByDocument(place, group, plan, write, False).run()
        for path, meta in changed.items():
            if path:
                hierarchy.recorded(place.child(path), meta)  # in consolidated metadata of groups further up


class _NotMarkedError(Exception):
    """The group's document does not announce the shapes that a commit is about to write."""


class _Commit:
    """One commit: what the plan has returned for the nodes as they are stored."""

    def __init__(self, place: Location, group: GroupMetadata, plan: Plan, write: WriteChunks) -> None:
        self._place = place
        self._group = group
        self._plan = plan
        self._write = write
        self._before: Nodes = {}
        self._changed: Nodes = {}
        self._checked = False

    def _prepare(self, before: Nodes, reach: Reach, held: Consolidated | None) -> bool:
        """Call the plan; return whether anything changes."""
        self._before, self._changed = before, {}
        changed = self._plan(before, reach)
        if changed is None:
            return False
        if held is not None and not self._checked:
            self._checked = True
            for path, meta in changed.items():
                if isinstance(meta, ArrayMetadata):
                    _check_document(self._place.child(path), before.get(path), reach.get(path))
        self._changed = changed
        return True

    def _store_nodes(self, at: Location) -> None:
        """Write the chunks, then the documents of the nodes."""
        self._write(self._before, self._changed, at)
        for path, meta in self._changed.items():
            if path:
                # The commit itself records it in consolidated metadata.
                _put_node(at.child(path), meta)

    def _reach(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that grow."""
        return {
            path: meta.shape
            for path, meta in self._changed.items()
            if isinstance(meta, ArrayMetadata)
            and getattr(self._before.get(path), "shape", None) != meta.shape
        }


class _ByDocument(_Commit):
    """A commit by the group's own document: in v3, and without consolidated metadata."""

    def __init__(
        self, place: Location, group: GroupMetadata, plan: Plan, write: WriteChunks, consolidated: bool
    ) -> None:
        super().__init__(place, group, plan, write)
        self._consolidated = consolidated
        # A writer lease announces the shapes itself. Without consolidated metadata they have no place.
        self._marks = consolidated and place.store.traits.exclusive_update
        # Without consolidated metadata, the documents of the arrays are the commit.
        self._grown = False

    def run(self) -> Nodes:
        while True:
            if self._marks:
                transactions.change(self._place, self._group, self._marked, record=False)
            try:
                transactions.change(self._place, self._group, self._committed, first=self._first)
            except _NotMarkedError:  # another commit has removed the mark
                self._checked = False
                continue
            return self._changed

    def _marked(self, found: GroupMetadata) -> GroupMetadata:
        held = self._held(found)
        if not self._prepared(found, held):
            return found
        appends = appends_of(found)
        reach = _joined(appends.reach, self._reach())
        if reach == appends.reach:
            return found
        return with_appends(found.with_(consolidated=held), replace(appends, reach=reach))

    def _committed(self, found: GroupMetadata) -> GroupMetadata:
        if self._grown:
            return found.with_(attributes=self._changed.get("", found).attributes)
        held = self._held(found)
        if not self._prepared(found, held):
            return found
        appends = appends_of(found)
        if self._marks and not _covers(appends.reach, self._reach()):
            raise _NotMarkedError
        if held is not None:
            nodes = {path: meta for path, meta in self._changed.items() if path}
            held = replace(held, documents=held.documents | consolidate(nodes, 3).documents)
        group = self._changed.get("", found)
        changed = found.with_(attributes=group.attributes, consolidated=held)
        return with_appends(changed, replace(appends, reach={})) if self._marks else changed

    def _first(self, _: GroupMetadata, changed: GroupMetadata, at: Location) -> None:
        if not self._grown:
            self._store_nodes(at)
            self._grown = changed.consolidated is None

    def _prepared(self, found: GroupMetadata, held: Consolidated | None) -> bool:
        nodes = self._stored() if held is None else _parsed(held)
        reach = appends_of(found).reach if found.zarr_format == 3 else {}
        return self._prepare({**nodes, "": found}, reach, found.consolidated)

    def _held(self, found: GroupMetadata) -> Consolidated | None:
        """Return the consolidated metadata to change, or None if the group neither has nor gets any."""
        if found.consolidated is not None or not self._consolidated:
            return found.consolidated
        return consolidate({**self._stored()}, 3)

    def _stored(self) -> dict[str, Metadata]:
        below = hierarchy.nodes_below(self._place)
        return {path: meta for path, meta in below if meta.zarr_format == self._group.zarr_format}


class _ByZmetadata(_Commit):
    """A commit by ``.zmetadata``."""

    def run(self) -> Nodes:
        if not self._place.store.traits.exclusive_update:
            raise UnsupportedError(
                f"cannot change several arrays of {self._place} together: in Zarr format 2, a store without locks has no "
                "document for the commit. Convert the group to format 3 (exzarr.convert), or write with consolidated=False "
                "and without consolidated metadata"
            )
        rewrite = partial(consolidation.rewrite, self._place.store, self._place.path, 2)
        while True:
            rewrite(self._marked)
            try:
                rewrite(self._committed)
            except _NotMarkedError:
                self._checked = False
                continue
            return self._changed

    def _marked(self, read: Callable[[], Consolidated | None]) -> Consolidated | None:
        held = read()
        if held is None:
            held = consolidate({"": self._group, **dict(hierarchy.nodes_below(self._place))}, 2)
        elif self._prepared(held) is False:
            return None
        return _with_reach(held, _joined(_reach_of(held), self._reach()))

    def _committed(self, read: Callable[[], Consolidated | None]) -> Consolidated | None:
        held = read()
        if held is None:
            raise _NotMarkedError
        if not self._prepared(held):
            return None
        if not _covers(_reach_of(held), self._reach()):
            raise _NotMarkedError
        self._store_nodes(self._place)
        group = self._changed.get("", self._group)
        if group.attributes != self._before[""].attributes:
            _put_node(self._place, group)
        documents = held.documents | consolidate({**self._changed}, 2).documents
        return _with_reach(replace(held, documents=documents), {})

    def _prepared(self, held: Consolidated) -> bool:
        return self._prepare({"": self._group, **_parsed(held)}, _reach_of(held), held)


def _check_document(place: Location, known: Metadata | None, reach: tuple[int, ...] | None) -> None:
    """Raise StoreError if an array's own document differs in shape from consolidated metadata, for an unknown reason."""
    stored = hierarchy.find(place)
    if not isinstance(stored, ArrayMetadata) or not isinstance(known, ArrayMetadata):
        if stored is None or known is None or type(stored) is not type(known):
            raise StoreError(
                f"the node at {place} and the group's consolidated metadata contradict each other: another program "
                "changed one of them. Call exzarr.consolidate_metadata on the group, and try again"
            )
        return
    if stored.shape in (known.shape, reach):
        return
    if reach is not None and len(reach) == stored.ndim and all(map(int.__le__, stored.shape, reach)):
        return
    raise StoreError(
        f"the array at {place} has shape {stored.shape}, and {known.shape} in the group's consolidated metadata: another "
        "program changed its shape without updating this metadata. Call exzarr.consolidate_metadata on the group, and "
        "try again"
    )


def _put_node(place: Location, wanted: Metadata) -> None:
    """Put the shape of an array, or the attributes of a group, into the document of the node at `place`."""
    if isinstance(wanted, ArrayMetadata):
        shape = wanted.shape
        transactions.change(
            place,
            wanted,
            lambda stored: stored if stored.shape == shape else stored.with_(shape=shape),
            record=False,
        )
    else:
        attributes = wanted.attributes
        transactions.change(
            place,
            wanted,
            lambda stored: stored if stored.attributes == attributes else stored.with_(attributes=attributes),
            record=False,
        )


def _parsed(held: Consolidated) -> dict[str, Metadata]:
    nodes = {path: consolidated_node(held, path, below=False) for path in held.documents}
    return {path: node for path, node in nodes.items() if node is not None}


# -- the intended shapes ---------------------------------------------------------------


def _covers(reach: Reach, wanted: Reach) -> bool:
    return all(
        path in reach and len(reach[path]) == len(shape) and all(map(int.__ge__, reach[path], shape))
        for path, shape in wanted.items()
    )


def _joined(one: Reach, other: Reach) -> Reach:
    return Appends(reach=one).taken("", other).reach


def _reach_of(held: Consolidated) -> Reach:
    json = held.extra.get(MEMBER)
    found = json if isinstance(json, dict) else {}
    return appends_of(GroupMetadata(3, {}, extra={MEMBER: found})).reach if found else {}


def _with_reach(held: Consolidated, reach: Reach) -> Consolidated:
    extra = {key: value for key, value in held.extra.items() if key != MEMBER}
    if reach:
        extra[MEMBER] = {"must_understand": False, "reach": {path: [*shape] for path, shape in reach.items()}}
    return replace(held, extra=extra)
