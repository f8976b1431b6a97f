"""What an array and a group have in common."""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["AccessOptions"]


class AccessOptions(TypedDict, total=False):
    """Options of an open array; a group passes them to its arrays."""

    read_only: bool
    missing: Literal["fill", "error"]
    write_empty_chunks: bool
    memory_order: Literal["C", "F"] | None
