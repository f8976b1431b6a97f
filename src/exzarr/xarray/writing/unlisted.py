"""The names of xarray that the writer uses and that xarray's documentation does not list, all in this file.

`tests/xarray/test_unlisted.py` tests them with the xarray that is installed.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
from xarray import Variable
from xarray.backends.api import DATAARRAY_NAME, DATAARRAY_VARIABLE
from xarray.backends.common import AbstractWritableDataStore, ArrayWriter
from xarray.backends.zarr import FillValueCoder, encode_zarr_attr_value, encode_zarr_variable
from xarray.coding.strings import check_vlen_dtype, create_vlen_dtype
from xarray.conventions import decode_cf_variables, encode_dataset_coordinates

__all__ = [
    "DATAARRAY_NAME",
    "DATAARRAY_VARIABLE",
    "AbstractWritableDataStore",
    "ArrayWriter",
    "decoded",
    "encode_attribute",
    "encode_dataset_coordinates",
    "encode_fill_value",
    "encoded",
    "is_text",
]

encode_attribute = encode_zarr_attr_value
encode_fill_value = FillValueCoder.encode

# A parameter since 2025.
_FORMAT = {"zarr_format"} & inspect.signature(encode_zarr_variable).parameters.keys()


def encoded(variable: Variable, name: Any, zarr_format: int) -> Variable:
    """Return the variable as it is stored: times as numbers, missing values as fill values, text as UTF-8."""
    options = dict.fromkeys(_FORMAT, zarr_format)
    if variable.dtype.kind == "T" and (zarr_format == 2 or variable.dtype != np.dtypes.StringDType()):
        # xarray makes fixed-length text of it, which does not fit the filter of stored strings.
        dtype = create_vlen_dtype(str) if zarr_format == 2 else np.dtypes.StringDType()
        variable = variable.copy(data=_without_nulls(variable.data, dtype))
        variable.encoding.pop("dtype", None)
    return encode_zarr_variable(variable, name=name, **options)


def _without_nulls(strings: Any, dtype: Any) -> Any:
    """Return strings with another data type. Missing ones become empty, as in xarray."""
    if hasattr(strings, "map_blocks"):
        return strings.map_blocks(_without_nulls, dtype, dtype=dtype)
    found = np.asarray(strings, object)
    return np.where(pd.isnull(found), "", found).astype(dtype)


def decoded(variables: dict[str, Variable]) -> dict[str, Variable]:
    """Return stored variables decoded by the CF conventions. Their encoding says how to encode them again."""
    return dict(decode_cf_variables(variables, {})[0])


def is_text(variable: Variable) -> bool:
    """Return whether the elements are strings of variable length."""
    return variable.dtype.kind == "T" or check_vlen_dtype(variable.dtype) is str
