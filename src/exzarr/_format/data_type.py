"""The data type of an array: what its elements are in memory and in both kinds of documents.

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
"""Levels of structured types inside structured types; more is no data type but an attack."""

MAX_ITEMSIZE = 2**26
"""Bytes of one element. NumPy takes up to 2**31; but a fill value is one, and no document makes us allocate that."""

BYTES: np.dtype[Any] = np.dtype("O", metadata={"vlen": bytes})
"""Objects that are byte strings, marked as h5py marks them: so the dtype of an array says what its elements are."""

NAT = -(2**63)
"""How NumPy stores "not a time"."""

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
"""Data types that NumPy has only through ``ml_dtypes``: Zarr's name (theirs, too) to significant bits."""


@dataclass(frozen=True, slots=True, eq=True)
class DataType:
    """A Zarr data type. Two are equal where their elements are the same in memory.

    Attributes
    ----------
    dtype
        The NumPy dtype of chunk arrays. Zarr v3: native byte order (the order of stored
        bytes is the ``bytes`` codec's business). Zarr v2: exactly the stored byte order.
    v3
        Its JSON in a v3 document: a name, or ``{"name": ..., "configuration": ...}``, spelled
        as the document spells it. None where v3 has no name for it.
    kind
        ``"fixed"``: every element has ``dtype.itemsize`` bytes. ``"string"``: Unicode strings of
        any length (``dtype`` is ``numpy.dtypes.StringDType()``). ``"bytes"``: byte strings of any
        length (``dtype`` is `BYTES`, of objects). ``"object"``: v2 ``|O`` with some other object codec.
    v2
        Its JSON in a v2 document: ``"<f4"``, a list of fields, ``"|O"``; None where v2 cannot say it.
    """

    dtype: np.dtype[Any]
    v3: Any = field(compare=False)
    kind: str = "fixed"
    v2: Any = field(default=None, compare=False)

    @property
    def variable_length(self) -> bool:
        """Whether elements differ in their number of stored bytes."""
        return self.kind != "fixed"

    @property
    def bits(self) -> int:
        """Significant bits of an element, which is what the ``packbits`` codec stores."""
        if self.dtype.kind == "b":
            return 1
        return ML_BITS.get(self.dtype.name) or 8 * self.dtype.itemsize

    @property
    def name(self) -> str:
        """A short name for messages: ``float32``, ``datetime64[ns]``, ``string``."""
        if self.kind == "string":
            return "string"
        if self.kind == "bytes":
            return "bytes"
        return type_name(self.v3) if self.v3 is not None else str(self.dtype)


def type_name(json: Any) -> str:
    """The name in a v3 data type's JSON, for messages."""
    return str(json.get("name")) if isinstance(json, dict) else str(json)


def is_ml(dtype: np.dtype[Any]) -> bool:
    """Whether NumPy knows `dtype` only through ``ml_dtypes``."""
    # Its dtypes have the kind of raw bytes (or "f"), so only the name and the itemsize tell.
    return dtype.itemsize <= 2 and dtype.name in ML_BITS


def ml_dtype(name: str) -> np.dtype[Any]:
    """The dtype of one of `ML_BITS`; UnsupportedError where ``ml_dtypes`` is missing or too old."""
    try:
        import ml_dtypes
    except ImportError as error:
        raise UnsupportedError(
            f"data type {name!r} needs the package ml_dtypes: pip install ml_dtypes"
        ) from error
    try:
        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    except AttributeError as error:
        raise UnsupportedError(
            f"data type {name!r} needs a newer ml_dtypes: pip install -U ml_dtypes"
        ) from error
    return dtype
