"""Codec objects of the numcodecs library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr.errors import MetadataError, MissingDependencyError

__all__ = ["make"]


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


_PACKAGES = {"pcodec": "pcodec", "zfpy": "zfpy", "msgpack2": "msgpack", "crc32c": "google-crc32c"}
