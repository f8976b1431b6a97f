"""Codec objects of the numcodecs library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from exzarr.codecs.base import AnyArray, ArrayBytesCodec, Buffer, ChunkSpec
from exzarr.errors import MetadataError, MissingDependencyError

__all__ = ["Wrapped", "WrappedNumbers", "make"]


def make(name: str, configuration: Mapping[str, Any]) -> Any:
    """Return the numcodecs object for the codec ``numcodecs.<id>`` and its configuration.

    Raises
    ------
    MetadataError
        numcodecs rejects the configuration.
    MissingDependencyError
        The codec requires a library that is not installed.
    """
    from numcodecs.registry import get_codec

    id_ = name.removeprefix("numcodecs.")
    try:
        # The id comes last, so that a configuration cannot replace it.
        return get_codec({**configuration, "id": id_})
    except ImportError as exc:
        raise MissingDependencyError(
            f"codec {name!r} requires a library that is not installed: {exc}"
        ) from exc
    except Exception as exc:  # a constructor may raise anything for hostile arguments
        if type(exc).__name__ == "UnknownCodecError":
            raise MissingDependencyError(
                f"codec {name!r} requires a library that is not installed: pip install {_PACKAGES.get(id_, id_)}"
            ) from exc
        raise MetadataError(f"codec {name!r}: {exc}") from exc


class Wrapped:
    """A codec with the parameters of a numcodecs object, which it holds."""

    name: ClassVar[str]

    def __init__(self, /, **configuration: Any) -> None:
        self._config = configuration
        self._codec = make(self.name, configuration)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        return cls(**configuration)

    def to_config(self) -> dict[str, Any]:
        return {key: value for key, value in self._codec.get_config().items() if key != "id"}

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._config)  # some objects of numcodecs cannot be pickled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._config.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_config() == other.to_config()

    def __hash__(self) -> int:
        return hash(self.name)


class WrappedNumbers(Wrapped, ArrayBytesCodec):
    """A codec that compresses arrays of numbers."""

    def max_encoded_size(self, spec: ChunkSpec) -> int:
        return 2 * spec.nbytes + 4096

    def encode(self, array: AnyArray, spec: ChunkSpec) -> Buffer:
        encoded: bytes = self._codec.encode(np.ascontiguousarray(array))
        return encoded


def _again(cls: type[Wrapped], configuration: dict[str, Any]) -> Wrapped:
    return cls(**configuration)


_PACKAGES = {"pcodec": "pcodec", "zfpy": "zfpy", "msgpack2": "msgpack", "crc32c": "google-crc32c"}
