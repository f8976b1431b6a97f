"""Entries of a folder that listings leave out: links that are not followed, and names that are not valid keys."""

from __future__ import annotations

import os
from collections.abc import Iterator

from exzarr.stores.base import Store, is_reserved
from exzarr.stores.local.store import _is_name

__all__ = ["hidden", "leads_up", "why_hidden"]


def hidden(store: Store, prefix: str = "", *, deep: bool = False) -> Iterator[tuple[str, str]]:
    """Iterate over the entries that listings omit directly under `prefix` (with `deep`, anywhere below it).

    Yields the key and the reason. Only folders omit entries. exzarr's own temporary files do not count. A link to
    a folder that contains the link counts, although a listing shows it: its content is listed already.
    """
    base = store.local_path("")
    if base is None:
        return
    pending = [(prefix, _is_linked(base, prefix))]
    while pending:
        folder, linked = pending.pop()
        top = f"{folder}/" if folder else ""
        try:
            with os.scandir(_join(base, folder)) as found:
                for entry in found:
                    why = why_hidden(entry, linked=linked)
                    if why is not None:
                        yield top + entry.name.encode("utf-8", "backslashreplace").decode(), why
                    elif deep and not is_reserved(entry.name) and entry.is_dir():
                        pending.append((top + entry.name, linked or entry.is_symlink()))
        except (FileNotFoundError, NotADirectoryError):
            continue  # it was removed meanwhile
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield folder, f"it cannot be listed: {reason}"


def why_hidden(entry: os.DirEntry[str], *, linked: bool) -> str | None:
    """Return the reason why listings omit an entry of a folder; None if they show it or it is exzarr's own.

    `linked` is True if the folder was reached by a link.
    """
    if is_reserved(entry.name):
        return None
    if not _is_name(entry.name):
        return "its name can't be part of a key"
    try:
        if entry.is_symlink():
            if leads_up(entry.path):
                return "it is a link to a folder that holds it"
            if entry.is_dir():
                return "it is a link to a folder, behind another link" if linked else None
            return None if entry.is_file() else "it is a link that leads nowhere"
        return None if entry.is_dir() or entry.is_file() else "it is neither a file nor a folder"
    except OSError as error:
        kind = "link that leads nowhere" if entry.is_symlink() else "entry that may not be looked at"
        return f"it is a {kind}: {error.strerror or error}"


def leads_up(path: str) -> bool:
    """Return True if a link leads to a folder that contains the link."""
    folder, target = os.path.realpath(path.rpartition("/")[0]), os.path.realpath(path)
    return f"{folder}/".startswith(target.rstrip("/") + "/")


def _is_linked(base: str, prefix: str) -> bool:
    """Return True if a link leads to the folder of `prefix`."""
    real = os.path.realpath(base)
    return os.path.realpath(_join(base, prefix)) != (
        os.path.join(real, *prefix.split("/")) if prefix else real
    )


def _join(base: str, key: str) -> str:
    return f"{base.rstrip('/')}/{key}" if key else base
