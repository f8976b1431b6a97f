"""Metadata of single nodes from consolidated metadata, parsed on request."""

from __future__ import annotations

from exzarr._format import v2, v3
from exzarr._format.appends import without_appends
from exzarr._format.consolidated import Consolidated
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.named import shorten
from exzarr.errors import MetadataError

__all__ = ["consolidate", "consolidated_node", "without_consolidated"]


def consolidated_node(
    consolidated: Consolidated, path: str, *, below: bool = True
) -> ArrayMetadata | GroupMetadata | None:
    """Return the metadata of the node at `path`, or None if there is no node.

    With `below`, the metadata of a group includes the consolidated metadata of the nodes below it.
    Raises MetadataError with the path in its message if the document is invalid.
    """
    kind = consolidated.kind(path)
    if kind is None:
        return None
    document = consolidated.documents[path]
    try:
        if consolidated.zarr_format == 3:
            if not isinstance(document, dict):
                raise MetadataError(f"a metadata document must be a JSON object, not {shorten(document)}")
            if "consolidated_metadata" in document:
                document = {k: value for k, value in document.items() if k != "consolidated_metadata"}
            node = v3.parse(document)
        elif kind == "array":
            return v2.parse_array(document[v2.ZARRAY], document.get(v2.ZATTRS))
        else:
            node = v2.parse_group(document[v2.ZGROUP], document.get(v2.ZATTRS))
    except MetadataError as error:
        raise type(error)(
            f"consolidated metadata of {path or '/'!r}: {error}. Open the group with use_consolidated=False to read "
            "the node's own document"
        ) from error
    if below and isinstance(node, GroupMetadata):
        return node.with_(consolidated=consolidated.below(path))
    return node


def without_consolidated(group: GroupMetadata) -> GroupMetadata:
    """Return the group without consolidated metadata in its own document, even if that is unreadable."""
    if group.broken is None:
        return group.with_(consolidated=None)
    extra = {key: value for key, value in group.extra.items() if key != "consolidated_metadata"}
    return group.with_(consolidated=None, extra=extra, broken=None)


def consolidate(nodes: dict[str, ArrayMetadata | GroupMetadata], zarr_format: int) -> Consolidated:
    """Return the consolidated metadata of `nodes`, given by path relative to their group.

    In v2, `nodes` includes the group itself under ``""``. All nodes must have the same format.
    """
    documents = {}
    for path, node in nodes.items():
        node = without_appends(node)
        if zarr_format == 3:
            plain = without_consolidated(node) if isinstance(node, GroupMetadata) else node
            documents[path] = v3.to_json(plain)
        elif isinstance(node, GroupMetadata):
            zgroup, zattrs = v2.group_json(node)
            documents[path] = {v2.ZGROUP: zgroup, v2.ZATTRS: zattrs}
        else:
            zarray, zattrs = v2.array_json(node)
            documents[path] = {v2.ZARRAY: zarray, v2.ZATTRS: zattrs}
    return Consolidated(3 if zarr_format == 3 else 2, documents)
