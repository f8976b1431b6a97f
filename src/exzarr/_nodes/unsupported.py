"""Errors for unsupported operations of arrays: arithmetic, comparisons, and NumPy's methods.

They would have to read the whole array. They therefore raise an error that explains how to read it first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from exzarr.errors import UnreadError

__all__ = ["UnsupportedOperations", "refuse_comparison"]

_METHODS = {
    *(name for name in dir(np.ndarray) if not name.startswith("_")),
    *("values", "to_numpy", "numpy", "compute", "median", "isnull", "abs", "loc", "iloc"),
}
"""Names of NumPy's methods, and of some methods of xarray and pandas."""

_HINTS = {
    "astype": "to store it with another data type, use exzarr.copy(a, destination, dtype=...)",
    "copy": "to copy it to another place, use exzarr.copy(a, destination)",
    "fill": "write a[...] = value",
    "values": "a[...] is a NumPy array",
    "loc": "select by label: a.sel(time='2024-03')",
    "iloc": "select by position: a[3], or a.isel(time=3)",
    "T": "to store it transposed, create an array from a[...].T",
    **dict.fromkeys(
        ("sum", "prod", "std", "var", "any", "all", "median"),
        "of an array that is larger than memory: a.parallel_chunk_map(fn, reduce=...)",
    ),
}
_STREAM = "or go through it chunk by chunk: for chunk in a.chunk_stream()"
_WHY = "its elements are in a store"


class UnsupportedOperations:
    """A mixin that raises errors for the operators and methods of NumPy arrays, like the mixins of `numpy.lib`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )
        then = "" if name in ("values", "to_numpy", "numpy", "compute") else f".{name}"
        raise UnreadError(
            f"an exzarr array has no {name!r}, since {_WHY}: read what you need first, a[...]{then}, or a selection of it; "
            f"{_HINTS.get(name, _STREAM)}"
        )


def refuse_comparison(other: object, symbol: str) -> None:
    """Raise UnreadError if `other` is a value that elements could be compared with."""
    if isinstance(other, (bool, int, float, complex, str, bytes, list, tuple, np.generic)) or hasattr(
        other, "__array__"
    ):
        raise UnreadError(_message(symbol, f"a[...] {symbol} other"))


def _message(symbol: str, example: str) -> str:
    return (
        f"an exzarr array does not do {symbol!r} with its elements, since they are in a store: read what you need first, "
        f"{example}, {_STREAM}"
    )


def _binary(symbol: str) -> Callable[[UnsupportedOperations, object], NoReturn]:
    example = "a[...], as in divmod(a[...], other)" if symbol == "divmod" else f"a[...] {symbol} other"

    def refuse(self: UnsupportedOperations, other: object) -> NoReturn:  # noqa: ARG001 - an operator has two operands
        raise UnreadError(_message(symbol, example))

    return refuse


def _unary(symbol: str) -> Callable[..., NoReturn]:
    example = f"a[...], as in {symbol}(a[...])" if symbol.isalpha() else f"{symbol}a[...]"

    def refuse(self: UnsupportedOperations, *_: object) -> NoReturn:  # noqa: ARG001 - as the operator's method has it
        raise UnreadError(_message(symbol, example))

    return refuse


_OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "matmul": "@",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "divmod": "divmod",
    "pow": "**",
    "lshift": "<<",
    "rshift": ">>",
    "and": "&",
    "or": "|",
    "xor": "^",
}
for _name, _symbol in _OPERATORS.items():
    setattr(UnsupportedOperations, f"__{_name}__", _binary(_symbol))
    setattr(UnsupportedOperations, f"__r{_name}__", _binary(_symbol))
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    setattr(UnsupportedOperations, f"__{_name}__", _binary(_symbol))
for _name, _symbol in {"neg": "-", "pos": "+", "invert": "~", "abs": "abs", "round": "round"}.items():
    setattr(UnsupportedOperations, f"__{_name}__", _unary(_symbol))
