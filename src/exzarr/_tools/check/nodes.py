"""Find the nodes of a hierarchy in the store itself, without consolidated metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.node_names import QUARANTINE, reserved
from exzarr._nodes.hierarchy import DOCUMENTS, Location, children as children_of, is_node_name
from exzarr._nodes.locating import through_consolidated
from exzarr._tools.check.documents import inspect_documents
from exzarr._tools.check.entries import age, below, directly
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.leftovers import is_foreign_temporary
from exzarr._tools.check.run import Run
from exzarr._tools.check.stored_intents import unfinished_node
from exzarr.errors import ListingUnsupportedError
from exzarr.stores.base import Store

__all__ = ["ArrayNode", "Nodes", "find_nodes", "looks_like_chunk"]


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """An array whose metadata can be read. `usable` is True if its codecs are known, too."""

    location: Location
    meta: ArrayMetadata
    usable: bool


@dataclass(slots=True)
class Nodes:
    """The nodes found: paths of all nodes, and the arrays and groups among them."""

    paths: list[str] = field(default_factory=list)
    arrays: list[ArrayNode] = field(default_factory=list)
    groups: list[tuple[Location, GroupMetadata]] = field(default_factory=list)


def find_nodes(run: Run, root: Location) -> Nodes:
    """Find every node at or below `root`, and note problems with documents and keys that belong to no node.

    If the store cannot list, the nodes come from consolidated metadata.

    Raises
    ------
    ListingUnsupportedError
        The store cannot list, and there is no consolidated metadata.
    """
    nodes = Nodes()
    known: Location | None = None
    pending: list[tuple[str, bool]] = [(root.path, False)]
    while pending:
        path, linked = pending.pop()
        documents = inspect_documents(run.store, path)
        if documents.findings:
            run.findings.suspect(documents.findings, partial(_again, run.store, path))
        location = Location(run.store, path)
        if documents.found:
            nodes.paths.append(path)
            _note_name(run, path, root.path, documents.meta)
        meta = documents.meta
        if isinstance(meta, ArrayMetadata):
            nodes.arrays.append(ArrayNode(location, meta, documents.usable))
            continue
        if isinstance(meta, GroupMetadata):
            nodes.groups.append((location, meta))
        elif not documents.found and (linked or known is not None):
            continue  # a link to a folder that is not a node: its target may be outside the hierarchy
        elif not documents.found and path != root.path:
            if not _holds_node(run.store, path, linked):
                _note_orphans(run, path)
                continue
            detail = f"there are nodes below {path!r}, but it has no metadata document"
            finding = Finding("EXZ105", path, path, detail)
            run.findings.suspect([finding], partial(_still_without_document, run, finding), changing=True)
        # There may be nodes below a node whose document cannot be read. Its other keys are not reported.
        children: list[tuple[str, bool]] = []
        if known is None:
            try:
                children = [*_children(run, path, linked, broken=documents.found and meta is None)]
            except ListingUnsupportedError as error:
                known = through_consolidated(Location(root.store, path, root.root), error)
                run.cannot_list(root.path, error)
        if known is not None:
            children = [
                (child.path, False) for _, child in children_of(Location(run.store, path, known.root))
            ]
        pending += sorted(children, reverse=True)
    for key in map(root.key, run.store.maintenance(root.path).odd_names()):
        finding = Finding("EXZ403", root.path, key, "it is not a valid key, so no path can refer to it")
        run.findings.suspect([finding], partial(_same, finding))
    return nodes


def _note_name(run: Run, path: str, root: str, meta: ArrayMetadata | GroupMetadata | None) -> None:
    """Note a node whose name is reserved by the specification of its format."""
    if meta is None or path == root:
        return
    why = reserved(path.rpartition("/")[2], meta.zarr_format)
    if why is not None:
        finding = Finding("EXZ107", path, path, f"{why}; exzarr reads it")
        run.findings.suspect([finding], partial(_same, finding))


def _again(store: Store, path: str) -> tuple[Finding, ...]:
    return inspect_documents(store, path).findings


def _children(run: Run, path: str, linked: bool, *, broken: bool) -> Iterator[tuple[str, bool]]:
    """Yield the paths directly below `path` that may be nodes, and True if they are reached through a link."""
    for entry, is_link in directly(run.store, path, linked=linked):
        name = entry.key.rpartition("/")[2]
        if entry.kind == "prefix" and is_node_name(name):
            if not broken or _holds_node(run.store, entry.key, linked or is_link):
                yield entry.key, linked or is_link
        elif entry.kind == "prefix" and name != QUARANTINE:
            detail = "the keys below it are not valid, so no path can refer to them"
            finding = Finding("EXZ403", path, entry.key, detail)
            run.findings.suspect([finding], partial(_same, finding))
        elif entry.kind != "value":
            if not (broken and entry.kind == "prefix"):
                run.odd_entry(path, entry)
        elif is_foreign_temporary(name):
            run.leftover(path, entry.key)
        elif name not in DOCUMENTS and not broken:
            finding = Finding("EXZ403", path, entry.key, f"it is not a metadata document of {path or '/'!r}")
            run.findings.suspect([finding], partial(_still_there, run.store, finding))


def _holds_node(store: Store, path: str, linked: bool) -> bool:
    """Return True if there is a document at `path` or below it."""
    return bool(_documents_below(store, path, linked, most=1))


def _documents_below(store: Store, path: str, linked: bool = False, most: int = 100) -> list[str]:
    """Return the keys of the first `most` documents found at `path` or below it."""
    found: list[str] = []
    pending = [(path, linked)]
    while pending and len(found) < most:
        at, through = pending.pop()
        for entry, is_link in directly(store, at, linked=through):
            if entry.kind == "value" and entry.key.rpartition("/")[2] in DOCUMENTS[:3]:
                found.append(entry.key)
                if len(found) == most:
                    break
            elif entry.kind == "prefix" and not (through or is_link or entry.key.endswith(QUARANTINE)):
                pending.append((entry.key, False))
    return found


def _same(finding: Finding) -> tuple[Finding, ...]:
    return (finding,)


def _still_there(store: Store, finding: Finding) -> tuple[Finding, ...]:
    return (finding,) if store.exists(finding.key) and not unfinished_node(store, finding.path) else ()


def _still_without_document(run: Run, finding: Finding) -> tuple[Finding, ...]:
    documents = inspect_documents(run.store, finding.path)
    found = _documents_below(run.store, finding.path)
    if documents.found or not found or unfinished_node(run.store, finding.path):
        return ()
    if run.is_young(*found):  # a copy of a group writes the group's own document last
        run.findings.leave_open(finding)
        return ()
    return (finding,)


# -- keys below a prefix that is not a node --------------------------------------------


def _note_orphans(run: Run, path: str) -> None:
    """Note one finding for all keys below `path`, which is not a node."""
    finding, _ = _orphans(run, path, note_leftovers=True)
    if finding is None:
        return

    def again() -> tuple[Finding, ...]:
        if inspect_documents(run.store, path).found or unfinished_node(run.store, path):
            return ()
        found, newest = _orphans(run, path)
        # While an array is copied or deleted, there are chunks without a document.
        if found is not None and newest is not None and newest < run.options.grace:
            run.findings.leave_open(found)
            return ()
        return () if found is None else (found,)

    run.findings.suspect([finding], again, changing=True)


def _orphans(run: Run, path: str, *, note_leftovers: bool = False) -> tuple[Finding | None, float | None]:
    """Return the finding about the keys below `path`, and the age of the newest among the first 100.

    With `note_leftovers`, also note temporary files.
    """
    count = chunks = 0
    newest: float | None = None
    first = ""
    for entry in below(run.store, path):
        name = entry.key.rpartition("/")[2]
        if entry.kind != "value" or is_foreign_temporary(name):
            if note_leftovers and entry.kind in ("own", "value"):
                run.leftover(path, entry.key)
            continue
        count += 1
        first = min(first, entry.key) if first else entry.key
        chunks += looks_like_chunk(name)
        if count <= 100:
            old = age(run.store, entry.key)
            newest = old if newest is None or (old is not None and old < newest) else newest
    if not count:
        return None, None
    what = f"{count} key{'' if count == 1 else 's'} below {path!r}, such as {first!r}"
    code = "EXZ402" if chunks else "EXZ403"
    return Finding(code, path, path, what, fingerprint=str(count)), newest


def looks_like_chunk(name: str) -> bool:
    """Return True if a chunk key may end in `name`."""
    return name == "c" or name.removeprefix("c.").replace(".", "").isdigit()
