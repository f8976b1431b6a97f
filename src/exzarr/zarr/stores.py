"""The store of exzarr for a store of zarr-python, as the codec pipeline needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exzarr.errors import ExzarrError
from exzarr.stores import FsspecStore, Store, ZipStore, counterparts

__all__ = ["Counterpart", "counterpart"]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A store of exzarr for the content of a store of zarr-python.

    Attributes
    ----------
    store
        The store.
    protects
        Its `Store.update` excludes other writers, so that concurrent partial writes lose nothing, or raises
        UpdateUnsupportedError.
    """

    store: Store
    protects: bool


def counterpart(theirs: Any) -> Counterpart | None:
    """Return the counterpart of a store of zarr-python; None if exzarr has none (see `counterparts.counterpart`)."""
    try:
        found = counterparts.counterpart(theirs)
    except (ExzarrError, OSError, AttributeError, TypeError):
        return None  # zarr-python reports what is wrong with its store
    return None if found is None else Counterpart(found, not isinstance(found, ZipStore | FsspecStore))
