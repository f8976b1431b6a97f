"""Names that users type: unknown ones are refused, with the nearest right one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from exzarr.errors import UnknownArgumentError

__all__ = ["did_you_mean", "known_arguments", "nearest", "no_dimension"]

P = ParamSpec("P")
R = TypeVar("R")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is spelled most like `name`; None if none is similar."""
    from difflib import get_close_matches

    folded = {known.lower(): known for known in names}
    found = get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], form: str = "{!r}") -> str:
    """Return the end of an error message, ``"; did you mean 'zstd'?"``; empty if no name is similar."""
    found = nearest(name, names)
    return "" if found is None else f"; did you mean {form.format(found)}?"


def no_dimension(name: object, names: Iterable[str | None]) -> str:
    """Return the message that an array with the dimension names `names` has no dimension `name`."""
    known = [one for one in names if one is not None]
    there = f"; dimensions: {', '.join(map(repr, known)) or 'none: the array has no dimension names'}"
    return f"there is no dimension {name!r}{there}{did_you_mean(str(name), known)}"


def known_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function: unknown keywords raise UnknownArgumentError, before anything is done.

    The error names the public function and the nearest argument that it has. Functions whose keywords are a
    TypedDict (``**options: Unpack[...]``) otherwise fail somewhere inside, in a function that no user called.
    """
    known = _arguments(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not known.issuperset(kwargs):
            name = next(name for name in kwargs if name not in known)
            raise UnknownArgumentError(
                f"{function.__qualname__}() has no argument {name!r}"
                + (did_you_mean(name, known, "{}=") or f"; it has {', '.join(sorted(known))}")
            )
        return function(*args, **kwargs)

    return call


def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of all arguments, including the members of a TypedDict of keywords."""
    code = function.__code__
    names = code.co_varnames
    count = code.co_argcount + code.co_kwonlyargcount
    found = {name for name in names[:count] if name != "self"}
    if code.co_flags & 0x08:  # **options, behind *args where there is one
        rest = names[count + (code.co_flags & 0x04 > 0)]
        options = str(function.__annotations__[rest]).removeprefix("Unpack[").removesuffix("]")
        found |= function.__globals__[options].__annotations__.keys()
    return frozenset(found)
