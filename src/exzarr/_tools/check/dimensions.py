"""Check that arrays of one group that share a dimension name also share its length."""

from __future__ import annotations

from functools import partial

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.write_intents import Intent
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location
from exzarr._tools.check.documents import join
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.nodes import Nodes
from exzarr._tools.check.run import Run
from exzarr._tools.check.stored_intents import folders_above, intents_in
from exzarr.errors import MetadataError, StoreError
from exzarr.stores.base import Store

__all__ = ["check_dimensions"]

MULTISCALE = ("multiscales", "ome")
"""Attributes of groups whose arrays are one image in several resolutions. Their lengths differ on purpose."""


def check_dimensions(run: Run, nodes: Nodes) -> None:
    """Note dimensions with several lengths in each group."""
    by_group: dict[str, list[str]] = {}
    for node in nodes.arrays:
        if node.meta.dimension_names and node.location.path:
            by_group.setdefault(node.location.path.rpartition("/")[0], []).append(node.location.path)
    scales = {location.path for location, meta in nodes.groups if _is_multiscale(meta)}
    for group, arrays in by_group.items():
        if len(arrays) > 1 and group not in scales:
            findings = _differing(run.store, group, arrays)
            if findings:
                run.findings.suspect(findings, partial(_again, run, group, arrays), changing=True)


def _again(run: Run, group: str, arrays: list[str]) -> tuple[Finding, ...]:
    findings = _differing(run.store, group, arrays)
    # A writer may be appending to the arrays one after the other.
    documents = [join(path, name) for path in arrays for name in DOCUMENTS[:2]]
    if findings and run.is_young(*documents):
        for finding in findings:
            run.findings.leave_open(finding)
        return ()
    return findings


def _is_multiscale(meta: GroupMetadata) -> bool:
    return any(name in meta.attributes for name in MULTISCALE)


def _differing(store: Store, group: str, arrays: list[str]) -> tuple[Finding, ...]:
    """Return a finding for each dimension that currently has several lengths."""
    lengths: dict[str, dict[int, list[str]]] = {}
    intents = intents_in(store, folders_above(group))
    for path in arrays:
        try:
            meta = hierarchy.find(Location(store, path))
        except (MetadataError, StoreError):
            continue
        if not isinstance(meta, ArrayMetadata) or any(_is_ahead(intent, path, meta) for intent in intents):
            continue
        for name, length in zip(meta.dimension_names or (), meta.shape, strict=False):
            if name:
                lengths.setdefault(name, {}).setdefault(length, []).append(path.rpartition("/")[2])
    findings = []
    for name, found in lengths.items():
        if len(found) > 1:
            parts = [f"{n} in {', '.join(_few(named))}" for n, named in sorted(found.items())]
            detail = f"dimension {name!r} has the lengths {' and '.join(parts)}"
            findings.append(Finding("EXZ701", group, group, detail, fingerprint=detail))
    return tuple(findings)


def _is_ahead(intent: Intent, path: str, meta: ArrayMetadata) -> bool:
    """Return True if an unfinished append to several arrays has already changed this one."""
    meant = intent.array_at(path) if isinstance(intent.meta, GroupMetadata) else None
    return meant is not None and meant.shape == meta.shape


def _few(names: list[str]) -> list[str]:
    ordered = sorted(set(names))
    return ordered if len(ordered) <= 4 else [*ordered[:3], f"{len(ordered) - 3} more"]
