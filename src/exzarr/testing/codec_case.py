"""Base class and helpers of the codec suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from exzarr._format import fill_values
from exzarr._format.dtypes import from_numpy
from exzarr._typing import AnyArray
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.bytes import Bytes
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline
from exzarr.errors import CodecError, MetadataError

__all__ = ["ALL_DATA_TYPES", "CodecCase", "Refused", "sample", "spec_of"]

ALL_DATA_TYPES: tuple[Any, ...] = (
    "bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "M8[s]", "m8[us]",
    "S3", "U2", "V5", [("x", "f4"), ("n", "u2")], str, bytes,
)  # fmt: skip
"""Data types that the suite tries, as for ``dtype=``."""


class Refused(Exception):  # noqa: N818 - not an error: the codec may refuse
    """The codec refuses a data type, a shape or values."""


class CodecCase:
    """What an author of a codec defines. Only `make_codec` is required."""

    data_types: ClassVar[Sequence[Any]] = ("i4", "f4")
    """Data types that the codec must encode. It encodes others, or refuses them with MetadataError."""

    shapes: ClassVar[Sequence[tuple[int, ...]]] = ((), (1,), (7,), (3, 5), (2, 3, 4), (64,))
    """Shapes of chunks."""

    exact: ClassVar[bool] = True
    """True if decoding returns the same bits. A lossy codec sets False, and defines `error_bound`."""

    refuses_values: ClassVar[bool] = False
    """True if the codec may refuse to encode some values, with CodecError."""

    detects_truncation: ClassVar[bool] = True
    """True if a chunk that is cut at any place raises CodecError."""

    detects_tail: ClassVar[bool] = True
    """True if bytes behind a chunk raise CodecError."""

    huge: ClassVar[int] = 1 << 24
    """Bytes of the largest chunk that the suite encodes."""

    memory: ClassVar[int] = 48 << 20
    """Bytes that decoding any input may allocate, for chunks of a few hundred bytes."""

    bomb: ClassVar[int] = 1 << 26
    """Bytes of zeros whose encoding is decoded as a small chunk. More than `memory`, so that decoding them fails."""

    seconds: ClassVar[int] = 20
    """Seconds that the hostile inputs may take together."""

    v2: ClassVar[dict[str, Any] | None] = None
    """Entry of a v2 document, ``{"id": ...}``; None if Zarr v2 has no such codec."""

    def make_codec(self) -> Any:
        """Return the codec under test."""
        raise NotImplementedError

    def make_chain(self) -> list[Any]:
        """Return a chain of codecs with the codec under test. Only a codec that needs others defines it."""
        codec = self.make_codec()
        match codec.kind:
            case "array_array":
                return [codec, Bytes()]
            case "array_bytes":
                return [codec]
        return [Bytes(), codec]

    def error_bound(self, array: AnyArray) -> Any:
        """Return the largest absolute error of a lossy codec: one number, or an array of the shape of `array`."""
        raise NotImplementedError("a lossy codec (exact = False) states the largest error of its elements")

    def bombs(self) -> Iterable[bytes]:
        """Return hostile inputs of your format: false sizes, deep nesting. The suite adds general ones."""
        return ()

    def encoded_elsewhere(self) -> Iterable[tuple[bytes, AnyArray]]:
        """Return chunks that another library encoded, with the arrays that they hold."""
        return ()

    def decode_elsewhere(self, data: bytes, spec: ChunkSpec) -> AnyArray | None:
        """Decode a chunk of this codec with another library; return None if there is none."""
        return None

    # -- helpers -------------------------------------------------------------------

    def bound(self, data_type: Any, shape: tuple[int, ...]) -> BoundPipeline:
        """Return the chain for chunks of `data_type` and `shape`; raise Refused if the codec refuses them."""
        try:
            return ChunkPipeline(self.make_chain()).bind(spec_of(shape, data_type))
        except MetadataError as error:
            raise Refused(str(error)) from error

    def required(self) -> Iterator[BoundPipeline]:
        """Yield the chains for all required data types and shapes. Some shapes may be refused, but not all."""
        for data_type in self.data_types:
            found = 0
            reason = ""
            for shape in self.shapes:
                try:
                    yield self.bound(data_type, shape)
                except Refused as refused:
                    reason = str(refused)
                else:
                    found += 1
            assert found, f"the codec refuses all chunks of {data_type}: {reason}"

    def one(self) -> BoundPipeline:
        """Return a chain for a chunk of a few hundred bytes."""
        for shape in ((9, 11), (99,), *self.shapes[::-1]):
            try:
                return self.bound(self.data_types[0], shape)
            except Refused:
                continue
        pytest.fail(f"the codec refuses all chunks of {self.data_types[0]}")

    def encoded(self, pipeline: BoundPipeline, array: AnyArray) -> bytes:
        """Encode an array; raise Refused if the codec may, and does, refuse its values."""
        try:
            return bytes(pipeline.encode(array))
        except CodecError:
            if self.refuses_values:
                raise Refused from None
            raise

    def check_equal(self, decoded: AnyArray, array: AnyArray) -> None:
        """Fail unless `decoded` is `array`, within the error bound."""
        assert decoded.shape == array.shape
        assert decoded.dtype == array.dtype
        if array.dtype.kind == "T" or array.dtype.hasobject:
            assert decoded.tolist() == array.tolist()
        elif self.exact:
            assert decoded.tobytes() == array.tobytes(), f"decoded {decoded!r}, encoded {array!r}"
        else:
            _check_error(decoded, array, self.error_bound(array))

    def decodes(self, pipeline: BoundPipeline, data: bytes) -> AnyArray | None:
        """Return the decoded array, or None for CodecError. `decode` and `decode_into` must agree."""
        spec = pipeline.spec
        out = np.empty(spec.shape, spec.dtype)
        try:
            array = pipeline.decode(data)
        except CodecError:
            with pytest.raises(CodecError):
                pipeline.decode_into(data, out)
            return None
        assert array.shape == spec.shape
        assert array.dtype == spec.dtype
        pipeline.decode_into(data, out)
        return array


def _check_error(decoded: AnyArray, array: AnyArray, bound: Any) -> None:
    finite = np.isfinite(array)
    same = decoded[~finite].astype(str) == array[~finite].astype(str)
    assert np.all(same), f"NaN and infinity became {decoded[~finite]!r}"
    kind = np.longdouble if array.dtype.kind in "fiub" else np.clongdouble
    error = np.abs(decoded[finite].astype(kind) - array[finite].astype(kind))
    allowed = np.broadcast_to(np.asarray(bound, np.longdouble), array.shape)[finite]
    assert np.all(error <= allowed), (
        f"the error {error.max()} exceeds the stated bound {allowed.max() if allowed.size else 0}"
    )


def spec_of(shape: tuple[int, ...], data_type: Any) -> ChunkSpec:
    """Return the description of a chunk with the default fill value."""
    found = from_numpy(data_type)
    return ChunkSpec(shape, found, fill_values.default(found))


def sample(spec: ChunkSpec, seed: int = 0) -> AnyArray:
    """Return an array for `spec` that depends only on `seed`: neither constant nor incompressible."""
    rng = np.random.default_rng(seed)
    dtype, size = spec.dtype, spec.size
    out = np.empty(size, dtype)
    match dtype.kind:
        case "T":
            words = np.array(["", "a", "é", "日本語", "longer than sixteen bytes, surely", "z\0z"], dtype)
            out[...] = words[rng.integers(0, len(words), size)]
        case "O":
            items = np.empty(4, object)
            items[:] = [b"", b"\0", b"abc", b"\xff" * 40]
            out[...] = items[rng.integers(0, 4, size)]
        case "f" | "c":
            out[...] = np.round(rng.normal(size=size), 1)
        case "U" | "S":
            out[...] = np.array(["", "a", "ab", "b"])[rng.integers(0, 4, size)]
        case "b":
            out[...] = rng.integers(0, 2, size)
        case "i" | "u" | "m" | "M":
            out.view(f"i{dtype.itemsize}")[...] = rng.integers(0, 100, size)
        case _:
            out.view(np.uint8)[...] = rng.integers(0, 3, size * dtype.itemsize)
    return out.reshape(spec.shape)
