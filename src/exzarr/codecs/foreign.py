"""Codecs of Zarr v2 arrays that other packages register with numcodecs.

exzarr checks the size of their results. It cannot check how they handle hostile bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, BytesBytesCodec, ChunkSpec
from exzarr.codecs.memory import as_buffer
from exzarr.codecs.packages import where_to_find
from exzarr.errors import CodecError, MetadataError, UnsupportedError

__all__ = ["ForeignArray", "ForeignBytes", "foreign"]


def foreign(id_: str, configuration: Mapping[str, Any], order: Literal["C", "F"] | None) -> Any:
    """Return the codec that a package registered with numcodecs as `id_`.

    Parameters
    ----------
    id_
        The codec's id in v2 documents.
    configuration
        Its parameters.
    order
        The array's memory order if the codec encodes the chunk array (an image codec may);
        None if it encodes the bytes of another codec.

    Raises
    ------
    UnsupportedError
        No installed package registers this id.
    MetadataError
        The configuration is invalid.
    """
    from numcodecs.registry import get_codec

    try:
        codec = get_codec({**configuration, "id": id_})
    except Exception as exc:
        if type(exc).__name__ in ("UnknownCodecError", "ImportError", "ModuleNotFoundError"):
            from exzarr.codecs.numcodecs import NAMES

            known = ", ".join(sorted(name.removeprefix("numcodecs.") for name in NAMES))
            where = where_to_find(id_)
            raise UnsupportedError(
                f"codec {id_!r} is not known{'; ' if where else ''}{where}. Known codecs: {known}, and the codecs "
                "that installed packages register with numcodecs"
            ) from None
        raise MetadataError(f"codec {id_!r}: {exc}") from exc
    # One class per codec, because the name is a class attribute.
    name = {"name": f"numcodecs.{id_}"}
    if order is None:
        return type("ForeignBytes", (ForeignBytes,), name)(codec)
    return type("ForeignArray", (ForeignArray,), name)(codec, order)


class _Foreign:
    """A wrapper of a codec object from another package."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Any:
        raise UnsupportedError(
            f"cannot make a foreign codec from {dict(configuration)}; call foreign() with its id"
        )

    def to_config(self) -> dict[str, Any]:
        return {key: value for key, value in self._codec.get_config().items() if key != "id"}


class ForeignBytes(_Foreign, BytesBytesCodec):
    """A foreign codec that encodes bytes."""

    name: ClassVar[str] = "numcodecs."
    kind: ClassVar[str] = "bytes_bytes"

    def encode(self, data: Buffer) -> Buffer:
        return _as_bytes(self._codec.encode(data))

    def decode(self, data: Buffer, size: int | None, limit: int) -> Buffer:
        decoded = _as_bytes(self._codec.decode(data))
        if len(decoded) > limit or (size is not None and len(decoded) != size):
            most = limit if size is None else size
            raise CodecError(f"{self.name}: decoded to {len(decoded)} bytes, expected {most}")
        return decoded


class ForeignArray(_Foreign, ArrayBytesCodec):
    """A foreign codec that encodes the chunk array."""

    name: ClassVar[str] = "numcodecs."
    kind: ClassVar[str] = "array_bytes"
    keeps_shape: ClassVar[bool] = True

    def __init__(self, codec: Any, order: Literal["C", "F"]) -> None:
        super().__init__(codec)
        self._order: Literal["C", "F"] = order

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        return _as_bytes(self._codec.encode(np.asarray(array, spec.dtype, order=self._order)))

    def decode(self, data: Buffer, spec: ChunkSpec) -> AnyArray:
        decoded = self._codec.decode(data)
        array = decoded if isinstance(decoded, np.ndarray) else np.frombuffer(decoded, np.uint8)
        flat = array.reshape(-1, order="A")
        flat = flat if flat.dtype == spec.dtype else flat.view(spec.dtype)
        if flat.size != spec.size:
            raise CodecError(f"{self.name}: decoded to {flat.size} elements, expected {spec.size}")
        return flat.reshape(spec.shape, order=self._order)


def _as_bytes(result: Any) -> Buffer:
    return result if isinstance(result, bytes) else as_buffer(np.ascontiguousarray(result))
