"""Conversion of the arguments ``filters``, ``serializer`` and ``compressors`` to metadata.

One codec is given as

- a name: ``"zstd"``, ``"numcodecs.lzma"``, or numcodecs' own ``"lzma"``,
- a dict, as in a v3 document (``{"name": ..., "configuration": ...}``) or a v2 document
  (``{"id": ..., ...}``),
- a codec object of exzarr, ``exzarr.codecs.Zstd(level=5)``,
- a codec object of numcodecs or zarr-python (any object with ``get_config()`` or ``to_dict()``).

Several codecs are given as a list. None means no codec, ``"auto"`` exzarr's default.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from exzarr._format.metadata import CodecConfig
from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec, Codec
from exzarr.codecs.checksummed import (
    ChecksumLike,
    checksummed,
    checksummed_shards,
    named_zstd,
    parse_checksum,
)
from exzarr.codecs.equivalents import native_order, v2_codec, v3_codec
from exzarr.codecs.numcodecs import NAMES, PREFIX
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError

__all__ = ["parse_codec", "v2_codecs", "v3_codecs"]

AUTO: Final = "auto"
_PLACES = {"array_array": "filters", "array_bytes": "serializer", "bytes_bytes": "compressors"}


def v3_codecs(
    spec: ChunkSpec,
    *,
    filters: Any = AUTO,
    serializer: Any = AUTO,
    compressors: Any = AUTO,
    checksum: ChecksumLike = AUTO,
    shard_shape: tuple[int, ...] | None = None,
    index_location: str = "end",
    endian: str = "little",
) -> tuple[CodecConfig, ...]:
    """Return the codec chain of a new v3 array.

    Parameters
    ----------
    spec
        A chunk of the array, or an inner chunk if the array has shards.
    filters
        array → array codecs. By default none.
    serializer
        The array → bytes codec. By default ``bytes``, or ``vlen-utf8`` and ``vlen-bytes`` for
        strings and byte strings.
    compressors
        bytes → bytes codecs. By default ``zstd`` with a checksum. An explicit choice is not changed.
    checksum
        ``"auto"``, True or False: see `exzarr.codecs.checksummed`.
    shard_shape
        Shape of the shards. None: no shards.
    index_location
        Position of the index in a shard, ``"start"`` or ``"end"``.
    endian
        The stored byte order, if `serializer` does not set it.

    Raises
    ------
    ArgumentError
        A codec is invalid for this array; the message gives the reason.
    UnsupportedError
        A codec is not known.
    """
    checksum = parse_checksum(checksum)
    before = [native_order(codec) for codec in _codec_list(filters, "filters", "array_array")]
    if any(codec.name.startswith(PREFIX) for codec in before):
        # After a numcodecs filter, zarr-python reads the bytes in native order, whatever their stored order.
        _refuse_other_order(serializer)
        endian = sys.byteorder
    if isinstance(serializer, str) and serializer == AUTO:
        name = {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(spec.data_type.kind, "bytes")
        middle = registry.from_json(
            {"name": name, "configuration": {"endian": endian} if name == "bytes" else {}}
        )
    else:
        middle = _check_kind(parse_codec(serializer), "serializer", "array_bytes")
    after = _codec_list(_named(compressors, checksum, 3), "compressors", "bytes_bytes")
    if checksum is True and middle.name == "sharding_indexed" and not after:
        middle = checksummed_shards(middle)
    else:
        after = checksummed(after, checksum, 3)
    try:
        chain = ChunkPipeline([*before, middle, *after]).evolve(spec)
        if shard_shape is not None:
            from exzarr.codecs.sharding import Sharding

            sharding = Sharding(spec.shape, chain.codecs, index_location=index_location)
            chain = ChunkPipeline([sharding])
            spec = spec.with_(shape=shard_shape)
        chain.bind(spec)
    except UnsupportedError:
        raise
    except MetadataError as exc:
        raise ArgumentError(str(exc)) from exc
    return tuple(CodecConfig(codec.name, codec.to_config()) for codec in chain.codecs)


def v2_codecs(
    spec: ChunkSpec, *, filters: Any = AUTO, compressors: Any = AUTO, checksum: ChecksumLike = AUTO
) -> tuple[tuple[dict[str, Any], ...], dict[str, Any] | None]:
    """Return the ``filters`` and the ``compressor`` of a new v2 array.

    The parameters are those of `v3_codecs`. v2 has one compressor: if several are given, all but the
    last become filters. By default, ``vlen-utf8`` encodes strings, ``vlen-bytes`` encodes byte
    strings, and ``zstd`` compresses.
    """
    checksum = parse_checksum(checksum)
    auto = isinstance(filters, str) and filters == AUTO
    named = filters if auto else _named(filters, AUTO, 2)
    before = [v2_codec(codec) for codec in _codec_list(named, "filters", None)]
    kinds = [codec.kind for codec in before]
    if "array_bytes" not in kinds and spec.data_type.variable_length:
        name = {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(spec.data_type.kind)
        if name is not None and (auto or filters is None or not before):
            before.append(parse_codec(PREFIX + name))
    named = _named(compressors, checksum, 2)
    after = [v2_codec(codec) for codec in _codec_list(named, "compressors", "bytes_bytes")]
    after = checksummed(after, checksum, 2)
    from exzarr.codecs.v2 import to_id

    evolved = []
    try:
        for codec in before:
            if codec.kind == "array_array":
                codec = codec.evolve(spec)
                spec = codec.resolve(spec)
            evolved.append(to_id(codec))
    except UnsupportedError:
        raise
    except MetadataError as exc:
        raise ArgumentError(str(exc)) from exc
    evolved.extend(to_id(codec) for codec in after)
    compressor = evolved.pop() if after else None
    return tuple(evolved), compressor


def _named(items: Any, checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> Any:
    """Return `items` with the names ``"zstd"`` and ``"auto"`` replaced by the codec."""
    if isinstance(items, list | tuple):
        return [_named(item, checksum, zarr_format) for item in items]
    return named_zstd(checksum, zarr_format) if isinstance(items, str) and items in ("zstd", AUTO) else items


def parse_codec(item: Any) -> Any:
    """Return the codec object for one codec in any of the module's forms. Prefers v3 codecs.

    Raises
    ------
    ArgumentError
        `item` has no valid form, or its configuration is invalid.
    UnsupportedError
        The codec is not known.
    """
    try:
        return v3_codec(_parse(item))
    except UnsupportedError:
        raise
    except MetadataError as exc:
        raise ArgumentError(str(exc)) from exc


def _parse(item: Any) -> Codec:
    if isinstance(item, str):
        return _by_name(item)
    if isinstance(item, CodecConfig):
        return registry.from_config(item)
    if isinstance(item, Mapping):
        return _by_json(item)
    if isinstance(item, type):
        raise ArgumentError(
            f"a codec must be an object, got the class {item.__name__}; use {item.__name__}(...)"
        )
    if hasattr(item, "kind") and hasattr(item, "to_config"):
        codec: Codec = item
        return codec
    for method in ("get_config", "to_dict"):  # numcodecs, zarr-python
        if hasattr(item, method):
            return _by_json(_without_unset(item, getattr(item, method)()))
    raise ArgumentError(
        f"a codec must be a name, a dict or a codec object, got {item!r}; "
        "for example 'zstd' or exzarr.codecs.Zstd(level=5)"
    )


def _by_name(name: str) -> Codec:
    known = name
    if name not in registry.BUILTIN and PREFIX + name in NAMES:
        known = PREFIX + name
    cls = registry.get(known)
    try:
        codec: Codec = cls()
    except (TypeError, ArgumentError, MetadataError) as exc:
        if isinstance(exc, UnsupportedError):
            raise
        raise ArgumentError(
            f"codec {name!r} requires a configuration: {{'name': {known!r}, 'configuration': {{...}}}} ({exc})"
        ) from None
    return codec


def _by_json(json: Mapping[str, Any]) -> Codec:
    if "name" in json:
        return registry.from_json(_to_json(json))
    if "id" in json:
        from exzarr.codecs.v2 import from_id

        return from_id(_to_json(json))
    raise ArgumentError(
        f"a codec's dict must have a 'name' (Zarr v3) or an 'id' (Zarr v2), got {dict(json)!r}"
    )


def _without_unset(item: Any, json: Mapping[str, Any]) -> Mapping[str, Any]:
    """Remove the parameters that zarr-python chooses later, from the array's data type."""
    left_open = getattr(item, "_tunable_attrs", None)
    if not left_open or "configuration" not in json:
        return json
    return {**json, "configuration": {k: v for k, v in json["configuration"].items() if k not in left_open}}


def _to_json(value: Any) -> Any:
    """Convert enums and tuples in the configurations of other libraries to JSON values."""
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return getattr(value, "value", value) if type(value).__module__ != "builtins" else value


def _codec_list(items: Any, what: str, kind: str | None) -> list[Any]:
    if items is None or (isinstance(items, str) and items == AUTO):
        return []
    if isinstance(items, str | Mapping | CodecConfig) or not isinstance(items, Iterable):
        items = [items]
    return [_check_kind(parse_codec(item), what, kind) for item in items]


def _refuse_other_order(serializer: Any) -> None:
    if isinstance(serializer, str):
        return
    endian = getattr(parse_codec(serializer), "endian", None)
    if endian is not None and endian != sys.byteorder:
        raise ArgumentError(
            f"serializer: after a numcodecs filter, zarr-python reads {endian}-endian bytes incorrectly; "
            f"omit the serializer, or pass 'bytes' with endian={sys.byteorder!r}"
        )


def _check_kind(codec: Any, what: str, kind: str | None) -> Any:
    if kind is not None and codec.kind != kind:
        raise ArgumentError(
            f"codec {codec.name!r} cannot be one of the {what}; pass it as {_PLACES[codec.kind]}="
        )
    return codec
