"""The top-level functions. Their names are those of zarr-python."""

from exzarr._api.creating import (
    array,
    create,
    create_array,
    create_group,
    create_hierarchy,
    empty,
    from_array,
    full,
    group,
    ones,
    zeros,
)
from exzarr._api.likes import empty_like, full_like, ones_like, open_like, zeros_like
from exzarr._api.opening import consolidate_metadata, open, open_array, open_consolidated, open_group, tree  # noqa: A004
from exzarr._api.saving import load, save, save_array, save_group

__all__ = [
    "array",
    "consolidate_metadata",
    "create",
    "create_array",
    "create_group",
    "create_hierarchy",
    "empty",
    "empty_like",
    "from_array",
    "full",
    "full_like",
    "group",
    "load",
    "ones",
    "ones_like",
    "open",
    "open_array",
    "open_consolidated",
    "open_group",
    "open_like",
    "save",
    "save_array",
    "save_group",
    "tree",
    "zeros",
    "zeros_like",
]
