"""Zarr v3 metadata documents (``zarr.json``).

https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html, "Metadata".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr._format import (
    chunk_grids,
    chunk_keys,
    consolidated,
    dtypes,
    fill_values,
    json_text,
    v3_alike,
    v3_known,
)
from exzarr._format.mending import mend_v3
from exzarr._format.metadata import ArrayMetadata, CodecConfig, GroupMetadata
from exzarr._format.named import named_config, shape_of, shorten
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["DOCUMENT", "dumps", "loads", "parse", "parse_array", "parse_codec", "parse_group", "to_json"]

DOCUMENT = "zarr.json"
"""The key of a node's document, relative to the node."""

_ARRAY_KEYS = frozenset(
    (
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "dimension_names",
        "storage_transformers",
    )
)
_GROUP_KEYS = frozenset(("zarr_format", "node_type", "attributes", "consolidated_metadata"))


def loads(data: bytes | bytearray | memoryview, where: str = DOCUMENT) -> ArrayMetadata | GroupMetadata:
    """Parse the bytes of a document.

    Parameters
    ----------
    data
        The bytes.
    where
        The document's key, for messages.

    Raises
    ------
    MetadataError
        The document is invalid.
    UnsupportedError
        The document requires a feature that exzarr does not have.
    """
    known = v3_known.find(data)
    if known is not None:
        return known
    document = json_text.decode(data, where)
    try:
        found = parse(document)
    except MetadataError as error:
        raise type(error)(f"{where}: {error}") from error
    if isinstance(found, ArrayMetadata):
        v3_known.remember_parsed(data, found)
    return found


def dumps(metadata: ArrayMetadata | GroupMetadata) -> bytes:
    """Return the bytes of the document; raise ArgumentError if attributes are not JSON."""
    if isinstance(metadata, GroupMetadata):
        return json_text.encode(to_json(metadata))
    data = v3_known.known_document(metadata)
    if data is None:
        data = json_text.encode(to_json(metadata))
        v3_known.remember_document(metadata, data)
    return data


def parse(document: Mapping[str, Any]) -> ArrayMetadata | GroupMetadata:
    """Convert a parsed document."""
    kind = document.get("node_type") if isinstance(document, Mapping) else None
    if kind == "array":
        return parse_array(document)
    if kind == "group":
        return parse_group(document)
    raise MetadataError(f"'node_type' must be 'array' or 'group', not {shorten(kind)}")


def parse_array(document: Mapping[str, Any]) -> ArrayMetadata:
    """Convert the parsed document of an array. `mending` corrects invalid ones."""
    try:
        return _parse_alike(document)
    except MetadataError:
        mended, notes = mend_v3(document) if isinstance(document, Mapping) else (document, ())
        if not notes:
            raise
        return _parse_array(mended)


def _parse_alike(document: Mapping[str, Any]) -> ArrayMetadata:
    """Convert a document, with the parts of a cached one that differs only in attributes, if there is one."""
    key = v3_alike.key_of(document)
    known = v3_alike.find(key)
    if known is not None:
        return known.with_attributes(_attributes(document))
    meta = _parse_array(document)
    v3_alike.remember(key, meta)
    return meta


def _parse_array(document: Mapping[str, Any]) -> ArrayMetadata:
    _check_format(document, "array")
    for key in ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"):
        if key not in document:
            raise MetadataError(f"{key!r} is missing")
    shape = shape_of(document["shape"], "'shape'")
    data_type = dtypes.parse_v3(document["data_type"])
    codecs = _codecs(document["codecs"])
    if document.get("storage_transformers"):
        raise UnsupportedError(
            f"'storage_transformers' are not supported: {shorten(document['storage_transformers'])}"
        )
    names = document.get("dimension_names")
    extra = _extra(document, _ARRAY_KEYS)
    return ArrayMetadata(
        zarr_format=3,
        shape=shape,
        data_type=data_type,
        chunk_grid=chunk_grids.parse_v3(
            document["chunk_grid"], shape, zero_sizes=_inner_chunks(codecs, len(shape))
        ),
        chunk_key_encoding=chunk_keys.parse_v3(document["chunk_key_encoding"]),
        fill_value=fill_values.parse_v3(document["fill_value"], data_type),
        codecs=codecs,
        dimension_names=None if names is None else _dimension_names(names, len(shape)),
        attributes=_attributes(document),
        extra=extra,
    )


def parse_group(document: Mapping[str, Any]) -> GroupMetadata:
    """Convert the parsed document of a group."""
    _check_format(document, "group")
    extra = _extra(document, _GROUP_KEYS)
    inline = document.get("consolidated_metadata")
    below, broken = None, None
    try:
        below = consolidated.from_v3(inline)
    except MetadataError as error:
        broken = error  # raised only when the consolidated metadata is used
    if below is None and inline is not None:
        extra["consolidated_metadata"] = inline
    return GroupMetadata(3, _attributes(document), below, extra, broken)


def to_json(metadata: ArrayMetadata | GroupMetadata) -> dict[str, Any]:
    """Return the document with members in a fixed order; raise ArgumentError if v3 cannot store the metadata."""
    if isinstance(metadata, GroupMetadata):
        group: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": metadata.attributes}
        if metadata.consolidated is not None:
            group["consolidated_metadata"] = consolidated.to_v3(metadata.consolidated)
        return _with_extra(group, metadata.extra)
    if metadata.fill_value is None:
        raise ArgumentError("Zarr format 3 requires a fill value, but this array's fill value is None")
    if metadata.data_type.v3 is None:
        raise ArgumentError(f"data type {metadata.data_type.name} cannot be stored in Zarr format 3")
    array: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(metadata.shape),
        "data_type": metadata.data_type.v3,
        "chunk_grid": metadata.chunk_grid.to_v3(),
        "chunk_key_encoding": metadata.chunk_key_encoding.to_v3(),
        "fill_value": fill_values.to_v3(metadata.fill_value, metadata.data_type),
        "codecs": [codec.to_json() for codec in metadata.codecs],
        "attributes": metadata.attributes,
    }
    if metadata.dimension_names is not None:
        array["dimension_names"] = list(metadata.dimension_names)
    return _with_extra(array, metadata.extra)


def parse_codec(json: Any) -> CodecConfig:
    """Convert one entry of ``codecs``, of an array or of a shard."""
    name, configuration = named_config(json, "codec")
    if type(json) is str or json.keys() <= {"name", "configuration"}:
        return CodecConfig(name, configuration)
    extra = {key: value for key, value in json.items() if key not in ("name", "configuration")}
    return CodecConfig(name, configuration, extra)


def _with_extra(document: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Return `document` followed by the members of `extra` that it does not have."""
    return {**document, **{key: value for key, value in extra.items() if key not in document}}


def _codecs(json: Any) -> tuple[CodecConfig, ...]:
    if type(json) is not list or not json:
        raise MetadataError(f"'codecs' must be a non-empty array, not {shorten(json)}")
    return tuple([parse_codec(item) for item in json])


def _inner_chunks(codecs: tuple[CodecConfig, ...], ndim: int) -> tuple[int, ...] | None:
    """Return the shape of inner chunks if the array has shards and the shape is valid, else None."""
    for codec in codecs:
        if codec.name == "sharding_indexed":
            inner = codec.configuration.get("chunk_shape")
            if (
                isinstance(inner, list)
                and len(inner) == ndim
                and all(type(n) is int and n > 0 for n in inner)
            ):
                return tuple(inner)
    return None


def _check_format(document: Mapping[str, Any], kind: str) -> None:
    if not isinstance(document, Mapping):
        raise MetadataError(f"a metadata document must be a JSON object, not {shorten(document)}")
    version = document.get("zarr_format")
    if type(version) is not int or version != 3:
        raise MetadataError(f"'zarr_format' must be 3, not {shorten(version)}")
    if document.get("node_type") != kind:
        raise MetadataError(f"'node_type' must be {kind!r}, not {shorten(document.get('node_type'))}")


def _attributes(document: Mapping[str, Any]) -> dict[str, Any]:
    attributes = document.get("attributes")
    if attributes is None or attributes in ([], ""):
        return {}
    if type(attributes) is not dict:
        raise MetadataError(f"'attributes' must be an object, not {shorten(attributes)}")
    return attributes


def _dimension_names(json: Any, ndim: int) -> tuple[str | None, ...]:
    if type(json) is not list or len(json) != ndim:
        raise MetadataError(f"'dimension_names' must be an array of {ndim} strings, not {shorten(json)}")
    for name in json:
        if name is not None and type(name) is not str:
            raise MetadataError(f"'dimension_names' must hold strings and nulls, not {shorten(name)}")
    return tuple(json)


def _extra(document: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the unknown members of the document; raise UnsupportedError if one must be understood."""
    if known.issuperset(document):
        return {}
    extra = {key: value for key, value in document.items() if key not in known}
    for key, value in extra.items():
        if not isinstance(value, dict) or value.get("must_understand") is not False:
            raise UnsupportedError(
                f'the member {shorten(key)} is not known and lacks "must_understand": false; '
                "exzarr cannot read the data correctly without it"
            )
    return extra
