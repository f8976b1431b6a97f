"""Reserved names of nodes.

v3: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#node-names. v2 reserves no names. Both formats
store a group's documents next to its children. A child with the name of a document would hide the document, or be
hidden by it.
"""

from __future__ import annotations

__all__ = ["DOCUMENT_NAMES", "NAMES_OF_XARRAY", "QUARANTINE", "V2_DOCUMENTS", "hides_document", "reserved"]

V2_DOCUMENTS = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
DOCUMENT_NAMES = frozenset(("zarr.json", *V2_DOCUMENTS))
"""Names of the metadata documents of both formats."""

QUARANTINE = "__exzarr_quarantine__"
"""The folder below an array to which `exzarr.repair` moves damaged chunks. It is never a node."""

NAMES_OF_XARRAY = frozenset(("__xarray_dataarray_variable__", "__values__"))
"""Reserved names that may be created in v3, because xarray stores arrays and variables without name under them."""


def reserved(name: str, zarr_format: int) -> str | None:
    """Return the reason why the name is reserved, or None if it is not.

    New nodes must not have such names, except `NAMES_OF_XARRAY`. Existing ones can be read, listed, copied and converted.
    """
    if name in DOCUMENT_NAMES:
        return "it is the name of a metadata document"
    if name == QUARANTINE:
        return "exzarr.repair moves damaged chunks there"
    if "\\" in name:
        return "zarr-python reads a backslash as a slash"
    if zarr_format == 3:
        if name.startswith("__"):
            return "Zarr v3 reserves names that start with '__' (Zarr v2 does not)"
        if name.lower() == "zarr.json":
            return "Zarr v3 reserves 'zarr.json' in any case"
        if not name.strip("."):
            return "Zarr v3 reserves names that consist of periods only"
    return None


def hides_document(name: str, zarr_format: int) -> bool:
    """Return True if the name is the name of a group's own document in `zarr_format`."""
    return name == "zarr.json" if zarr_format == 3 else name in V2_DOCUMENTS
