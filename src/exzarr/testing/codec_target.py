"""Fuzz targets of codecs: decoding any bytes, and encoding any values."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.bytes import Bytes
from exzarr.codecs.pipeline import BoundPipeline, ChunkPipeline
from exzarr.errors import ArgumentError, CodecError, ExzarrError, MetadataError
from exzarr.testing.fuzzing import Target

__all__ = ["codec_of", "codec_target"]

SHAPES = ((9, 11), (99,), (8, 8), (64,), (3, 4, 5), ())
"""Shapes of chunks to try; the first that the codec accepts is fuzzed."""


def codec_of(text: str, configuration: dict[str, Any] | None = None) -> Any:
    """Return a codec from a name, an entry of a document as JSON, or a class.

    Parameters
    ----------
    text
        ``"zstd"``, ``'{"name": "zstd", "configuration": {"level": 1}}'``, ``"my_package:MyCodec"`` or
        ``"my_package.MyCodec"``.
    configuration
        The configuration of a name or a class.

    Raises
    ------
    ArgumentError
        It is none of these, or the configuration is invalid.
    """
    try:
        if text.startswith("{"):
            return registry.from_json(json.loads(text))
        cls = _class_of(text)
        if cls is None:
            return registry.from_json({"name": text, "configuration": configuration or {}})
        return cls.from_config(configuration or {})
    except ExzarrError as error:
        raise ArgumentError(
            f"cannot make the codec {text}: {error}; give its configuration with --config"
        ) from error
    except (json.JSONDecodeError, TypeError) as error:
        raise ArgumentError(f"cannot make the codec {text}: {error}") from error


def _class_of(text: str) -> Any:
    """Return the class that a dotted name or ``module:Class`` names; None for a codec's name."""
    module, colon, name = text.partition(":")
    if not colon:
        module, _, name = text.rpartition(".")
    if not module or not name.isidentifier() or (not colon and text in registry.known()):
        return None
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        if not colon:
            return None
        raise ArgumentError(f"cannot import {text}: {error}") from error
    return found if hasattr(found, "from_config") else None


def codec_target(codec: Any, *, data_type: Any = None) -> Target:
    """Return the fuzz target of a codec.

    Inputs begin with a byte. If it is even, the rest is decoded: that must raise CodecError, or give an array of the
    right shape. If it is odd, the rest are the values of a chunk: encoding them must raise CodecError, or give bytes
    that decode, twice to the same values.

    Parameters
    ----------
    codec
        The codec.
    data_type
        The data type of chunks; by default the first that the codec accepts.
    """
    pipeline = _bound(codec, ("i4", "f4", "u1", str, bytes) if data_type is None else (data_type,))
    spec = pipeline.spec
    fixed = spec.dtype.kind != "T" and not spec.dtype.hasobject

    def run(data: bytes) -> None:
        if data[:1] and data[0] & 1 and fixed:
            _encode(pipeline, np.resize(np.frombuffer(data[1:] or b"\0", "u1"), spec.nbytes).view(spec.dtype))
        else:
            _decode(pipeline, data[1:])

    values = [np.zeros(spec.shape, spec.dtype)]
    if fixed:
        numbers = np.arange(spec.nbytes, dtype="u1")
        values += [(numbers // 7).view(spec.dtype), np.resize(numbers[::-1], spec.nbytes).view(spec.dtype)]
    seeds = []
    for value in values:
        try:
            seeds.append(b"\0" + bytes(pipeline.encode(value.reshape(spec.shape))))
        except CodecError:
            continue
        if fixed:
            seeds.append(b"\1" + value.tobytes())
    return Target(codec.name.replace("/", "_"), run, seeds)


def _bound(codec: Any, data_types: Sequence[Any]) -> BoundPipeline:
    from exzarr._format import fill_values
    from exzarr._format.dtypes import from_numpy

    chain = {
        "array_array": [codec, Bytes()],
        "array_bytes": [codec],
        "bytes_bytes": [Bytes(), codec],
    }[codec.kind]
    reason: Exception | None = None
    for data_type in data_types:
        found = from_numpy(data_type)
        for shape in SHAPES:
            try:
                bound = ChunkPipeline(chain).bind(ChunkSpec(shape, found, fill_values.default(found)))
                bound.encode(np.zeros(shape, found.dtype))
            except (MetadataError, CodecError) as error:
                reason = error
            else:
                return bound
    raise ArgumentError(
        f"codec {codec.name!r} accepts no chunk that the fuzzer tries: {reason}; give --dtype"
    )


def _decode(pipeline: BoundPipeline, data: bytes) -> None:
    spec = pipeline.spec
    out = np.empty(spec.shape, spec.dtype)
    try:
        found = pipeline.decode(data)
    except CodecError:
        pass
    else:
        assert found.shape == spec.shape, f"decoded to shape {found.shape}, expected {spec.shape}"
        assert found.dtype == spec.dtype, f"decoded to {found.dtype}, expected {spec.dtype}"
        found.tolist()
    try:
        pipeline.decode_into(data, out)
    except CodecError:
        pass


def _encode(pipeline: BoundPipeline, values: Any) -> None:
    array = values.reshape(pipeline.spec.shape)
    try:
        encoded = bytes(pipeline.encode(array))
    except CodecError:
        return
    once = pipeline.decode(encoded)
    again = pipeline.decode(encoded)
    assert once.tobytes() == again.tobytes(), "decoding twice gives two results"
