"""Consolidated metadata: the documents of all nodes below a group, in one document.

v2 stores them in ``.zmetadata``, v3 in ``consolidated_metadata`` of the group's ``zarr.json``
(as zarr-python writes it; https://github.com/zarr-developers/zarr-specs/pull/309). A document is
parsed when its node is opened (`nodes.consolidated_node`). Opening a hierarchy of thousands of
arrays therefore costs one JSON parse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from exzarr._format.mending import strict_fill
from exzarr._format.named import shorten
from exzarr.errors import MetadataError, UnsupportedError

__all__ = ["Consolidated", "from_v2", "from_v3", "to_v2", "to_v3"]

V2_DOCUMENTS = (".zarray", ".zgroup", ".zattrs")


@dataclass(frozen=True)
class Consolidated:
    """Documents by path, relative to the group that holds them.

    Attributes
    ----------
    zarr_format
        2 or 3.
    documents
        Documents by path (``"a/b"``). v3: the ``zarr.json``. v2: a dict of the documents
        by name (``.zarray``, ``.zgroup``, ``.zattrs``); the path ``""`` is the group itself.
    extra
        Unknown members besides the documents, kept for a rewrite.
    odd
        Documents under paths of no node below the group (``"../x"``, ``"a//b"``), kept for a
        rewrite. They cannot be opened.
    """

    zarr_format: Literal[2, 3]
    documents: dict[str, dict[str, Any]]
    extra: dict[str, Any] = field(default_factory=dict)
    odd: dict[str, Any] = field(default_factory=dict)

    def kind(self, path: str) -> Literal["array", "group"] | None:
        """Return the kind of the node at `path`, or None if there is no node."""
        if path not in self.documents:
            return None
        document = self.documents[path]
        if self.zarr_format == 2:
            return "array" if ".zarray" in document else "group" if ".zgroup" in document else None
        is_array = isinstance(document, dict) and document.get("node_type") == "array"
        return "array" if is_array else "group"

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Names of nodes by the path of their group."""
        names: dict[str, list[str]] = {}
        for path in self.documents:
            if path and self.kind(path):
                parent, _, name = path.rpartition("/")
                names.setdefault(parent, []).append(name)
        return names

    def children(self, path: str = "") -> tuple[str, ...]:
        """Return the names of the children of `path`, in the order of the documents."""
        return tuple(self._names.get(path, ()))

    def below(self, path: str) -> Consolidated:
        """Return the consolidated metadata of the group at `path`."""
        if not path:
            return self
        prefix = path + "/"
        documents = {
            other[len(prefix) :]: doc for other, doc in self.documents.items() if other.startswith(prefix)
        }
        if self.zarr_format == 2 and path in self.documents:
            documents[""] = self.documents[path]
        return Consolidated(self.zarr_format, documents)


def from_v2(json: Any) -> Consolidated:
    """Convert a parsed ``.zmetadata`` document."""
    if not isinstance(json, Mapping):
        raise MetadataError(f"consolidated metadata must be an object, not {shorten(json)}")
    version = json.get("zarr_consolidated_format")
    if type(version) is not int:
        raise MetadataError(f"'zarr_consolidated_format' must be 1, not {shorten(version)}")
    if version != 1:
        raise UnsupportedError(
            f"'zarr_consolidated_format' {shorten(version)} is not known; exzarr supports 1"
        )
    documents: dict[str, dict[str, Any]] = {}
    odd: dict[str, Any] = {}
    for key, document in _members(json).items():
        path, _, name = key.rpartition("/")
        if name in V2_DOCUMENTS and _is_path(path):
            documents.setdefault(path, {})[name] = document
        else:
            odd[key] = document
    extra = {key: value for key, value in json.items() if key not in ("zarr_consolidated_format", "metadata")}
    return Consolidated(2, documents, extra, odd)


def to_v2(consolidated: Consolidated) -> dict[str, Any]:
    """Return the ``.zmetadata`` document, with keys in zarr-python's order."""
    members = {
        f"{path}/{name}" if path else name: strict_fill(document)
        for path, documents in consolidated.documents.items()
        for name, document in documents.items()
    } | consolidated.odd
    ordered = {key: members[key] for key in sorted(members)}
    return {"zarr_consolidated_format": 1, "metadata": ordered, **consolidated.extra}


def from_v3(json: Any) -> Consolidated | None:
    """Convert the ``consolidated_metadata`` of a group; return None if it is missing or of an optional unknown kind."""
    # Early versions of zarr-python wrote null, other software an empty object.
    if json is None or (not json and isinstance(json, dict | list | str)):
        return None
    if not isinstance(json, Mapping):
        raise MetadataError(f"'consolidated_metadata' must be an object, not {shorten(json)}")
    kind = json.get("kind")
    if kind != "inline":
        if json.get("must_understand") is False and type(kind) is str:
            return None  # an unknown kind: read the nodes' own documents
        raise UnsupportedError(
            f"'consolidated_metadata': kind {shorten(kind)} is not known; exzarr supports 'inline'"
        )
    documents: dict[str, dict[str, Any]] = {}
    odd: dict[str, Any] = {}
    for path, document in _members(json).items():
        (documents if path and _is_path(path) else odd)[path] = document
    extra = {key: value for key, value in json.items() if key not in ("kind", "must_understand", "metadata")}
    return Consolidated(3, documents, extra, odd)


def to_v3(consolidated: Consolidated) -> dict[str, Any]:
    """Return the ``consolidated_metadata`` member, with nodes sorted by path and parents first."""
    documents = consolidated.documents
    ordered = {path: strict_fill(documents[path]) for path in sorted(documents, key=_by_depth)}
    return {
        "kind": "inline",
        "must_understand": False,
        "metadata": ordered | consolidated.odd,
        **consolidated.extra,
    }


def _by_depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _members(json: Mapping[str, Any]) -> dict[str, Any]:
    members = json.get("metadata")
    if not isinstance(members, dict):
        raise MetadataError(f"consolidated metadata: 'metadata' must be an object, not {shorten(members)}")
    return members


def _is_path(path: str) -> bool:
    """Return True if `path` is the path of the group (``""``) or of a node below it."""
    return not path or {"", ".", ".."}.isdisjoint(path.split("/"))
