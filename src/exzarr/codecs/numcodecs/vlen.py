"""vlen-utf8 and vlen-bytes under numcodecs' names: the very bytes of the v3 codecs."""

from __future__ import annotations

from typing import ClassVar

from exzarr.codecs import vlen

__all__ = ["VLenBytes", "VLenUTF8"]


class VLenUTF8(vlen.VLenUTF8):
    """Strings as UTF-8."""

    name: ClassVar[str] = "numcodecs.vlen-utf8"


class VLenBytes(vlen.VLenBytes):
    """Byte strings as they are."""

    name: ClassVar[str] = "numcodecs.vlen-bytes"
