"""Names of nodes: which ones the specifications reserve, and for whom.

v3: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#node-names. v2 reserves no names. Both formats
store a group's documents beside its children, so a child that is called like a document hides it, or is hidden.
"""

from __future__ import annotations

__all__ = ["DOCUMENT_NAMES", "QUARANTINE", "hides_document", "reserved"]

V2_DOCUMENTS = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
DOCUMENT_NAMES = frozenset(("zarr.json", *V2_DOCUMENTS))
"""Names of all metadata documents, of both formats."""

QUARANTINE = "__exzarr_quarantine__"
"""The folder below an array to which `exzarr.repair` moves damaged chunks. It is never a node."""


def reserved(name: str, zarr_format: int) -> str | None:
    """Why a new node must not have this name; None where it may.

    Existing nodes with such names are read, listed, copied and converted all the same.
    """
    if name in DOCUMENT_NAMES:
        return "it is the name of a metadata document"
    if name == QUARANTINE:
        return "exzarr.repair keeps damaged chunks under it"
    if "\\" in name:
        return "zarr-python reads a backslash as a slash"
    if zarr_format == 3:
        if name.startswith("__"):
            return "Zarr v3 reserves names that start with '__' (Zarr v2 does not)"
        if name.lower() == "zarr.json":
            return "Zarr v3 reserves 'zarr.json' in any case"
        if not name.strip("."):
            return "Zarr v3 has no names of periods alone"
    return None


def hides_document(name: str, zarr_format: int) -> bool:
    """Whether a node of this name stands where a group of `zarr_format` has a document of its own."""
    return name == "zarr.json" if zarr_format == 3 else name in V2_DOCUMENTS
