"""Predicates: conditions on single values.

A predicate is evaluated in two ways. `Predicate.matches` is exact, as NumPy is. `Predicate.within` knows only that values lie
between two bounds, and answers with an `Outcome`. Both compare by NumPy's operators in the array's data type. NumPy converts
both operands to a common data type by a function that keeps the order, so that what is true of the bounds holds for
the values between them.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from exzarr._predicates.operands import check_dtype, fitting
from exzarr._typing import AnyArray
from exzarr.errors import ArgumentTypeError

__all__ = ["And", "Comparison", "IsIn", "IsNaN", "Not", "Or", "Outcome", "Predicate", "Symbol"]

Symbol = Literal["<", "<=", ">", ">=", "==", "!="]

OPERATORS: Final[dict[Symbol, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Outcome(NamedTuple):
    """What is known about the values of several sets, one element for each set.

    Attributes
    ----------
    possible
        False: no value of the set matches. True: some value may match.
    certain
        True: all values of the set match. False: some value may not match.
    """

    possible: AnyArray
    certain: AnyArray


class Predicate(ABC):
    """A condition on a value. Make one from `exzarr.value`, and combine predicates with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    @abstractmethod
    def matches(self, values: AnyArray) -> AnyArray:
        """Return a boolean array: True where a value matches, by NumPy's rules."""

    @abstractmethod
    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        """Return what is known about values that are not NaN and lie between `low` and `high`, inclusive."""

    @abstractmethod
    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        """Return this predicate for values of a data type.

        Raises
        ------
        UnsupportedError
            Predicates do not apply to the data type.
        ArgumentError
            An operand cannot be compared with values of the data type.
        """

    def __and__(self, other: Predicate) -> Predicate:
        return And(self, other) if isinstance(other, Predicate) else NotImplemented

    def __or__(self, other: Predicate) -> Predicate:
        return Or(self, other) if isinstance(other, Predicate) else NotImplemented

    def __invert__(self) -> Predicate:
        return Not(self)

    def __bool__(self) -> bool:
        raise ArgumentTypeError(
            f"a predicate has no truth value ({self}): combine predicates with '&', '|' and '~' in parentheses instead of "
            "'and', 'or' and 'not', and write value.between(1, 5) instead of 1 < value < 5"
        )

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False, slots=True)
class Comparison(Predicate):
    """``value < operand``, and the other comparisons."""

    symbol: Symbol
    operand: Any

    def matches(self, values: AnyArray) -> AnyArray:
        return _quietly(OPERATORS[self.symbol], values, self.operand)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        symbol, operand = self.symbol, self.operand
        if symbol in ("<", "<="):
            low, high = high, low
        if symbol in ("<", "<=", ">", ">="):
            compare = OPERATORS[symbol]
            return Outcome(_quietly(compare, high, operand), _quietly(compare, low, operand))
        between = _quietly(operator.le, low, operand) & _quietly(operator.ge, high, operand)
        equal = _quietly(operator.eq, low, operand) & _quietly(operator.eq, high, operand)
        return Outcome(between, equal) if symbol == "==" else Outcome(~equal, ~between)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        check_dtype(dtype)
        return Comparison(self.symbol, fitting(self.operand, dtype))

    def __str__(self) -> str:
        return f"value {self.symbol} {self.operand!r}"


@dataclass(frozen=True, repr=False, slots=True)
class IsIn(Predicate):
    """``value.isin(operands)``: the value is equal to one of them."""

    operands: tuple[Any, ...]

    def matches(self, values: AnyArray) -> AnyArray:
        return self._sorted(values.dtype).matches(values)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        return self._sorted(low.dtype).within(low, high)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        check_dtype(dtype)
        return self._sorted(dtype)

    def _sorted(self, dtype: np.dtype[Any]) -> _InSorted:
        native = dtype.newbyteorder("=")
        found = []
        with np.errstate(all="ignore"):
            for operand in [fitting(operand, dtype) for operand in self.operands]:
                try:
                    converted = np.asarray(operand).astype(native)
                except OverflowError:  # out of range
                    continue
                if converted == operand:  # else no value of the data type is equal to it
                    found.append(converted)
        return _InSorted(np.unique(np.array(found, native)), str(self))

    def __str__(self) -> str:
        return f"value.isin({[*self.operands]!r})"


@dataclass(frozen=True, repr=False, slots=True, eq=False)
class _InSorted(Predicate):
    """The value is equal to one of `operands`, which are sorted and have the array's data type."""

    operands: AnyArray
    text: str

    def matches(self, values: AnyArray) -> AnyArray:
        return np.isin(values, self.operands)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        operands = self.operands
        low, high = (bound.astype(operands.dtype, copy=False) for bound in (low, high))
        possible = np.searchsorted(operands, low, "left") < np.searchsorted(operands, high, "right")
        return Outcome(np.asarray(possible), (low == high) & possible)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        return self

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False, slots=True)
class IsNaN(Predicate):
    """``value.is_nan()``: the value is NaN, or NaT."""

    def matches(self, values: AnyArray) -> AnyArray:
        return np.isnan(values) if values.dtype.kind in "fmM" else np.zeros(values.shape, bool)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        never = np.zeros(low.shape, bool)
        return Outcome(never, never)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        check_dtype(dtype)
        return self

    def __str__(self) -> str:
        return "value.is_nan()"


@dataclass(frozen=True, repr=False, slots=True)
class Not(Predicate):
    """``~predicate``."""

    inner: Predicate

    def matches(self, values: AnyArray) -> AnyArray:
        return ~self.inner.matches(values)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        possible, certain = self.inner.within(low, high)
        return Outcome(~certain, ~possible)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        return Not(self.inner.bind(dtype))

    def __str__(self) -> str:
        return f"~({self.inner})"


@dataclass(frozen=True, repr=False, slots=True)
class And(Predicate):
    """``left & right``."""

    left: Predicate
    right: Predicate

    def matches(self, values: AnyArray) -> AnyArray:
        found = self.left.matches(values)
        return found & self.right.matches(values) if found.any() else found

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        left, right = self.left.within(low, high), self.right.within(low, high)
        return Outcome(left.possible & right.possible, left.certain & right.certain)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        return And(self.left.bind(dtype), self.right.bind(dtype))

    def __str__(self) -> str:
        return f"({self.left}) & ({self.right})"


@dataclass(frozen=True, repr=False, slots=True)
class Or(Predicate):
    """``left | right``."""

    left: Predicate
    right: Predicate

    def matches(self, values: AnyArray) -> AnyArray:
        return self.left.matches(values) | self.right.matches(values)

    def within(self, low: AnyArray, high: AnyArray) -> Outcome:
        left, right = self.left.within(low, high), self.right.within(low, high)
        return Outcome(left.possible | right.possible, left.certain | right.certain)

    def bind(self, dtype: np.dtype[Any]) -> Predicate:
        return Or(self.left.bind(dtype), self.right.bind(dtype))

    def __str__(self) -> str:
        return f"({self.left}) | ({self.right})"


def _quietly(compare: Callable[[Any, Any], Any], values: AnyArray, operand: Any) -> AnyArray:
    """Compare without warnings: an operand out of range is infinite for small floats."""
    with np.errstate(all="ignore"):
        return np.asarray(compare(values, operand))
