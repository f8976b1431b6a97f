"""Data types: the form of elements in memory and their names in documents of both formats.

Zarr v3: https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html and
https://github.com/zarr-developers/zarr-extensions/tree/main/data-types. Zarr v2:
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#data-type-encoding
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exzarr.errors import UnsupportedError

__all__ = [
    "BYTES",
    "MAX_DEPTH",
    "MAX_ITEMSIZE",
    "ML_BITS",
    "NAT",
    "DataType",
    "is_ml",
    "ml_dtype",
    "type_name",
]

MAX_DEPTH = 32
"""Maximum depth of nested structured types. Deeper nesting is treated as an attack."""

MAX_ITEMSIZE = 2**26
"""Maximum bytes per element. NumPy allows 2**31, but a fill value must not cause a large allocation."""

BYTES: np.dtype[Any] = np.dtype("O", metadata={"vlen": bytes})
"""Dtype of byte strings of any length: objects with h5py's mark, which identifies the elements."""

NAT = -(2**63)
"""NumPy's stored value of "not a time"."""

ML_BITS: dict[str, int] = {
    "bfloat16": 16,
    "int2": 2,
    "int4": 4,
    "uint2": 2,
    "uint4": 4,
    "float4_e2m1fn": 4,
    "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
    "float8_e3m4": 8,
    "float8_e4m3": 8,
    "float8_e4m3b11fnuz": 8,
    "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0fnu": 8,
}
"""Significant bits of the data types from ``ml_dtypes``, by the name that both Zarr and ``ml_dtypes`` use."""


@dataclass(frozen=True, slots=True, eq=True)
class DataType:
    """A Zarr data type. Two data types are equal if their elements are the same in memory.

    Attributes
    ----------
    dtype
        The NumPy dtype of chunk arrays. Zarr v3: native byte order (the codec ``bytes`` sets the
        stored order). Zarr v2: the stored byte order.
    v3
        Its JSON in a v3 document: a name, or ``{"name": ..., "configuration": ...}``, in the
        form of the document. None if v3 has no name for it.
    kind
        ``"fixed"``: every element has ``dtype.itemsize`` bytes. ``"string"``: Unicode strings of
        any length (``dtype`` is ``numpy.dtypes.StringDType()``). ``"bytes"``: byte strings of any
        length (``dtype`` is `BYTES`, of objects). ``"object"``: v2 ``|O`` with another object codec.
    v2
        Its JSON in a v2 document: ``"<f4"``, a list of fields, ``"|O"``. None if v2 cannot store it.
    extension
        The `DataTypeExtension` of another package, or None.
    meaning
        Name and configuration of the extension as JSON text: equal elements with another meaning are not equal.
    """

    dtype: np.dtype[Any]
    v3: Any = field(compare=False)
    kind: str = "fixed"
    v2: Any = field(default=None, compare=False)
    extension: Any = field(default=None, compare=False)
    meaning: str = ""

    @property
    def variable_length(self) -> bool:
        """True if the number of stored bytes varies between elements."""
        return self.kind != "fixed"

    @property
    def bits(self) -> int:
        """Significant bits of an element. The codec ``packbits`` stores only these."""
        if self.dtype.kind == "b":
            return 1
        return ML_BITS.get(self.dtype.name) or 8 * self.dtype.itemsize

    @property
    def name(self) -> str:
        """Short name for messages: ``float32``, ``datetime64[ns]``, ``string``."""
        if self.kind == "string":
            return "string"
        if self.kind == "bytes":
            return "bytes"
        return type_name(self.v3) if self.v3 is not None else str(self.dtype)


def type_name(json: Any) -> str:
    """Return the name in a v3 data type's JSON, for messages."""
    return str(json.get("name")) if isinstance(json, dict) else str(json)


def is_ml(dtype: np.dtype[Any]) -> bool:
    """Return True if `dtype` comes from ``ml_dtypes``."""
    # Its dtypes have the kind of raw bytes (or "f"), so only the name and the itemsize identify them.
    return dtype.itemsize <= 2 and dtype.name in ML_BITS


def ml_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype of a name in `ML_BITS`; raise UnsupportedError if ``ml_dtypes`` is missing or too old."""
    try:
        import ml_dtypes
    except ImportError as error:
        raise UnsupportedError(
            f"data type {name!r} requires the package ml_dtypes: pip install ml_dtypes"
        ) from error
    try:
        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    except AttributeError as error:
        raise UnsupportedError(
            f"data type {name!r} requires a newer ml_dtypes: pip install -U ml_dtypes"
        ) from error
    return dtype
