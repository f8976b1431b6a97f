"""Make the metadata of a new array from its arguments. Nothing is stored here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

import numpy as np

from exzarr._creation.layout import ChunksLike, Layout, ShardsLike, chunk_layout, parse_shape
from exzarr._format import chunk_keys, dtypes, fill_values
from exzarr._format.chunk_keys import AnyKeyEncoding, ChunkKeyEncoding, ExtendedKeys
from exzarr._format.dtypes import DataType
from exzarr._format.metadata import ARRAY_DIMENSIONS, ArrayMetadata, CodecConfig, v2_dimension_names
from exzarr._spelling import known_arguments
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.checksummed import ChecksumLike
from exzarr.errors import ArgumentError, MetadataError, PluginError, UnsupportedError

__all__ = ["DEFAULT_FILL_VALUE", "ArrayOptions", "FilledOptions", "array_metadata"]

VARIABLE_ITEMSIZE = 64
"""Assumed bytes of an element of variable length, for the choice of chunk shapes."""


class DefaultFillValue(enum.Enum):
    """Type of `DEFAULT_FILL_VALUE`. None cannot be the default, because it has a meaning of its own."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return "<default>"


DEFAULT_FILL_VALUE: Final = DefaultFillValue.DEFAULT
"""The default fill value of the data type: zero, empty, or not-a-time."""


class FilledOptions(TypedDict, total=False):
    """`ArrayOptions` of functions that choose the fill value themselves."""

    chunks: ChunksLike
    shards: ShardsLike
    filters: Any
    compressors: Any
    serializer: Any
    checksum: ChecksumLike
    order: Literal["C", "F"] | None
    attributes: Mapping[str, Any] | None
    chunk_key_encoding: Any
    dimension_names: Sequence[str | None] | None


class ArrayOptions(FilledOptions, total=False):
    """Keywords of all functions that create arrays; see `array_metadata`."""

    fill_value: Any


@known_arguments
def array_metadata(
    *,
    shape: Any,
    dtype: Any,
    chunks: ChunksLike = "auto",
    shards: ShardsLike = None,
    filters: Any = "auto",
    compressors: Any = "auto",
    serializer: Any = "auto",
    checksum: ChecksumLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: Literal["C", "F"] | None = None,
    zarr_format: Literal[2, 3] = 3,
    attributes: Mapping[str, Any] | None = None,
    chunk_key_encoding: Any = None,
    dimension_names: Sequence[str | None] | None = None,
) -> ArrayMetadata:
    """Make the metadata document of a new array.

    Parameters
    ----------
    shape
        An integer or a sequence of integers.
    dtype
        Anything that NumPy accepts, or a Zarr name (``"bfloat16"``, ``"string"``).
    chunks, shards, filters, serializer, compressors, checksum
        See `create_array`. In format 3, the default codec is zstd with a checksum.
    fill_value
        Value of elements that were never written. The default is zero, empty, or not-a-time. None is the default in
        format 3, and ``null`` (no defined value) in format 2.
    order
        Order of elements inside a chunk. In format 3, ``"F"`` is a transpose codec.
    zarr_format
        2 or 3.
    attributes
        Attributes of the array: a dict of JSON.
    chunk_key_encoding
        ``"default"`` (``c/0/1``), ``"v2"`` (``0.1``), a pair of name and separator, a dict as in the document, or an
        encoding of another package: its name, or the object.
        Format 2 has only ``"v2"``.
    dimension_names
        A name or None for each dimension. Format 2 keeps them in the attribute ``_ARRAY_DIMENSIONS``.

    Returns
    -------
    ArrayMetadata
        The metadata, for `create_hierarchy`.

    Raises
    ------
    ArgumentError
        An argument is invalid. The message says which, and what is valid.
    UnsupportedError
        A codec or a data type requires a library that is not installed.
    """
    if zarr_format not in (2, 3):
        raise ArgumentError(f"zarr_format is 2 or 3, not {zarr_format!r}")
    lengths = parse_shape(shape)
    data_type = dtypes.from_numpy(dtype, zarr_format)
    itemsize = VARIABLE_ITEMSIZE if data_type.variable_length else data_type.dtype.itemsize
    names = _dimension_names(dimension_names, len(lengths))
    layout = chunk_layout(lengths, itemsize, chunks, shards, zarr_format, names)
    fill = _fill_value(fill_value, data_type, zarr_format)
    spec = ChunkSpec(layout.chunks, data_type, fill_values.default(data_type) if fill is None else fill)
    if order not in (None, "C", "F"):
        raise ArgumentError(f"order is 'C' or 'F', not {order!r}")
    own = dict(attributes or {})
    if zarr_format == 2:
        return _v2(
            lengths,
            layout,
            spec,
            fill,
            filters,
            compressors,
            serializer,
            checksum,
            order,
            chunk_key_encoding,
            own,
            names,
        )
    if order == "F" and len(lengths) > 1:
        filters = _transposed(filters, len(lengths))
    from exzarr.codecs.parse import v3_codecs

    codecs = v3_codecs(
        spec,
        filters=filters,
        serializer=serializer,
        compressors=compressors,
        checksum=checksum,
        shard_shape=layout.shards,
        index_location=layout.index_location,
        endian=_endian(dtype),
    )
    return ArrayMetadata(
        zarr_format=3,
        shape=lengths,
        data_type=data_type,
        chunk_grid=layout.grid,
        chunk_key_encoding=_key_encoding(chunk_key_encoding, "default"),
        fill_value=fill,
        codecs=codecs,
        dimension_names=names,
        attributes=own,
    )


def _v2(
    shape: tuple[int, ...],
    layout: Layout,
    spec: ChunkSpec,
    fill: Any,
    filters: Any,
    compressors: Any,
    serializer: Any,
    checksum: ChecksumLike,
    order: Literal["C", "F"] | None,
    chunk_key_encoding: Any,
    attributes: dict[str, Any],
    names: tuple[str | None, ...] | None,
) -> ArrayMetadata:
    if serializer is not None and not (isinstance(serializer, str) and serializer == "auto"):
        raise ArgumentError("serializer requires zarr_format=3; in Zarr format 2 use a filter")
    encoding = _key_encoding(chunk_key_encoding, "v2")
    if encoding.name != "v2":
        raise ArgumentError(f"Zarr format 2 has only the chunk key encoding 'v2', not {encoding.name!r}")
    if names is not None:
        if None in names:
            raise ArgumentError(
                f"dimension_names={names}: in Zarr format 2 either all dimensions have a name or none"
            )
        attributes[ARRAY_DIMENSIONS] = list(names)
    from exzarr.codecs.parse import v2_codecs
    from exzarr.codecs.pipeline import pipeline_for

    before, compressor = v2_codecs(spec, filters=filters, compressors=compressors, checksum=checksum)
    meta = ArrayMetadata(
        zarr_format=2,
        shape=shape,
        data_type=spec.data_type,
        chunk_grid=layout.grid,
        chunk_key_encoding=encoding,
        fill_value=fill,
        order=order or "C",
        filters=before,
        compressor=compressor,
        dimension_names=v2_dimension_names(attributes, len(shape)),
        attributes=attributes,
    )
    pipeline_for(meta).bind(spec)  # raises before anything is stored if the chunks cannot be encoded
    return meta


def _fill_value(value: Any, data_type: DataType, zarr_format: int) -> Any:
    if value is None:
        return None if zarr_format == 2 else fill_values.default(data_type)
    return (
        fill_values.default(data_type) if value is DEFAULT_FILL_VALUE else fill_values.cast(value, data_type)
    )


def _dimension_names(names: Any, ndim: int) -> tuple[str | None, ...] | None:
    if names is None:
        return None
    given = (names,) if isinstance(names, str) else tuple(names)
    if len(given) != ndim:
        raise ArgumentError(
            f"dimension_names={given} has {len(given)} entries, the array {ndim} dimensions; None is no name"
        )
    if any(name is not None and not isinstance(name, str) for name in given):
        raise ArgumentError(f"dimension_names={given}: names are strings, or None")
    return given


def _key_encoding(given: Any, default: str) -> AnyKeyEncoding:
    """Return a chunk key encoding from any of its forms. `default` is its name if `given` has none."""
    if given is None:
        return ChunkKeyEncoding(default, "/" if default == "default" else ".")
    if isinstance(given, AnyKeyEncoding):
        return given
    if hasattr(given, "to_config") and hasattr(given, "encode"):
        return ExtendedKeys(given)
    name, separator = given, None
    if hasattr(given, "to_dict"):  # zarr-python's
        given = given.to_dict()
    if isinstance(given, Mapping):
        name = given.get("name", default)
        separator = given.get("separator") or (given.get("configuration") or {}).get("separator")
    elif given in ("/", "."):
        name, separator = default, given
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        name, separator = given
    if name in ("default", "v2"):
        return ChunkKeyEncoding(name, separator or ("." if name == "v2" else "/"))
    try:
        return chunk_keys.parse_v3(given)
    except PluginError:
        raise
    except UnsupportedError:
        raise ArgumentError(
            f"chunk key encoding must be 'default' or 'v2', or one of an installed package, not {name!r}"
        ) from None
    except MetadataError as error:
        raise ArgumentError(f"chunk_key_encoding={given!r}: {error}") from error


def _transposed(filters: Any, ndim: int) -> list[Any]:
    """Return `filters` after a transpose codec, which is order="F" in format 3."""
    transpose = CodecConfig("transpose", {"order": [*range(ndim)][::-1]})
    if filters is None or (isinstance(filters, str) and filters == "auto"):
        return [transpose]
    several = isinstance(filters, Sequence) and not isinstance(filters, str)
    return [transpose, *filters] if several else [transpose, filters]


def _endian(dtype: Any) -> str:
    """Return the byte order of a user's data type. Format 3 keeps it in the ``bytes`` codec."""
    if isinstance(dtype, DataType):
        dtype = dtype.dtype
    if not isinstance(dtype, (str, np.dtype)):
        return "little"
    try:
        return "big" if np.dtype(dtype).byteorder == ">" else "little"
    except TypeError:  # a Zarr name that NumPy does not know
        return "little"
