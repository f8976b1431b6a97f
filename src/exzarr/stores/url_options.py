"""`storage_options` of URLs, by the names of exzarr, obstore, fsspec and boto3."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from inspect import signature
from typing import Any

from exzarr._spelling import did_you_mean
from exzarr.errors import ArgumentError
from exzarr.stores.objects.options import (
    AzureOptions,
    GCSOptions,
    HTTPOptions,
    ObjectOptions,
    S3Options,
    options_type,
)

__all__ = ["StorageOptions", "fsspec_arguments", "object_arguments", "reference_arguments"]

StorageOptions = Mapping[str, Any] | ObjectOptions
"""Options by name, or an object such as `S3Options`."""

_EVERYWHERE = {
    "anon": "anonymous",
    "skip_signature": "anonymous",
    "endpoint_url": "endpoint",
}
_ALIASES: dict[type[ObjectOptions], dict[str, str]] = {
    S3Options: {
        **_EVERYWHERE,
        "key": "access_key_id",
        "username": "access_key_id",
        "secret": "secret_access_key",
        "password": "secret_access_key",
        "token": "session_token",
        "region_name": "region",
        "default_region": "region",
        "request_payer": "requester_pays",
        "virtual_hosted_style_request": "virtual_hosted",
    },
    GCSOptions: {
        **_EVERYWHERE,
        "base_url": "endpoint",
        "service_account_path": "service_account",
        "application_credentials": "service_account",
    },
    AzureOptions: {
        **_EVERYWHERE,
        "account_host": "endpoint",
        "account_name": "account",
        "access_key": "account_key",
        "sas_key": "sas_token",
        "use_emulator": "emulator",
    },
    HTTPOptions: {"default_headers": "headers"},
}
"""Names of other libraries, and exzarr's name of each."""

_PREFIXES = ("aws_", "azure_storage_", "azure_", "google_")

_Changed = Callable[[Any], Mapping[str, Any]]


def object_arguments(scheme: str, given: StorageOptions) -> dict[str, Any]:
    """Return the keywords of `ObjectStore` for the options `given` and a URL of this scheme.

    Text is converted to the type of the option (``"true"``, ``"403,404"``), as for a command line or a
    configuration file. Raise ArgumentError for an unknown name and for one that is given twice.
    """
    from exzarr.stores.objects.store import ObjectStore

    kind = options_type(scheme)
    if isinstance(given, ObjectOptions):
        return {"options": given}
    own = {one.name: str(one.type) for one in fields(kind)}
    of_store = _parameters(ObjectStore, without=("where", "options", "prefix", "read_only"))
    types = {**of_store, **own}
    values: dict[str, Any] = {}
    for name, value in _exzarr_names(given, kind, types, f"a {scheme}:// URL"):
        value = _typed(name, value, types[name])
        if name in values and values[name] != value:
            raise ArgumentError(
                f"storage_options give {name} twice, by different names and with different values"
            )
        values[name] = value
    options = kind(**{name: value for name, value in values.items() if name in own})
    return {"options": options, **{name: value for name, value in values.items() if name not in own}}


def fsspec_arguments(cls: type, given: StorageOptions) -> dict[str, Any]:
    """Return the keywords of `FsspecStore` for the options `given`. Other options go to the file system."""
    if isinstance(given, ObjectOptions):
        raise ArgumentError(f"{type(given).__name__} are for object stores; give fsspec's options as a dict")
    own = _parameters(cls, without=("where", "path", "storage_options", "read_only"))
    values = {name: _typed(name, value, own[name]) for name, value in given.items() if name in own}
    return {**values, "storage_options": {name: value for name, value in given.items() if name not in own}}


def reference_arguments(given: StorageOptions) -> dict[str, Any]:
    """Return the keywords of `ReferenceStore` for the options `given`. Other options are for the target URLs."""
    if isinstance(given, ObjectOptions):
        return {"storage_options": given}
    own = {name: given[name] for name in ("allow", "base") if name in given}
    if isinstance(own.get("allow"), (str, os.PathLike)):
        own["allow"] = [own["allow"]]
    rest = {name: value for name, value in given.items() if name not in own}
    if rest.keys() == {"remote_options"}:  # fsspec's name for the same
        rest = dict(rest["remote_options"])
    return {**own, "storage_options": rest or None}


def _exzarr_names(
    given: Mapping[str, Any], kind: type[ObjectOptions], types: Iterable[str], where: str
) -> Iterator[tuple[str, Any]]:
    """Iterate over the options, by exzarr's names."""
    aliases, nested = _ALIASES[kind], _nested(kind)
    for name, value in given.items():
        known = _known(str(name), types, aliases, nested)
        if known is None:
            names = sorted({*types, *aliases, *nested})
            raise ArgumentError(
                f"storage_options: {where} has no option {name!r}"
                + (did_you_mean(str(name), names) or f"; there are {', '.join(sorted(types))}")
            )
        if known in nested:
            value = _typed(known, value, "dict") if isinstance(value, str) and value[:1] == "{" else value
            yield from _exzarr_names(nested[known](value), kind, types, where)
        else:
            yield known, value


def _known(name: str, types: Iterable[str], aliases: Mapping[str, str], nested: Iterable[str]) -> str | None:
    name = name.lower()
    for prefix in ("", *_PREFIXES):
        bare = name.removeprefix(prefix)
        if bare in types or bare in nested:
            return bare
        if bare in aliases:
            return aliases[bare]
    return None


def _nested(kind: type[ObjectOptions]) -> dict[str, _Changed]:
    """Return the other libraries' options that contain options, or whose meaning depends on the value."""
    common: dict[str, _Changed] = {"client_kwargs": _mapping, "client_options": _mapping}
    if kind is S3Options:
        return {**common, "use_ssl": _use_ssl, "config_kwargs": _config_kwargs}
    return {**common, "token": _google_token} if kind is GCSOptions else common


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(
            f"storage_options: client_kwargs holds options by name, it is no {type(value).__name__}"
        )
    return value


def _use_ssl(value: Any) -> Mapping[str, Any]:
    return {} if _typed("use_ssl", value, "bool") else {"allow_http": True}


def _config_kwargs(value: Any) -> Mapping[str, Any]:
    """Return the addressing style of botocore's `config_kwargs`."""
    style = value.get("s3", {}).get("addressing_style") if isinstance(value, Mapping) else None
    if style not in ("path", "virtual") or value != {"s3": {"addressing_style": style}}:
        raise ArgumentError(
            "storage_options: config_kwargs supports only {'s3': {'addressing_style': 'path' or 'virtual'}}"
        )
    return {"virtual_hosted": style == "virtual"}


def _google_token(value: Any) -> Mapping[str, Any]:
    """Return the option for gcsfs's `token`: ``"anon"``, a key file, or its content."""
    if value == "anon":
        return {"anonymous": True}
    if isinstance(value, Mapping):
        return {"service_account_key": json.dumps(dict(value))}
    if isinstance(value, str) and value not in ("google_default", "cache", "cloud", "browser"):
        return {"service_account": value}
    raise ArgumentError(
        f"storage_options: token={value!r} is not supported; give 'anon', a service account's key file, or its "
        "content. Without a token, the environment is used (GOOGLE_APPLICATION_CREDENTIALS)"
    )


def _parameters(cls: type, without: Iterable[str]) -> dict[str, str]:
    found = signature(cls).parameters.values()
    return {one.name: str(one.annotation) for one in found if one.name not in without}


def _typed(name: str, value: Any, annotation: str) -> Any:
    """Return `value`, converted from text to the type of the option; raise ArgumentError if that fails."""
    if value is None or not isinstance(value, str) or "str" in annotation.replace("dict[str, str]", "dict"):
        return value
    try:
        if "bool" in annotation:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
                value.lower()
            ]
        if "float" in annotation:
            return float(value.removesuffix("s"))
        if "dict" in annotation:
            return {str(key): item for key, item in dict(json.loads(value)).items()}
        if "[int" in annotation:
            return tuple([int(part) for part in value.strip("()[] ").split(",") if part.strip()])
        if "int" in annotation:
            return int(value)
    except (KeyError, ValueError, TypeError):
        pass
    # The value is not shown: an option may hold a secret.
    raise ArgumentError(
        f"storage_options: {name} has the type {annotation}, and the given text cannot be converted to it"
    )
