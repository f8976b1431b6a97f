"""Zarr v2 metadata documents: ``.zarray``, ``.zgroup`` and ``.zattrs``.

https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html, "Arrays / Metadata".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from exzarr._format import dtypes, fill_values, json_text
from exzarr._format.chunk_grids import ChunkGrid, RegularDimension, regular_sizes
from exzarr._format.chunk_keys import ChunkKeyEncoding
from exzarr._format.mending import mend_v2, sized_shuffle
from exzarr._format.metadata import ARRAY_DIMENSIONS, ArrayMetadata, GroupMetadata, v2_dimension_names
from exzarr._format.named import shape_of, shorten
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = [
    "ZARRAY",
    "ZATTRS",
    "ZGROUP",
    "ZMETADATA",
    "array_documents",
    "array_json",
    "group_documents",
    "group_json",
    "loads",
    "object_codec",
    "parse_array",
    "parse_group",
]

ZARRAY, ZGROUP, ZATTRS, ZMETADATA = ".zarray", ".zgroup", ".zattrs", ".zmetadata"
"""Keys of the documents, relative to the node."""

_ARRAY_KEYS = frozenset(
    (
        "zarr_format",
        "shape",
        "chunks",
        "dtype",
        "compressor",
        "fill_value",
        "order",
        "filters",
        "dimension_separator",
    )
)

OBJECT_CODECS = frozenset(
    ("vlen-utf8", "vlen-bytes", "vlen-array", "pickle", "json", "json2", "msgpack", "msgpack2", "categorize")
)
"""Codecs of numcodecs that encode arrays of Python objects."""


def loads(
    node: bytes | bytearray | memoryview,
    attributes: bytes | bytearray | memoryview | None,
    *,
    kind: Literal["array", "group"],
    where: str = "",
) -> ArrayMetadata | GroupMetadata:
    """Parse the bytes of a node's documents.

    Parameters
    ----------
    node
        The document ``.zarray`` or ``.zgroup``.
    attributes
        The document ``.zattrs``, or None if there is none.
    kind
        The kind of `node`.
    where
        The node's path, for messages.
    """
    name = ZARRAY if kind == "array" else ZGROUP
    prefix = f"{where}/" if where else ""
    document = json_text.decode(node, prefix + name)
    zattrs = None if attributes is None else json_text.decode(attributes, prefix + ZATTRS)
    try:
        return parse_array(document, zattrs) if kind == "array" else parse_group(document, zattrs)
    except MetadataError as error:
        raise type(error)(f"{prefix}{name}: {error}") from error


def parse_array(zarray: Mapping[str, Any], zattrs: Mapping[str, Any] | None = None) -> ArrayMetadata:
    """Convert the parsed documents of an array. `mending` corrects invalid ones."""
    try:
        return _parse_array(zarray, zattrs)
    except MetadataError:
        mended, notes = mend_v2(zarray) if isinstance(zarray, Mapping) else (zarray, ())
        if not notes:
            raise
        return _parse_array(mended, zattrs)


def _parse_array(zarray: Mapping[str, Any], zattrs: Mapping[str, Any] | None) -> ArrayMetadata:
    _check_format(zarray)
    for key in ("shape", "chunks", "dtype", "compressor", "fill_value", "order"):
        if key not in zarray:
            raise MetadataError(f"{key!r} is missing")
    shape = shape_of(zarray["shape"], "'shape'")
    chunks = regular_sizes(zarray["chunks"], shape, "'chunks'")
    filters = _filters(zarray.get("filters"))
    compressor = zarray["compressor"]
    if compressor is not None:
        compressor = _codec(compressor, "'compressor'")
    codec = object_codec(filters, compressor)
    data_type = dtypes.parse_v2(zarray["dtype"], object_codec=codec)
    if filters and data_type.kind == "fixed":
        filters = tuple(sized_shuffle(filters, data_type.dtype.itemsize))
    order = zarray["order"]
    if order != "C" and order != "F":
        raise MetadataError(f"'order' must be 'C' or 'F', not {shorten(order)}")
    separator = zarray.get("dimension_separator", ".")
    if separator != "." and separator != "/":
        raise MetadataError(f"'dimension_separator' must be '.' or '/', not {shorten(separator)}")
    attributes = _attributes(zattrs)
    return ArrayMetadata(
        zarr_format=2,
        shape=shape,
        data_type=data_type,
        chunk_grid=ChunkGrid(tuple([RegularDimension(size) for size in chunks]), shape),
        chunk_key_encoding=ChunkKeyEncoding("v2", separator),
        fill_value=fill_values.parse_v2(zarray["fill_value"], data_type),
        order=order,
        filters=filters,
        compressor=compressor,
        dimension_names=v2_dimension_names(attributes, len(shape)),
        attributes=attributes,
        extra={key: value for key, value in zarray.items() if key not in _ARRAY_KEYS},
    )


def parse_group(zgroup: Mapping[str, Any], zattrs: Mapping[str, Any] | None = None) -> GroupMetadata:
    """Convert the parsed documents of a group."""
    _check_format(zgroup)
    extra = {key: value for key, value in zgroup.items() if key != "zarr_format"}
    return GroupMetadata(2, _attributes(zattrs), None, extra)


def object_codec(filters: tuple[dict[str, Any], ...], compressor: dict[str, Any] | None) -> str | None:
    """Return the id of the codec that encodes Python objects, for dtype ``|O``, or None."""
    for codec in filters:
        if codec["id"] in OBJECT_CODECS:
            return str(codec["id"])
    return str(compressor["id"]) if compressor is not None and compressor["id"] in OBJECT_CODECS else None


def array_json(metadata: ArrayMetadata) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ``.zarray`` and the ``.zattrs`` of an array.

    Dimension names are added to the attributes as ``_ARRAY_DIMENSIONS`` if missing.
    Raises ArgumentError if v2 cannot store the metadata.
    """
    if not metadata.chunk_grid.regular:
        raise ArgumentError(
            "Zarr format 2 requires chunks of one shape, but this array's chunks vary in shape"
        )
    if metadata.data_type.v2 is None:
        raise ArgumentError(f"data type {metadata.data_type.name} cannot be stored in Zarr format 2")
    zarray: dict[str, Any] = {
        "zarr_format": 2,
        "shape": list(metadata.shape),
        "chunks": list(metadata.chunk_grid.chunk_shape),
        "dtype": metadata.data_type.v2,
        "compressor": metadata.compressor,
        "fill_value": fill_values.to_v2(metadata.fill_value, metadata.data_type),
        "order": metadata.order,
        # The specification requires null or a non-empty list.
        "filters": list(metadata.filters) or None,
        "dimension_separator": metadata.chunk_key_encoding.separator,
    }
    attributes = metadata.attributes
    names = metadata.dimension_names
    if names is not None and v2_dimension_names(attributes, metadata.ndim) != names:
        if any(name is None for name in names):
            raise ArgumentError(f"Zarr format 2 requires names for all dimensions or for none, got {names}")
        attributes = {**attributes, ARRAY_DIMENSIONS: list(names)}
    return {**metadata.extra, **zarray} if metadata.extra else zarray, attributes


def array_documents(metadata: ArrayMetadata) -> dict[str, bytes]:
    """Return the bytes of an array's documents by name. They include an empty ``.zattrs``."""
    zarray, zattrs = array_json(metadata)
    return {ZARRAY: json_text.encode(zarray), ZATTRS: json_text.encode(zattrs)}


def group_json(metadata: GroupMetadata) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ``.zgroup`` and the ``.zattrs`` of a group."""
    return {"zarr_format": 2, **metadata.extra}, metadata.attributes


def group_documents(metadata: GroupMetadata) -> dict[str, bytes]:
    """Return the bytes of a group's documents by name. They include an empty ``.zattrs``."""
    zgroup, zattrs = group_json(metadata)
    return {ZGROUP: json_text.encode(zgroup), ZATTRS: json_text.encode(zattrs)}


def _check_format(document: Mapping[str, Any]) -> None:
    if not isinstance(document, Mapping):
        raise MetadataError(f"a metadata document must be a JSON object, not {shorten(document)}")
    version = document.get("zarr_format")
    if type(version) is not int or version != 2:
        if version == 1:
            raise UnsupportedError("Zarr format 1 is not supported; convert the data with zarr-python 2")
        raise MetadataError(f"'zarr_format' must be 2, not {shorten(version)}")


def _attributes(zattrs: Mapping[str, Any] | None) -> dict[str, Any]:
    if zattrs is None:
        return {}
    if not isinstance(zattrs, dict):
        raise MetadataError(f"attributes must be an object, not {shorten(zattrs)}")
    return zattrs


def _filters(json: Any) -> tuple[dict[str, Any], ...]:
    if json is None:
        return ()
    if not isinstance(json, list):
        raise MetadataError(f"'filters' must be null or an array, not {shorten(json)}")
    return tuple([_codec(item, "'filters'") for item in json])


def _codec(json: Any, what: str) -> dict[str, Any]:
    if not isinstance(json, dict) or type(json.get("id")) is not str:
        raise MetadataError(f"{what}: a codec must be an object with an 'id', not {shorten(json)}")
    return json
