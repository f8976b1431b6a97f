"""``gen`` and ``templates`` of kerchunk's JSON format, which generate many references by one rule.

https://fsspec.github.io/kerchunk/spec.html#version-1. The specification uses Jinja expressions. exzarr supports
arithmetic on the dimensions, templates and calls of templates. It runs no code and limits the output.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

__all__ = ["MOST_GENERATED", "filled", "generated"]

MOST_GENERATED = 300_000
"""Largest number of references that a document may generate. Use Parquet for larger sets."""
_MOST_TEXT = 4096
"""Largest number of characters of a key, URL or number."""
_MOST_NUMBER = 1 << 63
_MOST_NODES = 100
"""Largest number of syntax nodes of an expression."""
_MOST_VALUES = 50
"""Largest number of expressions in one text, including those of its templates."""
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_FORMAT = re.compile(r"%0?[0-9]{0,2}d")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def filled(text: str, names: Mapping[str, Any]) -> str:
    """Return `text` with every ``{{ expression }}`` replaced by its value. Raise ValueError for an invalid one."""
    made = _filled(text, names, [_MOST_VALUES])
    if "{{" in made:
        raise ValueError(f"{text[:80]!r} holds an expression that does not end")
    return made


def generated(gen: Any, templates: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Iterate over the keys and references of all rules. Raise ValueError if they are malformed or too many."""
    if not isinstance(gen, list):
        raise ValueError("'gen' is a list of rules")  # noqa: TRY004 - as for all faults
    rules = [_rule(rule) for rule in gen]
    total = sum(math.prod(map(len, rule.values)) for rule in rules)
    if total > MOST_GENERATED:
        raise ValueError(f"'gen' generates {total} references; at most {MOST_GENERATED} are allowed")
    for rule in rules:
        for combination in product(*rule.values):
            known = {**templates, **dict(zip(rule.names, combination, strict=True))}
            target: list[Any] = [filled(rule.url, known)]
            if rule.offset is not None:
                target += [_number(rule.offset, known), _number(rule.length, known)]
            yield filled(rule.key, known), target


@dataclass(frozen=True, slots=True)
class _Rule:
    key: str
    url: str
    offset: Any
    length: Any
    names: Sequence[str]
    values: Sequence[Sequence[Any]]


def _rule(rule: Any) -> _Rule:
    if not isinstance(rule, Mapping) or not isinstance(rule.get("dimensions"), Mapping):
        raise ValueError("a rule of 'gen' has 'key', 'url' and 'dimensions'")  # noqa: TRY004 - as for all faults
    key, url, offset, length = (rule.get(name) for name in ("key", "url", "offset", "length"))
    if not isinstance(key, str) or not isinstance(url, str):
        raise ValueError("a rule of 'gen' has 'key' and 'url', which are text")  # noqa: TRY004 - as for all faults
    if (offset is None) != (length is None):
        raise ValueError("a rule of 'gen' has both 'offset' and 'length', or neither")
    names = [*rule["dimensions"]]
    return _Rule(key, url, offset, length, names, [_values(name, rule["dimensions"][name]) for name in names])


def _values(name: str, given: Any) -> Sequence[Any]:
    if isinstance(given, list):
        if not all(isinstance(value, str) or type(value) is int for value in given):
            raise ValueError(f"dimension {name!r} of 'gen' lists values that are neither numbers nor text")
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"dimension {name!r} of 'gen' is a list, or has 'stop'")  # noqa: TRY004 - as for all faults
    limits = [given.get("start", 0), given.get("stop"), given.get("step", 1)]
    if not all(type(value) is int and abs(value) < _MOST_NUMBER for value in limits) or not limits[2]:
        raise ValueError(f"dimension {name!r} of 'gen' has whole numbers as 'start', 'stop' and 'step'")
    made = range(*limits)
    if made and (made[-1] - made[0]) // made.step >= MOST_GENERATED:
        raise ValueError(f"dimension {name!r} of 'gen' has more than {MOST_GENERATED} values")
    return made


def _number(given: Any, names: Mapping[str, Any]) -> int:
    if type(given) is int:
        return given
    if not isinstance(given, str):
        raise ValueError(f"{given!r} is neither a number nor an expression")  # noqa: TRY004 - as for all faults
    try:
        return int(filled(given, names))
    except ValueError as error:
        raise ValueError(f"{given[:80]!r} is no whole number: {error}") from None


def _filled(text: str, names: Mapping[str, Any], budget: list[int]) -> str:
    if len(text) > _MOST_TEXT:
        raise ValueError(f"{text[:80]!r}... is longer than {_MOST_TEXT} characters")
    made = _EXPRESSION.sub(lambda match: str(_value(match[1], names, budget)), text)
    if len(made) > _MOST_TEXT:
        raise ValueError(f"{text[:80]!r} becomes {len(made)} characters; at most {_MOST_TEXT} are allowed")
    return made


def _value(expression: str, names: Mapping[str, Any], budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"{expression[:80]!r} and the templates in it take more than {_MOST_VALUES} steps")
    return _of(_parsed(expression), expression, names, budget)


@lru_cache(maxsize=1000)
def _parsed(expression: str) -> ast.expr:
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{expression[:80]!r} is no expression") from None
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise ValueError(f"{expression[:80]!r} is too long")
    return tree


def _of(node: ast.expr, expression: str, names: Mapping[str, Any], budget: list[int]) -> Any:
    """Evaluate a part of an expression: the value is a number of at most 63 bits, or a short text."""
    refused = ValueError(f"{expression[:80]!r} holds an expression that is not run")
    match node:
        case ast.Constant(value=int() | str() as value) if not isinstance(value, bool):
            found: Any = value
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"{expression[:80]!r}: there is no {name!r}")
            found = names[name]
            if isinstance(found, str) and "{{" in found:
                found = _filled(found, names, budget)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            found = _of(operand, expression, names, budget)
            if type(found) is not int:
                raise refused
            found = -found
        case ast.BinOp(left=ast.Constant(value=str() as form), op=ast.Mod(), right=right):
            number = _of(right, expression, names, budget)
            if not _FORMAT.fullmatch(form) or type(number) is not int:
                raise refused
            found = form % number
        case ast.BinOp(left=left, op=op, right=right):
            values = _of(left, expression, names, budget), _of(right, expression, names, budget)
            calculate = _OPERATORS.get(type(op))
            if calculate is None or any(type(value) is not int for value in values):
                raise refused
            try:
                found = calculate(*values)
            except ZeroDivisionError:
                raise ValueError(f"{expression[:80]!r} divides by zero") from None
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if isinstance(names.get(name), str):
            given = {
                word.arg: _of(word.value, expression, names, budget)
                for word in keywords
                if word.arg is not None
            }
            found = _filled(names[name], {**names, **given}, budget)
        case _:
            raise refused
    if type(found) is int:
        if abs(found) >= _MOST_NUMBER:
            raise ValueError(f"{expression[:80]!r} is larger than a number may be")
    elif not isinstance(found, str) or len(found) > _MOST_TEXT:
        raise refused
    return found
