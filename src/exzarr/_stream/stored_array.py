"""What streams use of an array.

`exzarr.Array` has methods that return streams. The modules that these methods call therefore do not import `Array`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from exzarr._typing import AnyArray

if TYPE_CHECKING:
    from exzarr._engine.source import ChunkSource
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._nodes.casting import Casting
    from exzarr._predicates.predicates import Predicate
    from exzarr.stores.base import Store

__all__ = ["Matches", "StoredArray", "is_stored_array"]


class Matches(Protocol):
    """An `exzarr.statistics.Matches`."""

    def chunks(self) -> AnyArray | None:
        """Return a mask of the chunks that may match; None if all may."""
        ...


class StoredArray(Protocol):
    """An `exzarr.Array`."""

    @property
    def chunk_source(self) -> ChunkSource: ...

    @property
    def metadata(self) -> ArrayMetadata: ...

    @property
    def store(self) -> Store: ...

    @property
    def path(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def read_only(self) -> bool: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def where(self, predicate: Predicate, region: Any = ...) -> Matches: ...

    def __getitem__(self, selection: Any) -> Any: ...

    def __setitem__(self, selection: Any, value: Any) -> None: ...

    def set(self, selection: Any, value: Any, *, casting: Casting = ...) -> None: ...


def is_stored_array(value: object) -> bool:
    """Return whether `value` is an `exzarr.Array`. The array is not opened."""
    return hasattr(type(value), "chunk_source")
