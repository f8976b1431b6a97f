"""Values of arrays and attributes as strict JSON, for reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["plain_json"]


def plain_json(value: Any) -> Any:
    """Convert `value` to strict JSON. NaN and infinities become strings, as in Zarr's fill values."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        if value.ndim:
            return [plain_json(item) for item in value]
        value = value[()]
    if isinstance(value, np.void):
        if value.dtype.names is None:
            return value.tobytes().hex()
        return {name: plain_json(value[name]) for name in value.dtype.names}
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, complex):
        return [plain_json(value.real), plain_json(value.imag)]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        return plain_json(float(value))  # the number types of ml_dtypes
    except (TypeError, ValueError):
        return str(value)
