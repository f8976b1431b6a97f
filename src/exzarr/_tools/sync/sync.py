"""`exzarr.sync`: make a hierarchy equal to another one by copying what differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import consolidation, hierarchy, node_creation
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, Metadata
from exzarr._nodes.survey import OnError, check_on_error
from exzarr._spelling import known_arguments
from exzarr._tools.copy import execute as execute_copy, locate
from exzarr._tools.copy_plan import place_of, plan_copy, refuse_overlap
from exzarr._tools.recipe import Recipe
from exzarr._tools.report import CopyProgress, Tally
from exzarr._tools.sizes import itemsize_of
from exzarr._tools.sync.chunks import ChunkSync
from exzarr._tools.sync.consolidated import is_current, update_above, update_group
from exzarr._tools.sync.documents import document_texts, put_documents, source_changed
from exzarr._tools.sync.plan import Pair, SyncPlan, plan_sync
from exzarr._tools.sync.report import NodeSync, SyncReport
from exzarr._tools.sync.target import locate_target
from exzarr.stores.resolve import StoreLike, shared_options
from exzarr.stores.url_options import StorageOptions
from exzarr.telemetry.figures import RequestUse
from exzarr.telemetry.profiling import profile

__all__ = ["sync"]


@known_arguments
def sync(
    source: Array | Group | StoreLike,
    target: Array | Group | StoreLike,
    *,
    source_path: str = "",
    target_path: str = "",
    delete: bool = False,
    dry_run: bool = False,
    on_error: OnError = "raise",
    progress: Callable[[CopyProgress], object] | None = None,
    storage_options: StorageOptions | None = None,
    target_options: StorageOptions | None = None,
) -> SyncReport:
    """Make an array, or a group with everything below it, equal to another one by copying what differs.

    Chunks are copied byte for byte, and so are documents, except those of replaced nodes and of groups with consolidated
    metadata, which are rewritten with the same content. If a sync is interrupted, run it again: it continues with what still
    differs. Readers of the target see the old or the new value of each chunk.

    Parameters
    ----------
    source, source_path
        The node to copy: an array or a group; or a store (or a path, or URL) and a path in it.
    target, target_path
        The node to make equal: a store (or a path, or URL) and a path in it, or an open array or group. It need not exist.
        Unlike the destination of `exzarr.copy`, a group is the node itself, not the place for it.
    delete
        Delete nodes that only the target has, and keys below its arrays and below replaced nodes that belong to no node
        and no chunk. By default they stay, and the report names them.
    dry_run
        Change nothing and read no chunks: compare metadata and listings, and report what a sync would do and which
        requests it would send at most.
    on_error
        Action for nodes that cannot be read or replaced, and for links that are not followed: ``"raise"`` an error before
        anything is written, or ``"skip"`` them, leave them as they are in the target, and name them in the report.
    progress
        Function that is called with a `CopyProgress` after every few chunks.
    storage_options
        Options for URLs, see `exzarr.open`. They apply to `source` and `target`.
    target_options
        Options for `target` only. `storage_options` then apply to `source` only.

    Returns
    -------
    SyncReport
        What was created, changed, replaced, deleted and left out, by name; requests and bytes. Print it to see a summary.
        `exzarr.cost.of` computes what it costs.

    Raises
    ------
    NodeNotFoundError
        There is no node at the source.
    NodeExistsError
        Replacing a node would delete nodes or unused keys that only the target has, or a new array would hide nodes
        below it, and `delete` is false.
    ReadOnlyError
        The target cannot be written.
    ChangedError
        Another writer has changed a document of the target, or the target's zip file, during the sync.
    ArgumentError
        Source and target overlap, or an argument is invalid.

    Notes
    -----
    **What counts as equal.** Two stored chunks with different sizes differ. Two of equal size are equal if both stores are
    S3 or Google Cloud Storage and the ETags are equal digests, or if the ETag in the target is the MD5 of the bytes in the
    source. Otherwise their bytes are compared. Modification times are not used.

    **Order.** The chunks of an array are stored before its documents, and groups after the nodes below them. Chunks that
    the source does not store are removed after that: they hold the fill value, or the array has become shorter. They are
    part of the array, so `delete` makes no difference for them. Consolidated metadata follows, then deletions.

    **Replacement.** If the kind of a node, its format, or the data type, codecs, chunk shape or chunk keys of an array
    differ, the node is built aside, with all nodes below it, and takes the place of the old one (in one step in folders,
    memory and SQLite). Open it again to read it.

    A zip file that exists is rewritten when something differs, and replaced in one step at the end.
    """
    started = time.perf_counter()
    check_on_error(on_error)
    from_options, to_options = shared_options(source, target, storage_options, target_options)
    with profile(scope="context") as measured, ExitStack() as opened:
        from_ = locate(source, source_path, "r", opened, from_options)
        to = locate_target(target, target_path, opened, to_options, dry_run=dry_run)
        refuse_overlap(from_, to)
        plan = plan_sync(from_, to, delete=delete, on_error=on_error)
        if not dry_run:
            _make_room(from_, to, plan)
        tally = Tally(sum(map(_nbytes, plan.pairs)), progress)
        work = _Sync(from_, to, plan, tally, delete, dry_run, on_error)
        with nullcontext() if dry_run else consolidation.announced(to.store, to.path, 3, 2):
            work.run()
    return SyncReport(
        source=place_of(from_),
        target=place_of(to),
        dry_run=dry_run,
        nodes=tuple(work.nodes[pair.path] for pair in plan.pairs),
        deleted=tuple(work.deleted),
        extra=tuple(work.extra),
        source_changed=tuple(work.source_changed),
        left_out=(*plan.left_out, *work.left_out),
        notes=plan.notes,
        requests=dict(measured.requests),
        planned=work.planned,
        seconds=time.perf_counter() - started,
    )


def _make_room(source: Location, target: Location, plan: SyncPlan) -> None:
    """Create the parents of a new target. Raise an error if it cannot be created there."""
    top = plan.pairs[0] if plan.pairs else None
    if top is not None and top.stored is None:
        if target.path.rpartition("/")[2] != source.path.rpartition("/")[2]:
            hierarchy.check_new(target, top.meta.zarr_format)
        node_creation.make_parents(target, top.meta.zarr_format)


def _nbytes(pair: Pair) -> int:
    """Return the bytes of all elements."""
    if not isinstance(pair.meta, ArrayMetadata):
        return 0
    count = itemsize_of(pair.meta.data_type)
    for length in pair.meta.shape:
        count *= length
    return count


@dataclass
class _Sync:
    """A sync in progress."""

    source: Location
    target: Location
    plan: SyncPlan
    tally: Tally
    delete: bool
    dry_run: bool
    on_error: OnError
    nodes: dict[str, NodeSync] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    source_changed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    planned: dict[tuple[str, str], RequestUse] = field(default_factory=dict)

    def run(self) -> None:
        """Do everything, in the order that `sync` documents."""
        documents_first = self.target.store.traits.documents_first
        for pair in self.plan.pairs if documents_first else reversed(self.plan.pairs):
            if pair.inside is not None:
                self._replace(pair)
            elif isinstance(pair.meta, ArrayMetadata):
                self._array(pair, documents_first=documents_first)
            else:
                self._put(pair)
                self._note(pair)
        if self.delete:
            self._delete()
        else:
            self.extra = [*self.plan.extra, *self.extra]
        self._consolidate(rest=not self.delete)

    # -- nodes ---------------------------------------------------------------------

    def _array(self, pair: Pair, *, documents_first: bool) -> None:
        self.tally.start(pair.target.path, _nbytes(pair))
        with ChunkSync(pair, self.tally, dry_run=self.dry_run) as chunks:
            with self._unfinished(pair):
                if documents_first:
                    self._put(pair)
                chunks.transfer()
                if not documents_first:
                    self._put(pair)
            chunks.remove()
            unused = [pair.target.key(key)[len(self.target.key("")) :] for key in chunks.unused]
            if self.delete:
                chunks.remove_unused()
            (self.deleted if self.delete else self.extra).extend(unused)
        self.tally.finish()
        if not chunks.target_lists:
            why = "the target cannot list its keys, so chunks that the source does not store may remain"
            self.left_out.append(f"{pair.path or '/'}: {why}")
        if not self.dry_run and source_changed(pair):
            self.source_changed.append(pair.source.path or "/")
        self.source_changed += [pair.source.key(key) for key in chunks.source_changed]
        self._add(chunks.planned)
        self._note(pair, chunks.counts)

    @contextmanager
    def _unfinished(self, pair: Pair) -> Iterator[None]:
        """Keep a write intent while a new array has chunks and no document yet, or more chunks than its document says."""
        if self.dry_run or pair.action == "equal":
            yield
            return
        with hierarchy.unfinished(pair.target, pair.meta):
            yield

    def _put(self, pair: Pair) -> None:
        if pair.action not in ("created", "changed"):
            return
        if not self.dry_run:
            put_documents(pair)
            return
        for name, text in document_texts(pair).items():
            self._add({(pair.source.store.url, "get"): RequestUse(1, bytes=len(text))})
            if name == hierarchy.document_name(pair.meta):
                self._add({(pair.target.store.url, "get"): RequestUse(1)})
            self._add({(pair.target.store.url, "put"): RequestUse(1, bytes=len(text))})

    def _replace(self, pair: Pair) -> None:
        """Replace a node with everything below it, when the topmost one comes."""
        if self.dry_run and isinstance(pair.meta, ArrayMetadata):
            with ChunkSync(pair, self.tally, dry_run=True) as chunks:
                chunks.transfer()
                self._add(chunks.planned)
                self._note(pair, chunks.counts)
            return
        self._note(pair)
        if pair.inside == pair.path and not self.dry_run:
            copied = plan_copy(pair.source, pair.target, Recipe(), on_error=self.on_error)
            done = execute_copy(copied, overwrite=True)
            self._note(pair, {"created": done.chunks, "bytes": done.bytes_stored})
            self.left_out += done.left_out

    def _note(self, pair: Pair, counts: Mapping[str, int] = MappingProxyType({})) -> None:
        action = pair.action
        if action == "equal" and any(counts.get(name) for name in ("created", "changed", "removed")):
            action = "changed"
        self.nodes[pair.path] = NodeSync(
            pair.path,
            "array" if isinstance(pair.meta, ArrayMetadata) else "group",
            action,
            pair.differs,
            *[
                counts.get(name, 0)
                for name in ("created", "changed", "equal", "removed", "undecided", "bytes")
            ],
        )

    # -- the rest --------------------------------------------------------------------

    def _delete(self) -> None:
        self.deleted = [*self.plan.extra, *self.plan.unused, *self.deleted]
        for path in self.plan.topmost_extra:
            place = self.target.child(path) if path else self.target
            if self.dry_run:
                self._add({(place.store.url, "delete"): RequestUse(1)})
            else:
                hierarchy.delete(place)

    def _consolidate(self, *, rest: bool) -> None:
        """Update consolidated metadata of the target; with `rest`, it includes the nodes that only the target has."""
        nodes: dict[str, Metadata] = {pair.path: pair.meta for pair in self.plan.pairs}
        if rest:
            nodes |= self.plan.kept
        for path in sorted(self.plan.consolidated, key=len, reverse=True):
            group, meta = self.target.child(path) if path else self.target, nodes[path]
            assert isinstance(meta, GroupMetadata)
            head = f"{path}/" if path else ""
            below = {name[len(head) :]: node for name, node in nodes.items() if name.startswith(head)}
            if not self.dry_run:
                self.left_out += update_group(group, meta, below)
            elif not is_current(group, meta, below):
                self._add({(group.store.url, "put"): RequestUse(1)})
        if not self.dry_run:
            update_above(self.target, nodes)

    def _add(self, requests: dict[tuple[str, str], RequestUse]) -> None:
        for place, use in requests.items():
            total = self.planned.setdefault(place, RequestUse())
            total.requests += use.requests
            total.bytes += use.bytes
