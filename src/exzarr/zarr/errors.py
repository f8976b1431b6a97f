"""zarr-python's exceptions. Each is, or derives from, the exception of exzarr that stands for the same failure.

Therefore ``except exzarr.NodeNotFoundError`` and ``except zarr.errors.GroupNotFoundError`` catch the same failures.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from exzarr import errors
from exzarr.errors import SelectionError, UnsupportedError

__all__ = [
    "ArrayIndexError",
    "ArrayNotFoundError",
    "BaseZarrError",
    "BoundsCheckError",
    "ChunkNotFoundError",
    "ContainsArrayAndGroupError",
    "ContainsArrayError",
    "ContainsGroupError",
    "DataTypeValidationError",
    "GroupNotFoundError",
    "MetadataValidationError",
    "NegativeStepError",
    "NodeNotFoundError",
    "NodeTypeValidationError",
    "PickleCodecDisabledError",
    "ReadOnlyError",
    "UnknownCodecError",
    "UnstableSpecificationWarning",
    "VindexInvalidSelectionError",
    "WrongTypeError",
    "ZarrDeprecationWarning",
    "ZarrFutureWarning",
    "ZarrRuntimeWarning",
    "ZarrUserWarning",
    "translated",
    "warn",
]

_PACKAGE = str(Path(__file__).parent)

P = ParamSpec("P")
R = TypeVar("R")

BaseZarrError = errors.ExzarrError
MetadataValidationError = errors.MetadataError
DataTypeValidationError = errors.MetadataError
UnknownCodecError = UnsupportedError
PickleCodecDisabledError = UnsupportedError
ChunkNotFoundError = errors.ChunkMissingError
ArrayIndexError = BoundsCheckError = NegativeStepError = VindexInvalidSelectionError = SelectionError


class NodeNotFoundError(errors.NodeNotFoundError, ValueError):
    """No array or group exists at a path."""


class ArrayNotFoundError(NodeNotFoundError):
    """No array exists at a path."""


class GroupNotFoundError(NodeNotFoundError):
    """No group exists at a path."""


class NodeTypeValidationError(errors.NodeTypeError, errors.MetadataError):
    """A node has the other type: a group instead of an array, or an array instead of a group."""


class ContainsArrayError(errors.NodeExistsError, ValueError):
    """An array already exists at a path."""


class ContainsGroupError(errors.NodeExistsError, ValueError):
    """A group already exists at a path."""


class ContainsArrayAndGroupError(errors.NodeExistsError, ValueError):
    """An array and a group exist at one path. exzarr reads the array, and never raises this."""


class ReadOnlyError(errors.ReadOnlyError, ValueError):
    """A write to a store, array or group that was opened for reading."""


class WrongTypeError(errors.ArgumentError, TypeError):
    """An argument of a type that cannot be stored."""


class ZarrFutureWarning(FutureWarning):
    """A feature is deprecated. Never issued by exzarr."""


class UnstableSpecificationWarning(ZarrFutureWarning):
    """A feature has no specification. Never issued by exzarr."""


class ZarrDeprecationWarning(DeprecationWarning):
    """A feature will be removed."""


class ZarrUserWarning(UserWarning):
    """An argument has no effect."""


class ZarrRuntimeWarning(RuntimeWarning):
    """A doubtful operation. Never issued by exzarr."""


class FoundArrayError(NodeTypeValidationError, ContainsArrayError):
    """A node is an array instead of a group."""


class FoundGroupError(NodeTypeValidationError, ContainsGroupError):
    """A node is a group instead of an array."""


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning for the caller's line, which Python 3.11 cannot find behind decorators."""
    if sys.version_info >= (3, 12):
        warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))
    else:
        warnings.warn(message, category, stacklevel=4)


_WRONG_KIND = {"array": FoundGroupError, "group": FoundArrayError}


def translated(kind: Literal["array", "group"]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that opens or creates a node of `kind`: it raises zarr-python's exceptions."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except (NodeNotFoundError, NodeTypeValidationError, ContainsArrayError, ContainsGroupError):
                raise
            except errors.NodeNotFoundError as error:
                missing = ArrayNotFoundError if kind == "array" else GroupNotFoundError
                raise missing(str(error)) from error
            except errors.ArgumentError as error:
                if isinstance(error.__cause__, TypeError) and not isinstance(error, TypeError):
                    raise WrongTypeError(str(error)) from error
                raise
            except errors.ReadOnlyError as error:
                raise ReadOnlyError(str(error)) from error
            except errors.NodeTypeError as error:
                raise _WRONG_KIND[kind](str(error)) from error
            except errors.NodeExistsError as error:
                existing = ContainsArrayError if "an array" in str(error) else ContainsGroupError
                raise existing(str(error)) from error

        return call

    return decorate
