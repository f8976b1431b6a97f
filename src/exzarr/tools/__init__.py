"""What is done with whole arrays and hierarchies: copying, rechunking, converting; and labs that try things out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exzarr.tools import lab

__all__ = ["lab"]


def __getattr__(name: str) -> Any:
    if name != "lab":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.lab")
