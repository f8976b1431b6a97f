"""Consolidated metadata: the documents of all nodes below a group, in one.

v2 keeps them in ``.zmetadata``, v3 in ``consolidated_metadata`` of the group's ``zarr.json``
(as zarr-python writes it; https://github.com/zarr-developers/zarr-specs/pull/309). Documents
are kept as they are and parsed when a node is opened (`nodes.consolidated_node`): opening a
hierarchy of thousands of arrays costs one JSON parse.
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
        Path (``"a/b"``) to what is stored there. v3: the ``zarr.json``. v2: a dict of the documents
        by name (``.zarray``, ``.zgroup``, ``.zattrs``); the path ``""`` is the group itself.
    extra
        Members beside the documents that exzarr does not know, kept for a rewrite.
    odd
        Members among the documents that belong to no node below the group (``"../x"``, ``"a//b"``), kept for a
        rewrite. Nothing is opened by them.
    """

    zarr_format: Literal[2, 3]
    documents: dict[str, dict[str, Any]]
    extra: dict[str, Any] = field(default_factory=dict)
    odd: dict[str, Any] = field(default_factory=dict)

    def kind(self, path: str) -> Literal["array", "group"] | None:
        """What lies at `path`; None where nothing does."""
        if path not in self.documents:
            return None
        document = self.documents[path]
        if self.zarr_format == 2:
            return "array" if ".zarray" in document else "group" if ".zgroup" in document else None
        is_array = isinstance(document, dict) and document.get("node_type") == "array"
        return "array" if is_array else "group"

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Names of nodes by the path of the group they lie in."""
        names: dict[str, list[str]] = {}
        for path in self.documents:
            if path and self.kind(path):
                parent, _, name = path.rpartition("/")
                names.setdefault(parent, []).append(name)
        return names

    def children(self, path: str = "") -> tuple[str, ...]:
        """Names of the nodes right below `path`, in the order of the documents."""
        return tuple(self._names.get(path, ()))

    def below(self, path: str) -> Consolidated:
        """The same, seen from the group at `path`."""
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
    """A parsed ``.zmetadata`` document."""
    if not isinstance(json, Mapping):
        raise MetadataError(f"consolidated metadata must be an object, not {shorten(json)}")
    version = json.get("zarr_consolidated_format")
    if type(version) is not int:
        raise MetadataError(f"'zarr_consolidated_format' must be 1, not {shorten(version)}")
    if version != 1:
        raise UnsupportedError(f"'zarr_consolidated_format' {shorten(version)} is not known, only 1")
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
    """The ``.zmetadata`` document, keys sorted as zarr-python sorts them."""
    members = {
        f"{path}/{name}" if path else name: strict_fill(document)
        for path, documents in consolidated.documents.items()
        for name, document in documents.items()
    } | consolidated.odd
    ordered = {key: members[key] for key in sorted(members)}
    return {"zarr_consolidated_format": 1, "metadata": ordered, **consolidated.extra}


def from_v3(json: Any) -> Consolidated | None:
    """The ``consolidated_metadata`` of a group; None where there is none of a kind exzarr reads."""
    # Early versions of zarr-python wrote null, other software an empty object.
    if json is None or (not json and isinstance(json, dict | list | str)):
        return None
    if not isinstance(json, Mapping):
        raise MetadataError(f"'consolidated_metadata' must be an object, not {shorten(json)}")
    kind = json.get("kind")
    if kind != "inline":
        if json.get("must_understand") is False and type(kind) is str:
            return None  # a kind of the future: the documents themselves are still there
        raise UnsupportedError(f"'consolidated_metadata': kind {shorten(kind)} is not known, only 'inline'")
    documents: dict[str, dict[str, Any]] = {}
    odd: dict[str, Any] = {}
    for path, document in _members(json).items():
        (documents if path and _is_path(path) else odd)[path] = document
    extra = {key: value for key, value in json.items() if key not in ("kind", "must_understand", "metadata")}
    return Consolidated(3, documents, extra, odd)


def to_v3(consolidated: Consolidated) -> dict[str, Any]:
    """The ``consolidated_metadata`` member, nodes in the order of their paths, parents first."""
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
    """Whether `path` is the group's own (``""``), or that of a node below it."""
    return not path or {"", ".", ".."}.isdisjoint(path.split("/"))
