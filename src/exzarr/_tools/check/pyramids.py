"""Check pyramids: that their levels exist, and that shapes, scales and the lists of images are right."""

from __future__ import annotations

from functools import partial

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.multiscales.collections import parse_paths, parse_plate, parse_well
from exzarr._format.multiscales.faults import faults
from exzarr._format.multiscales.parse import kind_of, ome_members, parse
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import DOCUMENTS, Location
from exzarr._tools.check.documents import join
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.nodes import Nodes
from exzarr._tools.check.run import Run
from exzarr.errors import MetadataError, StoreError
from exzarr.stores.base import Store

__all__ = ["check_pyramids"]

CODES = {"missing": "EXZ801", "shape": "EXZ802", "scale": "EXZ803"}


def check_pyramids(run: Run, nodes: Nodes) -> None:
    """Note what is wrong with pyramids, and with collections that list them."""
    for location, meta in nodes.groups:
        if kind_of(meta.attributes) is None:
            continue
        findings = _findings(run.store, location.path, meta)
        if findings:
            run.findings.suspect(findings, partial(_again, run, location.path), changing=True)


def _again(run: Run, path: str) -> tuple[Finding, ...]:
    """Inspect a group again. A writer may be changing the levels one after the other."""
    meta = _meta(run.store, path)
    if not isinstance(meta, GroupMetadata):
        return ()
    findings = _findings(run.store, path, meta)
    documents = [join(at, name) for at in (path, *[f.key for f in findings]) for name in DOCUMENTS[:4]]
    if findings and run.is_young(*documents):
        for finding in findings:
            run.findings.leave_open(finding)
        return ()
    return findings


def _findings(store: Store, path: str, meta: GroupMetadata) -> tuple[Finding, ...]:
    kind = kind_of(meta.attributes)
    try:
        if kind == "image":
            return _of_image(store, path, meta)
        return _of_collection(store, path, meta, kind or "")
    except MetadataError as error:
        return (Finding("EXZ804", path, path, str(error), fingerprint=str(error)),)


def _of_image(store: Store, path: str, meta: GroupMetadata) -> tuple[Finding, ...]:
    image = parse(meta.attributes)
    levels = {level.path: _meta(store, join(path, level.path)) for level in image.levels}
    # In GeoZarr, a level may be a group of several arrays. A document that cannot be read is another finding.
    if any(isinstance(found, GroupMetadata) for found in levels.values()):
        found = [fault for fault in faults(image, _arrays(levels)) if levels[fault.path] is None]
    else:
        found = faults(image, _arrays(levels))
    return tuple(
        [
            Finding(CODES[fault.kind], path, join(path, fault.path), fault.detail, fingerprint=fault.detail)
            for fault in found
        ]
    )


def _arrays(levels: dict[str, ArrayMetadata | GroupMetadata | None]) -> dict[str, ArrayMetadata | None]:
    return {path: meta if isinstance(meta, ArrayMetadata) else None for path, meta in levels.items()}


def _of_collection(store: Store, path: str, meta: GroupMetadata, kind: str) -> tuple[Finding, ...]:
    members = ome_members(meta.attributes)
    listed: tuple[str, ...] = ()
    if kind == "labels":
        listed = parse_paths(members.get("labels"), "labels")
    elif kind == "plate":
        listed = parse_plate(members.get("plate")).wells
    elif kind == "well":
        listed = tuple([field.path for field in parse_well(members.get("well"))])
    return tuple(
        [
            Finding(
                "EXZ805", path, join(path, name), f"the metadata lists {name!r}, and there is no such group"
            )
            for name in listed
            if not isinstance(_meta(store, join(path, name)), GroupMetadata)
        ]
    )


def _meta(store: Store, path: str) -> ArrayMetadata | GroupMetadata | None:
    """Return the metadata of a node; a placeholder if there is a document that cannot be read."""
    try:
        return hierarchy.find(Location(store, path))
    except (MetadataError, StoreError):
        return GroupMetadata(3)
