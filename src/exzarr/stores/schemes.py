"""Stores of other packages, by the scheme of their URLs.

A package declares an entry point of the group ``exzarr.stores``. Its name is the scheme, its object a function that
opens a URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from exzarr._plugins import ExtensionPoint
from exzarr.errors import ArgumentError, ExzarrError, PluginError, StoreError
from exzarr.stores.base import Store, check_prefix
from exzarr.stores.objects.errors import scrubbed

if TYPE_CHECKING:
    from exzarr.stores.resolve import Mode

__all__ = ["STORES", "OpenURL", "open_url"]

OpenURL = Callable[..., Store | tuple[Store, str]]
"""``open_url(url, *, mode, storage_options)`` of a package; see `exzarr.registry.register_store`."""


def _opener(scheme: str, function: Any) -> OpenURL:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]+", scheme):
        raise ArgumentError(f"{scheme!r} is not a URL scheme: lower-case letters, digits, '+', '-' and '.'")
    if not callable(function) or isinstance(function, type):
        raise ArgumentError(
            f"{scheme}://: {function!r} must be a function open_url(url, *, mode, storage_options) that returns a "
            "Store, or a Store and a path in it; of a class, give a class method"
        )
    found: OpenURL = function
    return found


def _own_schemes() -> frozenset[str]:
    from exzarr.stores.objects.options import SCHEMES

    return SCHEMES | {"file", "memory", "sqlite"}


STORES: ExtensionPoint[OpenURL] = ExtensionPoint("store", "exzarr.stores", _opener, _own_schemes)


def open_url(
    scheme: str, url: str, mode: Mode | None, options: Mapping[str, Any]
) -> tuple[Store, str] | None:
    """Return the store of another package for a URL, and the path in it; None if no package has the scheme.

    Raises
    ------
    PluginError
        The package cannot be imported, or its function returns something else.
    StoreError
        The function failed.
    """
    opener = STORES.find(scheme)
    if opener is None:
        return None
    try:
        found = opener(url, mode=mode, storage_options=dict(options))
    except ExzarrError:
        raise
    except Exception as error:
        raise StoreError(
            f"the plug-in for {scheme}:// failed to open {scrubbed(url)!r}: {type(error).__name__}: {error}"
        ) from error
    store, path = found if isinstance(found, tuple) and len(found) == 2 else (found, "")
    if not isinstance(store, Store) or not isinstance(path, str):
        raise PluginError(
            f"the plug-in for {scheme}:// returned {found!r}; it must return a Store, or a Store and a path in it"
        )
    return store, check_prefix(path)
