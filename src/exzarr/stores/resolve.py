"""Resolution of a path, a URL or a store to a store and the path in it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal

from exzarr.errors import (
    ArgumentError,
    MissingDependencyError,
    ReadOnlyError,
    UnsupportedError,
)
from exzarr.stores.base import Store, check_prefix
from exzarr.stores.files import (
    REFERENCES,
    ZIP_SUFFIXES,
    ZIPPED,
    is_no_hierarchy,
    is_sqlite,
    is_zip,
    open_references,
    open_sqlite,
    open_zip,
    references_at,
    split_references,
    split_zip,
)
from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.schemes import open_url

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = [
    "Mode",
    "StoreLike",
    "refuse_options",
    "resolve_store",
    "resolve_url",
    "shared_options",
]

Mode = Literal["r", "r+", "a", "w", "w-"]
"""``r``: read. ``r+``: read and write existing nodes. ``a``: also create nodes. ``w``: replace. ``w-``: create only."""

StoreLike = str | os.PathLike[str] | Store | MutableMapping[str, Any]
"""A path, a URL, a Store, or a dict of keys and values. Stores of zarr-python and obstore are accepted as well."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_SUPPORTED = (
    "a path, a file:// URL, a path that ends in .zip, .sqlite, .json or .parq (references), memory://name/path, "
    "a dict, or a Store of exzarr or zarr-python"
)


def resolve_store(
    store_like: StoreLike, *, mode: Mode | None = None, storage_options: StorageOptions | None = None
) -> tuple[Store, str]:
    """Return the store of `store_like` and the path in it (``""`` is its root).

    Parameters
    ----------
    store_like
        One of:

        - a path (str or os.PathLike) of the root folder of a hierarchy (``~`` is the home folder);
        - a path of a ``.zip`` file, or into one (``cube.zip/group/array``);
        - a path of references, or into them: a ``.json``, ``.json.gz`` or ``.json.zst`` file, or a ``.parq`` or
          ``.parquet`` folder (see `ReferenceStore`);
        - a URL pipeline, such as ``s3://bucket/data.zip|zip:|zarr3:path`` (see `pipelines`);
        - a ``file://`` URL (percent-decoded), ``memory://name/path``, the URL of a remote store, or one with the scheme
          of another package (`exzarr.registry.register_store`);
        - a Store;
        - a dict, or another mutable mapping, from keys to bytes (see `MappingStore`);
        - a store, a StorePath, an array or a group of zarr-python, or of a package that derives from its `Store`
          (see `ZarrPythonStore`); a store of obstore.
    mode
        ``"r"`` gives a read-only store. None gives a store that can be written if the medium allows (a zip file does
        not). No mode creates anything: the first put creates a folder.
    storage_options
        For URLs of object stores and web servers: the fields of `S3Options`, `GCSOptions`, `AzureOptions` and
        `HTTPOptions` and the arguments of `ObjectStore`, by name, or one of these objects. The usual names of
        fsspec, boto3 and obstore work too: ``anon``, ``key``, ``secret``, ``endpoint_url``, ``client_kwargs``.
        For other URLs: the options of fsspec's file system.
        For references: ``allow`` and ``base`` of `ReferenceStore`, and the options of their URLs.

    Returns
    -------
    store
        The store.
    path
        The path in the store.

    Raises
    ------
    ArgumentError
        An option is unknown, or the store takes no options.
    ReadOnlyError
        The mode writes, and the store is read-only.
    UnsupportedError
        exzarr has no store for this kind of URL.
    """
    if mode not in (None, "r", "r+", "a", "w", "w-"):
        raise ArgumentError(f"mode is 'r', 'r+', 'a', 'w' or 'w-', not {mode!r}")
    options = storage_options
    if isinstance(store_like, Store):
        refuse_options(options, f"{store_like} is a store, which has its own options")
        return _given_store(store_like, mode), ""
    if type(store_like).__module__.partition(".")[0] == "obstore":
        from exzarr.stores.objects.store import ObjectStore

        refuse_options(options, "a store of obstore has its own options")
        return _given_store(ObjectStore(store_like), mode), ""
    theirs = getattr(store_like, "store_path", store_like)  # of an array or a group
    if _is_of_zarr_python(theirs):
        refuse_options(options, "a store of zarr-python has its own options")
        return _from_zarr_python(theirs, mode)
    if isinstance(store_like, MutableMapping):
        refuse_options(options, "a mapping is in this process")
        return _given_store(_from_mapping(store_like), mode), ""
    if isinstance(store_like, os.PathLike):
        return _from_path(os.fsdecode(store_like), mode, options)
    if store_like is None:
        raise ArgumentError(f"no path was given; give {_SUPPORTED}")
    if not isinstance(store_like, str):
        raise ArgumentError(
            f"cannot open a store from an object of type {type(store_like).__name__}; give {_SUPPORTED}"
        )
    if "|" in store_like:
        from exzarr.stores.pipelines import open_pipeline, parse_pipeline

        stages = parse_pipeline(store_like)
        if stages is not None:
            return open_pipeline(stages, mode, options)
    match = _URL.match(store_like)
    if match is None:
        if store_like.startswith("file:/"):
            return _from_file_url(store_like.removeprefix("file:"), mode, options)
        _refuse_one_slash(store_like)
        return _from_path(os.path.expanduser(store_like), mode, options)
    scheme = match[1].lower()
    if scheme not in ("file", "sqlite") and REFERENCES.search(store_like):
        found = references_at(store_like, options)
        if found is not None:
            return open_references(*found, mode, options)
    return resolve_url(store_like, mode, options)


def resolve_url(url: str, mode: Mode | None, options: StorageOptions | None = None) -> tuple[Store, str]:
    """Return the store of a URL and the path in it, without a search for references."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    opener = _SCHEMES.get(scheme)
    if opener is not None:
        return opener(rest, mode, options)
    found = None if scheme in _object_schemes() else open_url(scheme, url, mode, _plain_options(options))
    store, inside = (_from_url(scheme, url, mode, options or {}), "") if found is None else found
    return _given_store(store, mode), inside


def _object_schemes() -> frozenset[str]:
    from exzarr.stores.objects.options import SCHEMES

    return SCHEMES


def _plain_options(options: StorageOptions | None) -> Mapping[str, Any]:
    """Return the options for a store of another package: a mapping."""
    if options is None or isinstance(options, Mapping):
        return options or {}
    raise ArgumentError(
        f"storage_options is a dict for stores of other packages, not a {type(options).__name__}"
    )


def _refuse_one_slash(text: str) -> None:
    """Raise ArgumentError for ``s3:/bucket``, which would otherwise be a folder of that name."""
    scheme, colon, rest = text.partition(":/")
    if (
        colon
        and re.fullmatch(r"(?i:s3a?|gc?s|az(ure)?|abfss?|https?|memory|sqlite)", scheme)
        and not os.path.exists(text)
    ):
        raise ArgumentError(f"{scheme}:/ has one slash, a URL has two: {scheme}://{rest.lstrip('/')}")


def _from_url(scheme: str, url: str, mode: Mode | None, options: StorageOptions) -> Store:
    """Return the store of a URL of an object store, a web server, or one of fsspec's file systems."""
    from exzarr.stores import url_options
    from exzarr.stores.objects.errors import scrubbed
    from exzarr.stores.objects.options import SCHEMES

    read_only = mode == "r"
    if scheme in SCHEMES:
        from exzarr.stores.objects.store import ObjectStore

        given = url_options.object_arguments(scheme, options) if options else {}
        made = ObjectStore(url, read_only=read_only, **given)
        if made.read_only and mode not in (None, "r"):
            raise ReadOnlyError(
                f"mode {mode!r} needs a writable store, but {made} is a web server: use mode 'r', or declare that it takes "
                "conditional writes, as `exzarr serve --write` does: storage_options={'writable': True}"
            )
        return made
    from exzarr.stores.fsspec import FsspecStore

    try:
        given = url_options.fsspec_arguments(FsspecStore, options) if options else {}
        return FsspecStore(url, read_only=read_only, **given)
    except (UnsupportedError, MissingDependencyError) as error:
        raise UnsupportedError(
            f"no store for {scheme}:// URLs ({scrubbed(url)!r}): {error}; give {_SUPPORTED}"
        ) from error


def shared_options(
    source: Any,
    destination: Any,
    storage_options: StorageOptions | None,
    destination_options: StorageOptions | None,
) -> tuple[StorageOptions | None, StorageOptions | None]:
    """Return the options of the source and of the destination, given one `storage_options` for both.

    `storage_options` apply to each of the two that takes options. If neither does, they go to the source, which then
    refuses them. With `destination_options` they apply to the source only.
    """
    if destination_options is not None or not storage_options:
        return storage_options, destination_options
    of_source, of_destination = _takes_options(source), _takes_options(destination)
    return (
        storage_options if of_source or not of_destination else None,
        storage_options if of_destination else None,
    )


def _takes_options(place: Any) -> bool:
    """Return True if `place` takes options: the URL of a remote store, or references."""
    if not isinstance(place, str):
        return isinstance(place, os.PathLike) and REFERENCES.search(os.fspath(place)) is not None
    match = _URL.match(place)
    return match[1].lower() not in _SCHEMES if match else REFERENCES.search(place) is not None


def refuse_options(options: StorageOptions | None, why: str) -> None:
    """Raise ArgumentError if there are options, for a place that takes none. `why` is the reason."""
    if options is None or (isinstance(options, Mapping) and not options):
        return
    names = f" ({', '.join(map(str, options))})" if isinstance(options, Mapping) else ""
    raise ArgumentError(
        f"storage_options{names} are for URLs of object stores, web servers and fsspec's file systems, and for "
        f"references; {why}: leave them out"
    )


def _is_of_zarr_python(candidate: Any) -> bool:
    """Return True for a store of zarr-python, or a path in one. Import nothing."""
    from exzarr.stores.counterparts import is_zarr_store

    return is_zarr_store(candidate) or (
        type(candidate).__name__ == "StorePath" and is_zarr_store(candidate.store)
    )


def _from_zarr_python(theirs: Any, mode: Mode | None) -> tuple[Store, str]:
    """Return the store for a store of zarr-python, or for a path in one, and the path in it."""
    from exzarr.stores.counterparts import counterpart
    from exzarr.stores.zarr_python.store import ZarrPythonStore

    if type(theirs).__name__ == "StorePath":
        store, inside = _from_zarr_python(theirs.store, mode)
        return store, "/".join(part for part in (inside, check_prefix(theirs.path)) if part)
    if theirs.read_only:
        if mode not in (None, "r"):
            raise ReadOnlyError(
                f"mode {mode!r} needs a writable store, but the {type(theirs).__name__} is read-only"
            )
        mode = "r"
    ours = getattr(theirs, "store", None)
    if isinstance(ours, Store):  # `exzarr.zarr.as_store` made it
        return _given_store(ours, mode), ""
    if type(theirs).__name__ == "LocalStore" and type(theirs).__module__.startswith("zarr."):
        return _from_path(str(theirs.root), mode, None)
    found = counterpart(theirs)
    return _given_store(ZarrPythonStore(theirs) if found is None else found, mode), ""


def _from_mapping(values: MutableMapping[str, Any]) -> Store:
    if type(values).__name__ == "FSMap":  # of fsspec
        from exzarr.stores.fsspec import FsspecStore

        mapper: Any = values
        return FsspecStore(mapper.fs, mapper.root)
    from exzarr.stores.mapping import MappingStore

    return MappingStore(values)


def _given_store(store: Store, mode: Mode | None) -> Store:
    if mode == "r":
        return store.as_read_only()
    if mode is not None and store.read_only:
        raise ReadOnlyError(f"mode {mode!r} needs a writable store, but {store} is read-only; use mode 'r'")
    return store


def _from_file_url(rest: str, mode: Mode | None, options: StorageOptions | None) -> tuple[Store, str]:
    from urllib.parse import unquote

    host, slash, path = (
        rest.removeprefix("//").partition("/") if rest.startswith("//") else ("", "/", rest[1:])
    )
    if host not in ("", "localhost") or not slash:
        raise UnsupportedError(
            f"file://{rest.removeprefix('//')} names the host {host!r}; a local path has three slashes: file:///data/x.zarr"
        )
    path = unquote(path, errors="surrogateescape")
    # file:///C:/data
    return _from_path(path if os.name == "nt" and path[1:2] == ":" else "/" + path, mode, options)


def _from_memory_url(rest: str, mode: Mode | None, options: StorageOptions | None) -> tuple[Store, str]:
    refuse_options(options, "memory:// is in this process")
    name, _, path = rest.partition("/")
    return _given_store(MemoryStore(name), mode), check_prefix(path.strip("/"))


def _from_file_scheme(rest: str, mode: Mode | None, options: StorageOptions | None) -> tuple[Store, str]:
    return _from_file_url("//" + rest, mode, options)


def _from_sqlite_url(rest: str, mode: Mode | None, options: StorageOptions | None) -> tuple[Store, str]:
    refuse_options(options, "sqlite:// is a local file")
    if not rest:
        raise ArgumentError("sqlite:// is followed by a path: sqlite:///data/cube.sqlite")
    return open_sqlite(os.path.abspath(rest), mode)


_SCHEMES: dict[str, Callable[[str, Mode | None, StorageOptions | None], tuple[Store, str]]] = {
    "file": _from_file_scheme,
    "memory": _from_memory_url,
    "sqlite": _from_sqlite_url,
}


def _from_path(text: str, mode: Mode | None, options: StorageOptions | None) -> tuple[Store, str]:
    if not text or "\0" in text:
        raise ArgumentError(f"{text!r} is no path; give {_SUPPORTED}")
    path = os.path.abspath(text)
    if REFERENCES.search(path):
        found = split_references(path)
        if found is not None:
            return open_references(*found, mode, options)
    refuse_options(options, f"{text!r} is a local path")
    if any(suffix in path.lower() for suffix in ZIP_SUFFIXES):
        inside = split_zip(path)
        if inside is not None:
            return open_zip(*inside, mode)
    if os.path.isfile(path):
        if is_zip(path) and not path.lower().endswith(ZIPPED):
            return open_zip(path, "", mode)
        if is_sqlite(path):
            return open_sqlite(path, mode)
        raise is_no_hierarchy(path)
    if not os.path.exists(path):
        above = next(folder for folder in _above(path) if os.path.exists(folder))
        if os.path.isfile(above):
            raise is_no_hierarchy(above)
    # Not `exists`: another process may have made the file since the check above.
    if path.lower().endswith(".sqlite") and not os.path.isdir(path):
        return open_sqlite(path, mode)
    read_only = mode == "r" or (mode is None and os.path.isdir(path) and not os.access(path, os.W_OK))
    return LocalStore(path, read_only=read_only), ""


def _above(path: str) -> Iterator[str]:
    """Iterate over the parent folders of a path, the nearest first."""
    while (above := os.path.dirname(path)) != path:
        path = above
        yield path
