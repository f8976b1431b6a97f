"""How to get at an object store: typed options, and the client that they make."""

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
    """A field that no repr shows."""
    return field(default=None, repr=False, metadata={"secret": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """What all object stores share. What is None comes from the environment, or is the client's default.

    Attributes
    ----------
    endpoint
        URL of the service, where it isn't the provider's own (MinIO, R2, an emulator).
    anonymous
        Sign no request: public data.
    allow_http
        Permit ``http://``, unencrypted. Default: where the endpoint, here or in the environment, is a ``http://`` URL.
    timeout, connect_timeout
        Seconds that a request, and its connection, may take.
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
            if isinstance(value, str) and _CONTROL.search(value):
                raise ArgumentError(f"{kind}({one.name}=...) holds a line break or another control character")

    def secrets(self) -> Iterator[str]:
        """Values that no message may show."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.metadata.get("secret") and isinstance(value, str):
                yield value

    def client(self) -> dict[str, Any]:
        """Obstore's `client_options`."""
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
    """Amazon S3 and what speaks its language. The environment's variables are ``AWS_*``.

    Attributes
    ----------
    region, access_key_id, secret_access_key, session_token
        As Amazon names them.
    virtual_hosted
        The bucket is part of the host's name, and not of the path.
    requester_pays
        Whoever asks pays.
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
                f"S3Options(region={self.region!r}) is no name of a region: it is one like 'eu-central-1'"
            )

    def config(self) -> dict[str, Any]:
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
    """Google Cloud Storage. The environment's variables are ``GOOGLE_*``.

    Attributes
    ----------
    service_account
        Path of a service account's key file.
    service_account_key
        What stands in it.
    """

    service_account: str | None = None
    service_account_key: str | None = _secret()

    def config(self) -> dict[str, Any]:
        return {
            "base_url": self.endpoint,
            "service_account": self.service_account,
            "service_account_key": self.service_account_key,
            "skip_signature": self.anonymous or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions(ObjectOptions):
    """Azure Blob Storage. The environment's variables are ``AZURE_*``.

    Attributes
    ----------
    account, account_key, sas_token, client_id, client_secret, tenant_id
        As Azure names them.
    emulator
        Azurite, on this machine.
    """

    account: str | None = None
    account_key: str | None = _secret()
    sas_token: str | None = _secret()
    client_id: str | None = None
    client_secret: str | None = _secret()
    tenant_id: str | None = None
    emulator: bool = False

    def config(self) -> dict[str, Any]:
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
    """Any web server, for reading.

    Attributes
    ----------
    headers
        Sent with every request, such as ``{"Authorization": "Bearer ..."}``.
    """

    headers: dict[str, str] | None = field(default=None, repr=False)

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
    """Whoever names an endpoint by ``http://`` means it."""
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
    """The options that URLs of this scheme take."""
    return _SCHEMES[scheme]


def import_obstore() -> Any:
    """The module obstore."""
    try:
        import obstore
    except ImportError as error:
        raise MissingDependencyError("object stores need obstore: pip install 'exzarr[remote]'") from error
    return obstore


@dataclass(frozen=True, slots=True)
class Connection:
    """What a URL and options come to.

    Attributes
    ----------
    client
        Obstore's.
    prefix
        What follows the bucket, or the host, in the URL.
    root
        The bucket or host, as it may be shown.
    web
        Of a web server: the client for what obstore does not read.
    secrets
        What no message may show, beside the options'.
    """

    client: Any
    prefix: str
    root: str
    web: Web | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def connect(url: str, options: ObjectOptions | None, within: float | None = None) -> Connection:
    """Connect to what a URL names; no request is made. None takes longer than `within` seconds."""
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
    # Whoever uses the client tries again: there it can be told of, and once is enough.
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
        client = _made(stores.HTTPStore.from_url, root, options, shared)
        web = Web(root, options.headers or {}, options.timeout)
        return Connection(client, unquote(parts.path).strip("/"), root, web, secrets)
    if _UNFIT.search(parts.netloc):
        raise ArgumentError(f"{scrubbed(parts.netloc)!r} is no name of a bucket")
    # In abfss://container@account.dfs.core.windows.net/path the account stands in the host.
    bucket, at, host = parts.netloc.partition("@")
    config = {name: value for name, value in options.config().items() if value is not None}  # type: ignore[attr-defined]
    if at and isinstance(options, AzureOptions):
        config.setdefault("account_name", host.partition(".")[0])
    elif at:
        raise ArgumentError(f"{scheme}:// URLs hold no user and no password: give {kind.__name__}")
    client_of = {S3Options: stores.S3Store, GCSOptions: stores.GCSStore, AzureOptions: stores.AzureStore}[
        kind
    ]
    # Keys may hold any character, and '?' and '#' too.
    path = url.partition("://")[2].partition("/")[2]
    endpoint = "" if options.endpoint else _endpoint_in(os.environ)
    if endpoint:
        _check_endpoint(endpoint, "the endpoint in the environment")
    made = _made(client_of, bucket, options, {"config": config, **shared})
    return Connection(made, path.strip("/"), f"{scheme}://{bucket}")


def _with_user(options: HTTPOptions, user: str) -> tuple[HTTPOptions, tuple[str, ...]]:
    """Options that send the ``user:password`` of a URL (RFC 7617), and what of it is secret."""
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
    """ArgumentError where the client would fail in odd ways, or panic."""
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
    """For one of obstore's own stores of a web server: the client for what that does not read."""
    if type(client).__name__ != "HTTPStore":
        return None
    given = client.client_options or {}
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in (given.get("default_headers") or {}).items()
    }
    return Web(str(client.url), headers, ObjectOptions().timeout)


def check_absent(statuses: Collection[int]) -> tuple[int, ...]:
    """Statuses that are to mean "not there"; ArgumentError for those that cannot."""
    found = (statuses,) if isinstance(statuses, int) else tuple(statuses)
    for status in found:
        if type(status) is not int or not 400 <= status < 500 or status in (408, 425, 429):
            raise ArgumentError(
                f"absent holds statuses by which a server says that an object is not there, such as 403; not {status!r}"
            )
    return found


def environment_secrets() -> Iterator[str]:
    """Values of environment variables that the clients take credentials from: no message may show them, either."""
    for name in _SECRET_VARIABLES:
        if value := os.environ.get(name):
            yield value


def _made(client_of: Callable[..., Any], where: str, options: ObjectOptions, more: dict[str, Any]) -> Any:
    try:
        return client_of(where, **more)
    except BaseException as error:  # options are what was wrong, also where obstore panics
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        secrets = [*options.secrets(), *environment_secrets()]
        said = scrubbed(str(error).partition("\n\n")[0], secrets)
    # Outside of the clause: the original may show what is secret.
    raise ArgumentError(
        f"cannot connect to {where!r}: {said}; give {type(options).__name__}, or set the environment"
    )
