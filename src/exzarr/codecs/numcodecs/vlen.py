"""The codecs vlen-utf8 and vlen-bytes under numcodecs' names. They store the same bytes as the v3 codecs."""

from __future__ import annotations

from typing import ClassVar

from exzarr.codecs import vlen

__all__ = ["VLenBytes", "VLenUTF8"]


class VLenUTF8(vlen.VLenUTF8):
    """Strings of any length, stored as UTF-8."""

    name: ClassVar[str] = "numcodecs.vlen-utf8"


class VLenBytes(vlen.VLenBytes):
    """Byte strings of any length."""

    name: ClassVar[str] = "numcodecs.vlen-bytes"
