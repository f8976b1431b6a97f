"""Codec objects of the numcodecs library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exzarr.errors import MetadataError, MissingDependencyError

__all__ = ["make"]


def make(name: str, configuration: Mapping[str, Any]) -> Any:
    """The numcodecs object for a codec called ``numcodecs.<id>`` and its configuration.

    Raises
    ------
    MetadataError
        numcodecs does not take the configuration.
    MissingDependencyError
        The codec needs a library that is not installed.
    """
    from numcodecs.registry import get_codec

    id_ = name.removeprefix("numcodecs.")
    try:
        # The id last: a configuration must not name another codec
        return get_codec({**configuration, "id": id_})
    except ImportError as exc:
        raise MissingDependencyError(f"codec {name!r} needs a library that is not installed: {exc}") from exc
    except Exception as exc:  # whatever a constructor makes of hostile arguments
        if type(exc).__name__ == "UnknownCodecError":
            raise MissingDependencyError(
                f"codec {name!r} needs a library that is not installed: pip install {_PACKAGES.get(id_, id_)}"
            ) from exc
        raise MetadataError(f"codec {name!r}: {exc}") from exc


_PACKAGES = {"pcodec": "pcodec", "zfpy": "zfpy", "msgpack2": "msgpack", "crc32c": "google-crc32c"}
