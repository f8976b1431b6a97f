"""Names for types that many modules annotate with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["AnyArray", "IntArray"]

AnyArray = npt.NDArray[Any]
"""An array of any shape and data type."""

IntArray = npt.NDArray[np.int64]
"""An array of indices, positions or numbers."""
