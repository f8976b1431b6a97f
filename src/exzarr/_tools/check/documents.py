"""Read and check the metadata documents of one node."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from exzarr._engine.source import open_source
from exzarr._format import json_text, mending, v2, v3
from exzarr._format.appends import without_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes.hierarchy import DOCUMENTS
from exzarr._tools.check.findings import Finding
from exzarr.errors import MetadataError, StoreError, UnsupportedError
from exzarr.stores.base import Store

__all__ = ["Documents", "canonical", "join", "inspect_documents", "mended"]

Metadata = ArrayMetadata | GroupMetadata


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents at one path.

    Attributes
    ----------
    path
        The node's path.
    found
        True if there is a document.
    meta
        The metadata that readers see: v3 if there are both; None if there is no document or it cannot be read.
    findings
        Problems with the documents.
    usable
        True if an array's codecs are known and fit its chunks.
    """

    path: str
    found: bool
    meta: Metadata | None
    findings: tuple[Finding, ...]
    usable: bool = True


def join(path: str, name: str) -> str:
    """Return the key of `name` at the node at `path`."""
    return f"{path}/{name}" if path else name


def canonical(meta: Metadata) -> str:
    """Return the metadata of a node in a canonical form, for comparison."""
    meta = without_appends(meta)
    if isinstance(meta, GroupMetadata):
        # zarr-python adds an empty one to groups that it consolidates, also in v2.
        extra = {key: value for key, value in meta.extra.items() if key != "consolidated_metadata"}
        meta = meta.with_(consolidated=None, extra=extra, broken=None)
    if meta.zarr_format == 3:
        return json.dumps(v3.to_json(meta), sort_keys=True)
    both = v2.array_json(meta) if isinstance(meta, ArrayMetadata) else v2.group_json(meta)
    return json.dumps(both, sort_keys=True)


def inspect_documents(store: Store, path: str) -> Documents:
    """Read the documents at `path`. A StoreError becomes a finding."""
    values: dict[str, bytes] = {}
    findings: list[Finding] = []
    for name in DOCUMENTS:
        key = join(path, name)
        try:
            value = store.get(key)
        except StoreError as error:
            findings.append(Finding("EXZ101", path, key, str(error)))
            continue
        if value is not None:
            values[name] = bytes(value)
    fingerprint = str(crc32(b"".join([name.encode() + value for name, value in values.items()])))
    third = _parse(path, v3.DOCUMENT, values, findings, fingerprint)
    second = _parse(path, v2.ZARRAY, values, findings, fingerprint)
    if v2.ZARRAY not in values:
        second = _parse(path, v2.ZGROUP, values, findings, fingerprint)
    meta = third if v3.DOCUMENT in values else second
    invalid = {finding.key for finding in findings if finding.code == "EXZ102"}
    _note_mending(path, {n: v for n, v in values.items() if join(path, n) not in invalid}, findings)
    if third is not None and second is not None:
        differ = _difference(third, second)
        if differ:
            findings.append(Finding("EXZ104", path, join(path, v3.DOCUMENT), differ, fingerprint=fingerprint))
    usable = True
    if isinstance(meta, ArrayMetadata):
        usable = _usable(store, path, meta, findings, fingerprint)
    found = bool(findings) or any(name in values for name in (v3.DOCUMENT, v2.ZARRAY, v2.ZGROUP))
    return Documents(path, found, meta, tuple(findings), usable)


def _parse(
    path: str, name: str, values: dict[str, bytes], findings: list[Finding], fingerprint: str
) -> Metadata | None:
    document = values.get(name)
    if document is None:
        return None
    key = join(path, name)
    try:
        json_text.decode(document, key)
        if name != v3.DOCUMENT and v2.ZATTRS in values:
            key = join(path, v2.ZATTRS)
            json_text.decode(values[v2.ZATTRS], key)
    except MetadataError as error:
        findings.append(Finding("EXZ101", path, key, str(error), fingerprint=fingerprint))
        return None
    key = join(path, name)
    meta: Metadata
    try:
        if name == v3.DOCUMENT:
            meta = v3.loads(document, key)
        else:
            kind: Literal["array", "group"] = "array" if name == v2.ZARRAY else "group"
            meta = v2.loads(document, values.get(v2.ZATTRS), kind=kind, where=path)
    except MetadataError as error:
        code = "EXZ103" if isinstance(error, UnsupportedError) else "EXZ102"
        findings.append(Finding(code, path, key, str(error), fingerprint=fingerprint))
        return None
    if isinstance(meta, GroupMetadata) and meta.broken is not None:
        findings.append(Finding("EXZ601", path, key, str(meta.broken), fingerprint=fingerprint))
    return meta


def mended(name: str, value: bytes, key: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the corrected document `name`, and the corrections. Raise MetadataError if it is not JSON."""
    document, notes = mending.mend(name, json_text.decode(value, key))
    if value.startswith(codecs.BOM_UTF8):
        notes = ("it begins with a byte order mark", *notes)
    return (json_text.encode(document) if notes else value), notes


def _note_mending(path: str, values: dict[str, bytes], findings: list[Finding]) -> None:
    for name, value in values.items():
        key = join(path, name)
        try:
            _, notes = mended(name, value, key)
        except MetadataError:
            continue  # this is a separate finding
        if notes:
            findings.append(Finding("EXZ108", path, key, "; ".join(notes), fingerprint=str(crc32(value))))


def _usable(store: Store, path: str, meta: ArrayMetadata, findings: list[Finding], fingerprint: str) -> bool:
    key = join(path, v3.DOCUMENT if meta.zarr_format == 3 else v2.ZARRAY)
    try:
        open_source(store, path, meta)
    except MetadataError as error:
        code = "EXZ103" if isinstance(error, UnsupportedError) else "EXZ102"
        findings.append(Finding(code, path, key, str(error), fingerprint=fingerprint))
        return False
    return True


def _difference(third: Metadata, second: Metadata) -> str:
    """Describe the first important difference between the v3 and v2 documents of a node; empty if there is none."""
    if type(third) is not type(second):
        return (
            "zarr.json describes an array, the v2 document a group"
            if isinstance(third, ArrayMetadata)
            else "zarr.json describes a group, the v2 document an array"
        )
    if not isinstance(third, ArrayMetadata) or not isinstance(second, ArrayMetadata):
        return ""
    for what, one, other in (
        ("shape", third.shape, second.shape),
        ("data type", third.data_type.name, second.data_type.name),
        ("chunks", third.chunk_grid, second.chunk_grid),
    ):
        if one != other:
            if what == "chunks":
                return "zarr.json and .zarray have different chunks"
            return f"zarr.json has {what} {one}, .zarray has {other}"
    return ""
