"""Equality of values and dtypes between libraries: equal bits, or equal Python objects if there are no bits."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["same_dtype", "same_value"]


def same_value(ours: Any, theirs: Any) -> bool:
    """Return True if two fill values are the same. All NaNs are equal."""
    if isinstance(theirs, str) or theirs is None:
        return bool(ours == theirs)
    if isinstance(theirs, bytes) and not isinstance(theirs, np.generic):
        return bool(ours == theirs)
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.dtype.newbyteorder("=") != b.dtype.newbyteorder("="):
        # The length of NumPy's flexible scalars is that of their content.
        return a.dtype.kind == b.dtype.kind and a.dtype.kind in "SUV" and ours == theirs
    if a.dtype.names is not None:
        return all(same_value(a[label][()], b[label][()]) for label in a.dtype.names)
    return a.tobytes() == b.astype(a.dtype).tobytes() or bool(a != a and b != b)


def same_dtype(ours: np.dtype[Any], theirs: np.dtype[Any], *, native: bool) -> bool:
    """Return True if two dtypes are the same. With `native`, `theirs` may have any byte order."""
    if native and theirs.kind != "T":
        theirs = theirs.newbyteorder("=")
    return bool(ours == theirs)
