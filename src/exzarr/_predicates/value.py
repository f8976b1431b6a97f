"""`exzarr.value`: the value of an element, to write predicates with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import numpy as np

from exzarr._predicates.predicates import And, Comparison, IsIn, IsNaN, Predicate, Symbol
from exzarr.errors import ArgumentError, ArgumentTypeError

__all__ = ["Inclusive", "Value", "value"]

Inclusive = Literal["both", "left", "right", "neither"]

_BOUNDS: Final[dict[str, tuple[Symbol, Symbol]]] = {
    "both": (">=", "<="),
    "left": (">=", "<"),
    "right": (">", "<="),
    "neither": (">", "<"),
}


class Value:
    """The value of an element. Its comparisons are predicates: ``exzarr.value > 30``.

    Predicates apply to arrays of booleans, integers, floats of up to 64 bits, datetime64 and timedelta64. Combine them with
    ``&``, ``|`` and ``~``, and put comparisons in parentheses::

        value = exzarr.value
        a.where((value > 30) | value.is_nan()).count()

    Comparisons follow NumPy's rules. NaN and NaT are unequal to every value, and neither above nor below one. Operands are
    numbers in the unit of the array; for times, datetimes or strings (``value >= "2024-03-01"``).
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that NumPy's scalars leave ``scalar < value`` to this class
    __hash__ = object.__hash__

    def __lt__(self, other: Any) -> Predicate:
        return _compare("<", other)

    def __le__(self, other: Any) -> Predicate:
        return _compare("<=", other)

    def __gt__(self, other: Any) -> Predicate:
        return _compare(">", other)

    def __ge__(self, other: Any) -> Predicate:
        return _compare(">=", other)

    def __eq__(self, other: object) -> Predicate:  # type: ignore[override]
        return _compare("==", other)

    def __ne__(self, other: object) -> Predicate:  # type: ignore[override]
        return _compare("!=", other)

    def between(self, low: Any, high: Any, inclusive: Inclusive = "both") -> Predicate:
        """Return the predicate ``low <= value <= high``.

        Parameters
        ----------
        low, high
            The bounds, in the unit of the array.
        inclusive
            Which bounds match, as in pandas: ``"both"``, ``"left"``, ``"right"`` or ``"neither"``.
        """
        if inclusive not in _BOUNDS:
            raise ArgumentError(f"inclusive is one of {[*_BOUNDS]}, not {inclusive!r}")
        above, below = _BOUNDS[inclusive]
        return And(_compare(above, low), _compare(below, high))

    def isin(self, values: Iterable[Any]) -> Predicate:
        """Return the predicate that the value is equal to one of `values`. NaN is equal to none; see `is_nan`."""
        if isinstance(values, (str, bytes)):
            raise ArgumentTypeError(f"isin takes several values, such as a list, not {values!r}")
        try:
            operands = tuple(np.ravel(values) if isinstance(values, np.ndarray) else values)
        except TypeError as error:
            raise ArgumentTypeError(f"isin takes several values, such as a list, not {values!r}") from error
        for operand in operands:
            _check(operand)
        return IsIn(operands)

    def is_nan(self) -> Predicate:
        """Return the predicate that the value is NaN, or NaT. No integer or boolean matches."""
        return IsNaN()

    def __bool__(self) -> bool:
        raise ArgumentTypeError("exzarr.value has no truth value: compare it, as in exzarr.value > 30")

    def __repr__(self) -> str:
        return "exzarr.value"


value: Final = Value()
"""The value of an element, to write predicates with; see `Value`."""


def _compare(symbol: Symbol, operand: Any) -> Predicate:
    _check(operand)
    return Comparison(symbol, operand)


def _check(operand: Any) -> None:
    if operand is None or isinstance(operand, (Value, Predicate)) or np.ndim(operand):
        raise ArgumentTypeError(
            f"a predicate compares the value with one number or time, not with {operand!r}; for several values use "
            "value.isin"
        )
