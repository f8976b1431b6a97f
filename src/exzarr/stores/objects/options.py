"""Typed options of object stores, and the clients made from them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from exzarr.errors import ArgumentError, MissingDependencyError, UnsupportedError
from exzarr.stores.objects.errors import is_panic, scrubbed
from exzarr.stores.objects.web import Web

__all__ = [
    "AzureOptions",
    "GCSOptions",
    "HTTPOptions",
    "ObjectOptions",
    "S3Options",
    "connect",
    "environment_secrets",
    "import_obstore",
    "options_type",
]


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f<>\"{}|\\^`]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)


def _secret() -> Any:
    """Create a field that no repr shows."""
    return field(default=None, repr=False, metadata={"secret": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """Options that all object stores share. An option that is None comes from the environment or the client's default.

    Attributes
    ----------
    endpoint
        URL of the service, if it is not the provider's own (MinIO, R2, an emulator).
    anonymous
        Do not sign requests: for public data.
    allow_http
        Permit unencrypted ``http://``. Default: True if the endpoint, here or in the environment, is a ``http://`` URL.
    timeout, connect_timeout
        Timeout of a request, and of its connection, in seconds.
    """

    endpoint: str | None = None
    anonymous: bool = False
    allow_http: bool | None = None
    timeout: float = 60.0
    connect_timeout: float = 10.0

    def __post_init__(self) -> None:
        kind = type(self).__name__
        if self.endpoint is not None:
            _check_endpoint(self.endpoint, f"{kind}(endpoint=...)")
        for name in ("timeout", "connect_timeout"):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 1e8:
                raise ArgumentError(f"{kind}({name}=...) is a positive number of seconds, not {seconds!r}")
        for one in fields(self):
            # The value is not shown: it may be a secret.
            value = getattr(self, one.name)
            if one.type == "bool" and not isinstance(value, bool):
                raise ArgumentError(f"{kind}({one.name}=...) is True or False, not {type(value).__name__}")
            if isinstance(value, str) and _CONTROL.search(value):
                raise ArgumentError(f"{kind}({one.name}=...) holds a line break or another control character")

    def secrets(self) -> Iterator[str]:
        """Iterate over the values that no message may show."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.metadata.get("secret") and isinstance(value, str):
                yield value

    def client(self) -> dict[str, Any]:
        """Return obstore's `client_options`."""
        plain = self.allow_http
        if plain is None:
            plain = (self.endpoint or _endpoint_in(os.environ)).startswith("http://")
        return {
            "timeout": timedelta(seconds=self.timeout),
            "connect_timeout": timedelta(seconds=self.connect_timeout),
            **({"allow_http": True} if plain else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options(ObjectOptions):
    """Options of Amazon S3 and compatible services. Environment variables: ``AWS_*``.

    Attributes
    ----------
    region, access_key_id, secret_access_key, session_token
        Region and credentials, by Amazon's names.
    virtual_hosted
        The bucket is a part of the host name instead of the path.
    requester_pays
        Accept the charges for requests to a requester-pays bucket.
    """

    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = _secret()
    session_token: str | None = _secret()
    virtual_hosted: bool | None = None
    requester_pays: bool = False

    def __post_init__(self) -> None:
        ObjectOptions.__post_init__(self)
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise ArgumentError(
                f"S3Options(region={self.region!r}) is no name of a region: give one such as 'eu-central-1'"
            )

    def config(self) -> dict[str, Any]:
        """Return the options by obstore's names."""
        return {
            "endpoint": self.endpoint,
            "region": self.region,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
            "skip_signature": self.anonymous or None,
            "virtual_hosted_style_request": self.virtual_hosted,
            "request_payer": self.requester_pays or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GCSOptions(ObjectOptions):
    """Options of Google Cloud Storage. Environment variables: ``GOOGLE_*``.

    Attributes
    ----------
    service_account
        Path of a service account's key file.
    service_account_key
        Content of a key file.
    """

    service_account: str | None = None
    service_account_key: str | None = _secret()

    def config(self) -> dict[str, Any]:
        """Return the options by obstore's names."""
        return {
            "base_url": self.endpoint,
            "service_account": self.service_account,
            "service_account_key": self.service_account_key,
            "skip_signature": self.anonymous or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions(ObjectOptions):
    """Options of Azure Blob Storage. Environment variables: ``AZURE_*``.

    Attributes
    ----------
    account, account_key, sas_token, client_id, client_secret, tenant_id
        Account and credentials, by Azure's names.
    emulator
        Connect to Azurite on this machine.
    """

    account: str | None = None
    account_key: str | None = _secret()
    sas_token: str | None = _secret()
    client_id: str | None = None
    client_secret: str | None = _secret()
    tenant_id: str | None = None
    emulator: bool = False

    def config(self) -> dict[str, Any]:
        """Return the options by obstore's names."""
        return {
            "endpoint": self.endpoint,
            "account_name": self.account,
            "account_key": self.account_key,
            "sas_token": self.sas_token,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "tenant_id": self.tenant_id,
            "use_emulator": self.emulator or None,
            "skip_signature": self.anonymous or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPOptions(ObjectOptions):
    """Options of web servers, which are read-only unless you declare that they are `writable`.

    Attributes
    ----------
    headers
        Headers of every request, such as ``{"Authorization": "Bearer ..."}``.
    writable
        The server takes PUT and DELETE, and PUT with the conditions If-Match and If-None-Match, as ``exzarr serve --write``
        does. A server that ignores conditions is refused before the first partial write of a chunk.
    """

    headers: dict[str, str] | None = field(default=None, repr=False)
    writable: bool = False

    def __post_init__(self) -> None:
        ObjectOptions.__post_init__(self)
        for name, value in (self.headers or {}).items():
            if not _HEADER.fullmatch(name) or not isinstance(value, str) or _CONTROL.search(value):
                raise ArgumentError(
                    f"HTTPOptions(headers=...): {name!r} is no header, or its value is no text"
                )

    def secrets(self) -> Iterator[str]:
        yield from (self.headers or {}).values()

    def client(self) -> dict[str, Any]:
        options = ObjectOptions.client(self)
        return {**options, "default_headers": self.headers} if self.headers else options


def _endpoint_in(environ: Mapping[str, str]) -> str:
    """Return the endpoint in the environment; ``""`` if there is none."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_ENDPOINT")
    return next((environ[name] for name in names if environ.get(name)), "")


_SCHEMES: dict[str, type[ObjectOptions]] = {
    "s3": S3Options,
    "s3a": S3Options,
    "gs": GCSOptions,
    "gcs": GCSOptions,
    "az": AzureOptions,
    "azure": AzureOptions,
    "abfs": AzureOptions,
    "abfss": AzureOptions,
    "http": HTTPOptions,
    "https": HTTPOptions,
}
SCHEMES = frozenset(_SCHEMES)


def options_type(scheme: str) -> type[ObjectOptions]:
    """Return the type of the options that URLs of this scheme take."""
    return _SCHEMES[scheme]


def import_obstore() -> Any:
    """Import obstore, or raise MissingDependencyError."""
    try:
        import obstore
    except ImportError as error:
        raise MissingDependencyError("object stores need obstore: pip install 'exzarr[remote]'") from error
    return obstore


@dataclass(frozen=True, slots=True)
class Connection:
    """The client for a URL and options.

    Attributes
    ----------
    client
        Obstore's client.
    prefix
        The part of the URL after the bucket or host.
    root
        The URL of the bucket or host, without secrets.
    web
        For a web server: the client for what obstore cannot do.
    writable
        Whether the server takes writes.
    secrets
        Values that no message may show, in addition to the options' own.
    """

    client: Any
    prefix: str
    root: str
    web: Web | None = None
    writable: bool = True
    secrets: tuple[str, ...] = field(default=(), repr=False)


def connect(url: str, options: ObjectOptions | None, within: float | None = None) -> Connection:
    """Create the client for a URL, without a request. Limit the timeout of requests to `within` seconds."""
    import_obstore()
    from obstore import store as stores

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ArgumentError(f"{scrubbed(url)!r} is no URL ({error})") from None
    scheme = parts.scheme.lower()
    kind = _SCHEMES.get(scheme)
    if kind is None:
        raise UnsupportedError(
            f"no object store has {scheme}:// URLs; there are {', '.join(sorted(_SCHEMES))}"
        )
    options = kind() if options is None else options
    if not isinstance(options, kind):
        raise ArgumentError(f"{scheme}:// URLs take {kind.__name__}, not {type(options).__name__}")
    if not parts.netloc:
        raise ArgumentError(f"{scheme}://… names no bucket: it is {scheme}://bucket/path")
    if within is not None and within < options.timeout:
        options = replace(options, timeout=max(0.001, within))
    # Retries are made by the caller of the client, which reports them. The client itself makes none.
    retry = {"max_retries": 0, "retry_timeout": timedelta(seconds=options.timeout)}
    shared: dict[str, Any] = {"client_options": options.client(), "retry_config": retry}
    if isinstance(options, HTTPOptions):
        if parts.query or parts.fragment:
            raise ArgumentError("a https:// URL may not have a query: what it would apply to is not clear")
        user, at, host = parts.netloc.rpartition("@")
        secrets: tuple[str, ...] = ()
        if at:
            options, secrets = _with_user(options, user)
            shared["client_options"] = options.client()
        if scheme == "http":
            shared["client_options"]["allow_http"] = True
        root = f"{scheme}://{host}"
        _check_endpoint(root, "the URL")
        client = _create_client(stores.HTTPStore.from_url, root, options, shared)
        web = Web(root, options.headers or {}, options.timeout)
        return Connection(client, unquote(parts.path).strip("/"), root, web, options.writable, secrets)
    if _UNFIT.search(parts.netloc):
        raise ArgumentError(f"{scrubbed(parts.netloc)!r} is no name of a bucket")
    # In abfss://container@account.dfs.core.windows.net/path the account is a part of the host.
    bucket, at, host = parts.netloc.partition("@")
    config = {name: value for name, value in options.config().items() if value is not None}  # type: ignore[attr-defined]
    if at and isinstance(options, AzureOptions):
        config.setdefault("account_name", host.partition(".")[0])
    elif at:
        raise ArgumentError(f"{scheme}:// URLs take no user and no password: give {kind.__name__}")
    client_of = {S3Options: stores.S3Store, GCSOptions: stores.GCSStore, AzureOptions: stores.AzureStore}[
        kind
    ]
    # Keys may contain any character, including '?' and '#'.
    path = url.partition("://")[2].partition("/")[2]
    endpoint = "" if options.endpoint else _endpoint_in(os.environ)
    if endpoint:
        _check_endpoint(endpoint, "the endpoint in the environment")
    made = _create_client(client_of, bucket, options, {"config": config, **shared})
    return Connection(made, path.strip("/"), f"{scheme}://{bucket}")


def _with_user(options: HTTPOptions, user: str) -> tuple[HTTPOptions, tuple[str, ...]]:
    """Return options that send the ``user:password`` of a URL (RFC 7617), and its secrets."""
    headers = options.headers or {}
    if any(name.lower() == "authorization" for name in headers):
        raise ArgumentError(
            "the URL has a user, and HTTPOptions(headers=...) an Authorization header: give one of them"
        )
    name, _, password = user.partition(":")
    token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    made = replace(options, headers={**headers, "Authorization": f"Basic {token}"})
    return made, (token, password, unquote(password), quote(unquote(password), safe=""))


def _check_endpoint(endpoint: str, what: str) -> None:
    """Raise ArgumentError for an endpoint with which the client would panic or fail without a clear error."""
    shown = scrubbed(endpoint)
    advice = "it is a URL such as 'http://localhost:9000' or 'https://minio.example.org'"
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise ArgumentError(f"{what}: {shown!r} is no URL ({error}); {advice}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        lacks = "has no http:// or https://" if parts.scheme not in ("http", "https") else "names no host"
        raise ArgumentError(f"{what}: {shown!r} {lacks}; {advice}")
    if parts.query or parts.fragment or port == 0 or _UNFIT.search(endpoint):
        raise ArgumentError(
            f"{what}: {shown!r} may not have a query, a fragment, a blank, or the port 0; {advice}"
        )


def web_of(client: Any) -> Web | None:
    """Return the second client for obstore's HTTPStore, for responses that obstore cannot read; else None."""
    if type(client).__name__ != "HTTPStore":
        return None
    given = client.client_options or {}
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in (given.get("default_headers") or {}).items()
    }
    return Web(str(client.url), headers, ObjectOptions().timeout)


def check_absent(statuses: Collection[int]) -> tuple[int, ...]:
    """Return the statuses that mean "missing", or raise ArgumentError for a status that cannot."""
    found = (statuses,) if isinstance(statuses, int) else tuple(statuses)
    for status in found:
        if type(status) is not int or not 400 <= status < 500 or status in (408, 425, 429):
            raise ArgumentError(
                f"absent takes HTTP statuses that mean that an object is missing, such as 403; not {status!r}"
            )
    return found


def environment_secrets() -> Iterator[str]:
    """Iterate over the values of environment variables that hold credentials. No message may show them."""
    for name in _SECRET_VARIABLES:
        if value := os.environ.get(name):
            yield value


def _create_client(
    client_of: Callable[..., Any], where: str, options: ObjectOptions, more: dict[str, Any]
) -> Any:
    try:
        return client_of(where, **more)
    except BaseException as error:  # the options are invalid, even if obstore panics
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        secrets = [*options.secrets(), *environment_secrets()]
        detail = scrubbed(str(error).partition("\n\n")[0], secrets)
    # Outside of the `except` clause: the original error may contain secrets.
    raise ArgumentError(
        f"cannot connect to {where!r}: {detail}; give {type(options).__name__}, or set the environment"
    )
