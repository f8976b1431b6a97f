"""Codecs that packages declare for zarr-python, in the groups ``zarr.codecs`` and ``zarr.codecs.<name>``.

An adapter calls the codec's ``_encode_sync`` and ``_decode_sync`` if it has them, else its coroutines, with NumPy
buffers. exzarr checks shape, data type and size of the results. It cannot check how the codecs handle hostile bytes.

https://zarr.readthedocs.io/en/stable/user-guide/extending/
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from exzarr._format import dtypes, fill_values
from exzarr._plugins import Declared, declared, groups
from exzarr.codecs.base import (
    AnyArray,
    ArrayArrayCodec,
    ArrayBytesCodec,
    Buffer,
    BytesBytesCodec,
    ChunkSpec,
)
from exzarr.codecs.memory import as_buffer
from exzarr.errors import ArgumentError, CodecError, ExzarrError, MetadataError, PluginError

__all__ = ["GROUP", "adapted", "find", "is_codec_class", "names"]

GROUP = "zarr.codecs"

_SLACK = 1 << 16
"""Bytes by which an encoded chunk may exceed twice its size: other libraries state no bound."""


def names() -> list[str]:
    """Return the names that packages declare. Import nothing."""
    below = GROUP + "."
    return sorted(
        {*(point.name for point in declared(GROUP)), *(group.removeprefix(below) for group in groups(below))}
    )


def find(name: str) -> type[Any] | None:
    """Return an adapter of the codec that an installed package declares for zarr-python, or None.

    Raises
    ------
    PluginError
        The codec cannot be imported or adapted, or two packages declare it.
    """
    found = {point.value: point for point in _points(name)}
    if not found:
        return None
    if len(found) > 1:
        raise PluginError(
            f"codec {name!r} is provided for zarr-python by several packages: {'; '.join(map(str, found.values()))}. "
            f"Uninstall all but one, or choose in the program: exzarr.registry.register_codec({name!r}, ...)"
        )
    (point,) = found.values()
    cls = point.load()
    try:
        return adapted(name, cls)
    except ArgumentError as error:
        raise PluginError(f"the package {point.package} {point.version}: {error}") from error


def _points(name: str) -> list[Declared]:
    return [*(point for point in declared(GROUP) if point.name == name), *declared(f"{GROUP}.{name}")]


def is_codec_class(candidate: Any) -> bool:
    """Return True for a codec class of zarr-python. Import nothing."""
    abc: Any = sys.modules.get("zarr.abc.codec")
    return abc is not None and isinstance(candidate, type) and issubclass(candidate, abc.BaseCodec)


def adapted(name: str, cls: Any) -> type[Any]:
    """Return a codec class of exzarr that runs `cls`, a codec class of zarr-python."""
    if not is_codec_class(cls):
        raise ArgumentError(f"codec {name!r}: {cls!r} is not a codec class of zarr-python")
    from zarr.abc import codec as abc

    for base, adapter in (
        (abc.ArrayArrayCodec, _ArrayArray),
        (abc.ArrayBytesCodec, _ArrayBytes),
        (abc.BytesBytesCodec, _BytesBytes),
    ):
        if issubclass(cls, base):
            doc = f"{cls.__module__}.{cls.__qualname__} of zarr-python, adapted."
            return type(cls.__name__, (adapter,), {"name": name, "theirs": cls, "__doc__": doc})
    raise ArgumentError(f"codec {name!r}: {cls!r} is of no kind that exzarr has")


class _Adapter:
    """What the adapters of the three kinds share."""

    name: ClassVar[str]
    theirs: ClassVar[Any]

    def __init__(self, codec: Any = None, spec: Any = None, /, **configuration: Any) -> None:
        self._codec = self._make(configuration) if codec is None else codec
        self._spec = spec
        """zarr-python's description of a chunk."""

    @classmethod
    def _make(cls, configuration: Mapping[str, Any]) -> Any:
        json: dict[str, Any] = {"name": cls.name, "configuration": {**configuration}}
        try:
            return cls.theirs.from_dict(json)
        except ExzarrError:
            raise
        except Exception as error:
            raise MetadataError(f"codec {cls.name!r}: {type(error).__name__}: {error}") from error

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return cls(cls._make(configuration))

    def to_config(self) -> dict[str, Any]:
        json = self._codec.to_dict()
        return dict(json.get("configuration") or {})

    def evolve(self, spec: ChunkSpec) -> Self:
        theirs = _their_spec(spec)
        try:
            return type(self)(self._codec.evolve_from_array_spec(theirs), theirs)
        except Exception as error:
            raise MetadataError(f"codec {self.name!r}: {type(error).__name__}: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name, self.to_config())

    def __repr__(self) -> str:
        return f"<{self._codec!r} of zarr-python>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Adapter) and (self.name, self.to_config()) == (
            other.name,
            other.to_config(),
        )

    def __hash__(self) -> int:
        return hash(self.name)

    def _run(self, verb: str, data: Any, spec: Any) -> Any:
        call = getattr(self._codec, f"_{verb}_sync", None)
        if call is None:
            from exzarr._event_loop import wait_for

            result = wait_for(getattr(self._codec, f"_{verb}_single")(data, spec))
        else:
            result = call(data, spec)
        if result is None:
            raise CodecError(f"codec {self.name!r} returned nothing for a chunk")
        return result


class _ArrayArray(_Adapter, ArrayArrayCodec):
    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        try:
            made = self._codec.resolve_metadata(_their_spec(spec))
            data_type = dtypes.from_numpy(made.dtype.to_native_dtype())
            fill = fill_values.cast(made.fill_value, data_type)
        except Exception as error:
            raise MetadataError(f"codec {self.name!r}: {type(error).__name__}: {error}") from error
        return ChunkSpec(tuple(made.shape), data_type, fill)

    def encode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        theirs = _their_spec(spec)
        made = self._codec.resolve_metadata(theirs)
        return _checked(
            self.name,
            "encoded",
            self._array("encode", array, theirs),
            made.shape,
            made.dtype.to_native_dtype(),
        )

    def decode(self, array: AnyArray, spec: ChunkSpec) -> AnyArray:
        found = self._array("decode", array, _their_spec(spec))
        return _checked(self.name, "decoded", found, spec.shape, spec.dtype)

    def _array(self, verb: str, array: AnyArray, spec: Any) -> AnyArray:
        buffer = spec.prototype.nd_buffer.from_numpy_array(array)
        return np.asarray(self._run(verb, buffer, spec).as_numpy_array())


class _ArrayBytes(_Adapter, ArrayBytesCodec):
    def max_encoded_size(self, spec: ChunkSpec) -> int:
        return super().max_encoded_size(spec) if spec.data_type.variable_length else 2 * spec.nbytes + _SLACK

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        theirs = _their_spec(spec)
        return _bytes_of(self._run("encode", theirs.prototype.nd_buffer.from_numpy_array(array), theirs))

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        theirs = _their_spec(spec)
        array = np.asarray(
            self._run("decode", theirs.prototype.buffer.from_bytes(data), theirs).as_numpy_array()
        )
        return _checked(self.name, "decoded", array, spec.shape, spec.dtype)


class _BytesBytes(_Adapter, BytesBytesCodec):
    def max_encoded_size(self, size: int) -> int:
        return 2 * size + _SLACK

    def encode(self, data: Buffer) -> Buffer:
        return self._bytes("encode", data)

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        decoded = self._bytes("decode", data)
        if len(decoded) > limit or (size is not None and len(decoded) != size):
            most = limit if size is None else size
            raise CodecError(f"codec {self.name!r} decoded to {len(decoded)} bytes, expected {most}")
        return decoded

    def _bytes(self, verb: str, data: Buffer) -> Buffer:
        if self._spec is None:
            self._spec = _their_spec(ChunkSpec((len(data),), dtypes.parse_v3("uint8"), np.uint8(0)))
        return _bytes_of(self._run(verb, self._spec.prototype.buffer.from_bytes(data), self._spec))


def _checked(name: str, verb: str, array: AnyArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """Return `array`; raise CodecError if it has another shape or data type. The byte order may differ."""
    if array.shape != tuple(shape):
        raise CodecError(f"codec {name!r} {verb} a chunk to shape {array.shape}, expected {tuple(shape)}")
    if array.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise CodecError(f"codec {name!r} {verb} a chunk to data type {array.dtype}, expected {dtype}")
    return array


def _bytes_of(buffer: Any) -> Buffer:
    return as_buffer(np.ascontiguousarray(buffer.as_numpy_array()))


def _their_spec(spec: ChunkSpec) -> Any:
    """Return zarr-python's description of a chunk."""
    from zarr.core.array_spec import ArrayConfig, ArraySpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.dtype import parse_dtype

    try:
        dtype = parse_dtype(spec.data_type.v3, zarr_format=3)
    except (ValueError, TypeError, KeyError):  # a data type that zarr-python does not have
        dtype = parse_dtype(spec.dtype, zarr_format=3)
    config = ArrayConfig(order="C", write_empty_chunks=True)
    return ArraySpec(spec.shape, dtype, spec.fill_value, config, default_buffer_prototype())


def _again(name: str, configuration: dict[str, Any]) -> Any:
    from exzarr.codecs.registry import get

    return get(name).from_config(configuration)
