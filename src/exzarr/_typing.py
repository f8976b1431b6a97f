"""Names for types that many modules annotate with."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["AnyArray"]

AnyArray = npt.NDArray[Any]
"""An array of any shape and data type."""
