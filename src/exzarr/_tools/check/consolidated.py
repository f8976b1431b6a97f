"""Compare consolidated metadata with the documents of the nodes."""

from __future__ import annotations

from functools import partial
from zlib import crc32

from exzarr._format import consolidated as formats, json_text, v2, v3
from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import GroupMetadata
from exzarr._format.named import shorten
from exzarr._format.nodes import consolidated_node
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location
from exzarr._tools.check.confirm import NEW
from exzarr._tools.check.documents import canonical, join
from exzarr._tools.check.entries import age
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.nodes import Nodes
from exzarr._tools.check.run import Run
from exzarr._tools.check.stored_intents import folders_above, intents_in
from exzarr.errors import ExzarrError, MetadataError, StoreError
from exzarr.stores.base import Store

__all__ = ["check_consolidated", "inspect_consolidated", "node_of"]

ATTEMPTS = 5
"""Maximum number of attempts while the consolidated metadata is changing."""


def check_consolidated(run: Run, nodes: Nodes) -> None:
    """Note entries in the consolidated metadata of every group that are wrong or missing."""
    for location, meta in nodes.groups:
        below = [path for path in nodes.paths if _is_below(path, location.path)]
        found = inspect_consolidated(run.store, location.path, meta.zarr_format, below)
        if found:
            look = partial(_again, run, location.path, meta.zarr_format, below)
            run.findings.suspect(found, look, changing=True)


def _again(run: Run, group: str, zarr_format: int, below: list[str]) -> tuple[Finding, ...]:
    """Inspect again. Leave findings open if the node was written recently and may still be consolidated."""
    findings = _undisturbed(run, group, zarr_format, below)
    if not findings:
        return ()
    left = []
    for finding in findings:
        path = node_of(finding)
        keys = [join(path, name) for name in DOCUMENTS]
        if finding.code == "EXZ604":  # the age of the parent folder shows when the node was removed
            keys += [path, path.rpartition("/")[0]]
        ages = [age(run.store, key) for key in keys]
        if any(old is not None and old < min(NEW, run.options.grace) for old in ages):
            run.findings.leave_open(finding)
        else:
            left.append(finding)
    return tuple(left)


def _undisturbed(run: Run, group: str, zarr_format: int, below: list[str]) -> tuple[Finding, ...]:
    """Return the findings that no change in progress explains.

    A writer stores a write intent before it changes a node, and removes it after it has updated the consolidated metadata.
    If there is no intent after the node was read, the consolidated metadata contains the node's last change. If the
    consolidated metadata was also the same before and after the comparison, it is out of date.
    """
    key = join(group, v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA)
    findings: tuple[Finding, ...] = ()
    for _ in range(ATTEMPTS):
        before = run.store.get(key)
        findings = inspect_consolidated(run.store, group, zarr_format, below)
        nodes = [node_of(finding) for finding in findings]
        intents = intents_in(run.store, {folder for node in nodes for folder in folders_above(node)})
        if run.store.get(key) == before:
            concerned = [any(intent.concerns(node) for intent in intents) for node in nodes]
            return tuple(
                [
                    finding
                    for finding, is_explained in zip(findings, concerned, strict=True)
                    if not is_explained
                ]
            )
    for finding in findings:
        run.findings.leave_open(finding)
    return ()


def node_of(finding: Finding) -> str:
    """Return the path of the node that a finding about consolidated metadata refers to."""
    node = finding.fingerprint.rpartition(":")[0] if finding.code == "EXZ602" else finding.fingerprint
    return join(finding.path, node) if node else finding.path


def inspect_consolidated(store: Store, group: str, zarr_format: int, below: list[str]) -> tuple[Finding, ...]:
    """Read the consolidated metadata of `group` and compare it with the nodes at the paths `below`.

    Return the findings; none if there is no consolidated metadata.
    """
    name = v3.DOCUMENT if zarr_format == 3 else v2.ZMETADATA
    key = join(group, name)
    try:
        document = store.get(key)
        if document is None:
            return ()
        consolidated = _parse(bytes(document), key, zarr_format)
    except MetadataError as error:
        if zarr_format == 3:
            return ()  # reported together with the document itself
        return (Finding("EXZ601", group, key, str(error)),)
    except StoreError:
        return ()
    if consolidated is None:
        return ()
    findings = [
        Finding("EXZ601", group, key, f"it contains {shorten(name)}, which is not the document of a node")
        for name in consolidated.odd
    ]
    skip = len(group) + 1 if group else 0
    recorded = {path for path in consolidated.documents if path or zarr_format == 2}
    stored = {path[skip:] if path != group else "" for path in below}
    if zarr_format == 2:
        stored.add("")
    for path in sorted(recorded | stored):
        finding = _compare(store, group, key, consolidated, path)
        if finding is not None:
            findings.append(finding)
    return tuple(findings)


def _parse(document: bytes, key: str, zarr_format: int) -> Consolidated | None:
    if zarr_format == 2:
        return formats.from_v2(json_text.decode(document, key))
    group = v3.loads(document, key)
    return group.consolidated if isinstance(group, GroupMetadata) else None


def _compare(store: Store, group: str, key: str, consolidated: Consolidated, path: str) -> Finding | None:
    """Compare the consolidated metadata of the node at `path`, relative to the group, with its stored document."""
    full = join(group, path) if path else group
    what = f"{full or '/'!r}"
    try:
        stored = hierarchy.find(Location(store, full))
    except (MetadataError, StoreError):
        return None  # this is a separate finding
    if stored is not None and stored.zarr_format != consolidated.zarr_format:
        stored = None  # consolidated metadata does not cover nodes of the other version
        if path not in consolidated.documents:
            return None
    try:
        recorded = consolidated_node(consolidated, path, below=False)
    except MetadataError as error:
        return Finding("EXZ601", group, key, str(error), fingerprint=path)
    if stored is None and recorded is None:
        return None
    if recorded is None:
        return Finding("EXZ603", group, key, f"the entry for {what} is missing", fingerprint=path)
    if stored is None:
        return Finding(
            "EXZ604", group, key, f"it has an entry for {what}, which does not exist", fingerprint=path
        )
    try:
        one, other = canonical(recorded), canonical(stored)
    except ExzarrError:
        return None
    if one == other:
        return None
    return Finding(
        "EXZ602",
        group,
        key,
        f"the entry for {what} is out of date",
        fingerprint=f"{path}:{crc32((one + other).encode())}",
    )


def _is_below(path: str, group: str) -> bool:
    return path != group and (not group or path.startswith(f"{group}/"))
