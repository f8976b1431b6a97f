"""URL pipelines: ``s3://bucket/data.zip|zip:path/in/zip|zarr3:``.

The first stage is the URL or path of a file or folder. Each further stage says what is in it, and where to go on:

- ``zip:path``: the file is a zip file
- ``icechunk://branch.main/path``, ``icechunk://tag.v1/path``, ``icechunk://SNAPSHOT/path``, or ``icechunk:path`` (the
  branch ``main``): the folder is a repository of icechunk
- ``zarr3:path``, ``zarr2:path``, ``zarr:path``: the folder is a hierarchy of this format, or of either

The syntax is that of https://github.com/jbms/url-pipeline, which TensorStore and Neuroglancer have as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from exzarr.errors import (
    ArgumentError,
    ExzarrError,
    MissingDependencyError,
    NodeNotFoundError,
    ReadOnlyError,
    StoreError,
    UnsupportedError,
)
from exzarr.stores.base import Store, check_prefix

if TYPE_CHECKING:
    from exzarr.stores.resolve import Mode
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Stage", "open_pipeline", "parse_pipeline"]

_ADAPTER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?::(.*))?", re.DOTALL)
_FORMATS: dict[str, int | None] = {"zarr": None, "zarr2": 2, "zarr3": 3}
_KNOWN = ("zip", "icechunk", *_FORMATS)
_DOCUMENTS = {2: (".zarray", ".zgroup"), 3: ("zarr.json",)}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline.

    Attributes
    ----------
    number
        1 for the first stage.
    scheme
        The scheme, in lower case; ``""`` for the first stage, which may be a path.
    rest
        What follows the colon; the whole text of the first stage.
    """

    number: int
    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}" if self.scheme else self.rest


def parse_pipeline(text: str) -> tuple[Stage, ...] | None:
    """Return the stages of a URL pipeline; None if `text` is a single URL, or a path.

    A path may have the character ``|``. It is a pipeline only if every part after the first is a scheme with a colon, or
    a scheme that exzarr knows; and if there is no such file or folder.
    """
    first, *others = text.split("|")
    if not others or not first:
        return None
    stages = [Stage(1, "", first)]
    for number, part in enumerate(others, 2):
        match = _ADAPTER.fullmatch(part)
        if match is None or (match[2] is None and match[1].lower() not in _KNOWN):
            return None
        stages.append(Stage(number, match[1].lower(), match[2] or ""))
    return None if os.path.lexists(text) else tuple(stages)


def open_pipeline(
    stages: tuple[Stage, ...], mode: Mode | None, options: StorageOptions | None
) -> tuple[Store, str]:
    """Return the store of a pipeline and the path in it. Errors name the stage."""
    root, *adapters = stages
    at = _Root(root, mode, options)
    place: tuple[Store, str] | None = None
    stage = root
    try:
        for stage in adapters:
            if stage.scheme == "zip":
                place = _open_zip(at, place, stage, mode)
            elif stage.scheme == "icechunk":
                place = _open_icechunk(at, place, stage, mode)
            elif stage.scheme in _FORMATS:
                place = _open_format(at, place, stage, mode)
            else:
                raise UnsupportedError(
                    f"exzarr does not have {stage.scheme!r}; it has {', '.join(f'{name}:' for name in _KNOWN)}"
                )
    except ExzarrError as error:
        from exzarr.stores.objects.errors import scrubbed

        whole = "|".join(map(str, stages))
        blamed = root if at.failed else stage
        made = type(error)(
            f"stage {blamed.number}, {scrubbed(str(blamed))!r}, of {scrubbed(whole)!r}: {error}"
        )
        if isinstance(error, StoreError) and isinstance(made, StoreError):
            made.errno = error.errno
        raise made from error
    assert place is not None
    return place


class _Root:
    """The first stage, which is opened as a file or as a folder: the second stage says which."""

    def __init__(self, stage: Stage, mode: Mode | None, options: StorageOptions | None) -> None:
        self._mode = mode
        self.options = options
        text = stage.rest
        if re.match(r"file:[^/]", text, re.IGNORECASE):
            text = unquote(text[len("file:") :])
        elif re.match(r"memory:(?!//)", text, re.IGNORECASE):
            text = "memory://" + text[len("memory:") :].lstrip("/")
        self.text = text
        self.failed = False

    def local_path(self) -> str | None:
        """Return the path of a local file or folder; None for other URLs."""
        from exzarr.stores.resolve import refuse_options
        from exzarr.stores.urls import local_path

        text = self.text
        if text[:6].lower() == "file:/":
            text = "file://" + text[5:].removeprefix("//")
        elif "://" in text:
            return None
        refuse_options(self.options, f"{text!r} is a local path")
        return os.path.abspath(os.path.expanduser(local_path(text)))

    def folder(self, mode: Mode | None = None) -> tuple[Store, str]:
        from exzarr.stores.resolve import resolve_store

        self.failed = True
        found = resolve_store(self.text, mode=mode, storage_options=self.options)
        self.failed = False
        return found

    def file(self) -> tuple[Store, str]:
        """Return the store of a remote file's folder, and the file's key."""
        from exzarr.stores.resolve import resolve_url

        self.failed = True
        folder, _, name = self.text.partition("?")[0].rpartition("/")
        if not name or folder.endswith(":/"):
            raise ArgumentError(f"{self.text!r} is not the URL of a file")
        store, inside = resolve_url(folder, None, self.options)
        self.failed = False
        if not self.text.lower().startswith("http"):
            return store, f"{inside}/{name}" if inside else name
        return store, unquote(f"{inside}/{name}" if inside else name)


def _open_zip(
    root: _Root, place: tuple[Store, str] | None, stage: Stage, mode: Mode | None
) -> tuple[Store, str]:
    from exzarr.stores.files import open_zip
    from exzarr.stores.zip.nested import NestedZipStore

    inside = _path(stage.rest)
    if place is None:
        file = root.local_path()
        if file is not None:
            return open_zip(file, inside, mode)
        place = root.file()
    if mode not in (None, "r"):
        raise ReadOnlyError(
            f"mode {mode!r} would change a zip file that is not a local file; use mode 'r' to read it"
        )
    store, path = place
    if not path:
        raise ArgumentError("the stage before does not lead to a file")
    return NestedZipStore(store, path), inside


def _open_format(
    root: _Root, place: tuple[Store, str] | None, stage: Stage, mode: Mode | None
) -> tuple[Store, str]:
    store, path = root.folder(mode) if place is None else place
    path = "/".join(part for part in (path, _path(stage.rest)) if part)
    wanted = _FORMATS[stage.scheme]
    if wanted is not None and mode != "w":
        _check_format(store, path, wanted, mode)
    elif wanted == 2:
        raise _is_new(stage.scheme)
    return store, path


def _check_format(store: Store, path: str, wanted: int, mode: Mode | None) -> None:
    """Raise an error if the node at `path` has another format than `wanted`, or both."""
    base = f"{path}/" if path else ""
    has = {form: any(store.exists(base + name) for name in names) for form, names in _DOCUMENTS.items()}
    other = 5 - wanted
    if has[wanted] and has[other]:
        if wanted == 2:  # exzarr reads format 3 if a node has both
            raise ArgumentError(
                f"{path or '/'!r} in {store} has metadata of both formats: leave out the stage, and pass zarr_format=2"
            )
    elif has[other]:
        raise NodeNotFoundError(f"{path or '/'!r} in {store} has Zarr format {other}, not {wanted}")
    elif not has[wanted] and wanted == 2 and mode in ("a", "w-"):
        raise _is_new("zarr2")


def _is_new(scheme: str) -> ArgumentError:
    return ArgumentError(
        f"the address of a new node has no format: leave out the stage {scheme}:, and pass zarr_format=2"
    )


def _open_icechunk(
    root: _Root, place: tuple[Store, str] | None, stage: Stage, mode: Mode | None
) -> tuple[Store, str]:
    from exzarr.stores.zarr_python.store import ZarrPythonStore

    if place is not None:
        raise UnsupportedError("a repository of icechunk in another stage is not supported")
    match = re.fullmatch(r"(?://|@)([^/]*)(.*)|(.*)", stage.rest, re.DOTALL)
    assert match is not None
    version, inside = unquote(match[1] or "branch.main"), _path(match[2] or match[3] or "")
    kind, dot, name = version.partition(".")
    if mode not in (None, "r"):
        branch = name if kind == "branch" else "main"
        raise ReadOnlyError(
            "an address opens one commit of a repository of icechunk for reading; to write, open a session, and commit it: "
            f"session = icechunk.Repository.open(storage).writable_session({branch!r}); "
            f"exzarr.open(session.store, mode={mode!r}); session.commit(message)"
        )
    try:
        import icechunk
    except ImportError as error:
        raise MissingDependencyError("icechunk is not installed: pip install 'exzarr[icechunk]'") from error
    chosen = {kind: name} if dot and kind in ("branch", "tag") else {"snapshot_id": version}
    try:
        repository = icechunk.Repository.open(_icechunk_storage(icechunk, root))
        session = repository.readonly_session(**chosen)
    except ExzarrError:
        raise
    except Exception as error:
        text = next(iter(str(error).strip().splitlines()), "")
        raise NodeNotFoundError(f"icechunk cannot open it: {type(error).__name__}: {text}") from error
    return ZarrPythonStore(session.store, url=f"{root.text}|icechunk://{version}"), inside


_SAME = "region access_key_id secret_access_key session_token allow_http anonymous requester_pays".split()
"""Options that exzarr and icechunk call by the same name."""

_STORAGES = dict.fromkeys(("az", "azure", "abfs", "abfss", "adl"), "icechunk.azure_storage(...)")
"""What opens icechunk's storage at URLs that it has, but which have no account or no address of their own."""


def _icechunk_storage(icechunk: Any, root: _Root) -> Any:
    """Return icechunk's storage for the first stage."""
    folder = root.local_path()
    if folder is not None:
        if not os.path.isdir(folder):
            raise NodeNotFoundError(f"there is no folder {folder!r}")
        return icechunk.local_filesystem_storage(folder)
    scheme, _, rest = root.text.partition("://")
    bucket, _, prefix = rest.rstrip("/").partition("/")
    scheme = scheme.lower()
    if scheme in ("s3", "s3a"):
        given = _options(scheme, root.options)
        settings = {name: given.pop(name) for name in _SAME if name in given}
        if "endpoint" in given:
            settings["endpoint_url"] = given.pop("endpoint")
            settings["force_path_style"] = not given.pop("virtual_hosted", False)
            settings.setdefault("allow_http", settings["endpoint_url"].startswith("http://"))
        _refuse_rest(given)
        if not {"access_key_id", "anonymous"} & set(settings):
            settings["from_env"] = True
        return icechunk.s3_storage(bucket=bucket, prefix=prefix, **settings)
    if root.options:
        raise UnsupportedError(f"storage_options of {scheme}:// are not passed to icechunk; leave them out")
    if scheme in ("gs", "gcs"):
        return icechunk.gcs_storage(bucket=bucket, prefix=prefix, from_env=True)
    if scheme in ("http", "https") and hasattr(icechunk, "http_storage"):
        return icechunk.http_storage(root.text)
    raise UnsupportedError(
        f"repositories of icechunk at {scheme}:// are not opened by address; open a session, and pass its store: "
        f"session = icechunk.Repository.open({_STORAGES.get(scheme, 'storage')}).readonly_session('main'); "
        "exzarr.open(session.store)"
    )


def _options(scheme: str, given: StorageOptions | None) -> dict[str, Any]:
    """Return those options of an object store that differ from the defaults, by exzarr's names."""
    if not given:
        return {}
    from exzarr.stores.url_options import object_arguments

    arguments = object_arguments(scheme, given)
    options = arguments.pop("options", None)
    if options is not None:
        default = type(options)()
        for field in fields(options):
            value = getattr(options, field.name)
            if value != getattr(default, field.name):
                arguments[field.name] = value
    return arguments


def _refuse_rest(given: Mapping[str, Any]) -> None:
    if given:
        raise UnsupportedError(f"icechunk has no counterpart of storage_options {', '.join(sorted(given))}")


def _path(text: str) -> str:
    return check_prefix(unquote(text).strip("/"))
