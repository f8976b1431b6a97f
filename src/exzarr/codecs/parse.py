"""What users pass as ``filters``, ``serializer`` and ``compressors``, made into what metadata holds.

One codec may be given as

- a name: ``"zstd"``, ``"numcodecs.lzma"``, or numcodecs' own ``"lzma"``,
- a dict, as in a v3 document (``{"name": ..., "configuration": ...}``) or in a v2 one
  (``{"id": ..., ...}``),
- one of exzarr's codec objects, ``exzarr.codecs.Zstd(level=5)``,
- a numcodecs object, or one of zarr-python's (anything that has ``get_config()`` or ``to_dict()``).

Several are a list of these; None is none; ``"auto"`` is what exzarr thinks best.
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
    """The chain of a new v3 array.

    Parameters
    ----------
    spec
        A chunk of the array (an inner chunk, where there are shards).
    filters
        array → array codecs; by default none.
    serializer
        The array → bytes codec; by default ``bytes``, or ``vlen-utf8`` and ``vlen-bytes`` for
        strings and byte strings.
    compressors
        bytes → bytes codecs; by default ``zstd`` with a checksum. An explicit choice stays as it is.
    checksum
        See `codecs.checksummed`.
    shard_shape
        Put the chunks into shards of this shape.
    index_location
        Where shards have their index.
    endian
        The stored byte order, where `serializer` leaves it open.

    Raises
    ------
    ArgumentError
        A codec makes no sense here; the message says why.
    UnsupportedError
        It is not known.
    """
    checksum = parse_checksum(checksum)
    before = [native_order(codec) for codec in _several(filters, "filters", "array_array")]
    if any(codec.name.startswith(PREFIX) for codec in before):
        # Behind a filter of numcodecs', zarr-python reads the bytes as they are, whatever their order.
        _refuse_other_order(serializer)
        endian = sys.byteorder
    if isinstance(serializer, str) and serializer == AUTO:
        name = {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(spec.data_type.kind, "bytes")
        middle = registry.from_json(
            {"name": name, "configuration": {"endian": endian} if name == "bytes" else {}}
        )
    else:
        middle = _placed(parse_codec(serializer), "serializer", "array_bytes")
    after = _several(_named(compressors, checksum, 3), "compressors", "bytes_bytes")
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
    """The ``filters`` and the ``compressor`` of a new v2 array.

    Parameters are those of `v3_codecs`. Of several compressors all but the last become filters,
    which is what v2 knows. By default strings are encoded with ``vlen-utf8``, byte strings with
    ``vlen-bytes``, and everything is compressed with ``zstd``.
    """
    checksum = parse_checksum(checksum)
    auto = isinstance(filters, str) and filters == AUTO
    named = filters if auto else _named(filters, AUTO, 2)
    before = [v2_codec(codec) for codec in _several(named, "filters", None)]
    kinds = [codec.kind for codec in before]
    if "array_bytes" not in kinds and spec.data_type.variable_length:
        name = {"string": "vlen-utf8", "bytes": "vlen-bytes"}.get(spec.data_type.kind)
        if name is not None and (auto or filters is None or not before):
            before.append(parse_codec(PREFIX + name))
    named = _named(compressors, checksum, 2)
    after = [v2_codec(codec) for codec in _several(named, "compressors", "bytes_bytes")]
    after = checksummed(after, checksum, 2)
    from exzarr.codecs.v2 import to_id

    settled = []
    try:
        for codec in before:
            if codec.kind == "array_array":
                codec = codec.evolve(spec)
                spec = codec.resolve(spec)
            settled.append(to_id(codec))
    except UnsupportedError:
        raise
    except MetadataError as exc:
        raise ArgumentError(str(exc)) from exc
    settled.extend(to_id(codec) for codec in after)
    compressor = settled.pop() if after else None
    return tuple(settled), compressor


def _named(items: Any, checksum: ChecksumLike, zarr_format: Literal[2, 3]) -> Any:
    """`items`, with the codec in place of the names ``"zstd"`` and ``"auto"``."""
    if isinstance(items, list | tuple):
        return [_named(item, checksum, zarr_format) for item in items]
    return named_zstd(checksum, zarr_format) if isinstance(items, str) and items in ("zstd", AUTO) else items


def parse_codec(item: Any) -> Any:
    """One codec in any of the forms above, as a codec object; by its v3 name, where it has one.

    Raises
    ------
    ArgumentError
        It is none of them, or its configuration makes no sense.
    UnsupportedError
        It is not known.
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
            f"a codec must be an object, got the class {item.__name__}; call it: {item.__name__}(...)"
        )
    if hasattr(item, "kind") and hasattr(item, "to_config"):
        codec: Codec = item
        return codec
    for method in ("get_config", "to_dict"):  # numcodecs, zarr-python
        if hasattr(item, method):
            return _by_json(_open(item, getattr(item, method)()))
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
            f"codec {name!r} needs a configuration: {{'name': {known!r}, 'configuration': {{...}}}} ({exc})"
        ) from None
    return codec


def _by_json(json: Mapping[str, Any]) -> Codec:
    if "name" in json:
        return registry.from_json(_plain(json))
    if "id" in json:
        from exzarr.codecs.v2 import from_id

        return from_id(_plain(json))
    raise ArgumentError(f"a codec's dict has a 'name' (Zarr v3) or an 'id' (Zarr v2), got {dict(json)!r}")


def _open(item: Any, json: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration without what zarr-python would still settle for the array's data type."""
    left_open = getattr(item, "_tunable_attrs", None)
    if not left_open or "configuration" not in json:
        return json
    return {**json, "configuration": {k: v for k, v in json["configuration"].items() if k not in left_open}}


def _plain(value: Any) -> Any:
    """Other libraries' configurations hold enums and tuples: as JSON would have them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return getattr(value, "value", value) if type(value).__module__ != "builtins" else value


def _several(items: Any, what: str, kind: str | None) -> list[Any]:
    if items is None or (isinstance(items, str) and items == AUTO):
        return []
    if isinstance(items, str | Mapping | CodecConfig) or not isinstance(items, Iterable):
        items = [items]
    return [_placed(parse_codec(item), what, kind) for item in items]


def _refuse_other_order(serializer: Any) -> None:
    if isinstance(serializer, str):
        return
    endian = getattr(parse_codec(serializer), "endian", None)
    if endian is not None and endian != sys.byteorder:
        raise ArgumentError(
            f"serializer: zarr-python reads {endian}-endian bytes wrongly behind a filter of numcodecs'; "
            f"leave the serializer out, or give 'bytes' with endian={sys.byteorder!r}"
        )


def _placed(codec: Any, what: str, kind: str | None) -> Any:
    if kind is not None and codec.kind != kind:
        raise ArgumentError(f"codec {codec.name!r} is none of the {what}; pass it as {_PLACES[codec.kind]}=")
    return codec
