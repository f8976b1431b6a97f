"""Web servers with unusual responses, with other statuses for missing keys, and unreachable ones."""

from __future__ import annotations

import logging
import pickle
import socket
import subprocess
import sys
import traceback
import urllib.request

import numpy as np
import pytest
import zarr

import exzarr
from exzarr import _retrying, telemetry
from exzarr._retrying import Retry
from exzarr.errors import (
    ArgumentError,
    ListingUnsupportedError,
    NodeNotFoundError,
    StoreError,
    UnreachableError,
)
from exzarr.stores import (
    AzureOptions,
    FsspecStore,
    GCSOptions,
    HTTPOptions,
    ObjectStore,
    RetryStore,
    S3Options,
)
from tests.faulty_proxy import faulty_proxy
from tests.web_servers import web_server

obstore = pytest.importorskip("obstore")
pytest.importorskip("aiohttp")

pytestmark = pytest.mark.slow

QUICK = Retry(attempts=6, wait_initial=0, wait_jitter=0)
VALUE = np.random.default_rng(0).bytes(5000)
STORES = {"obstore": ObjectStore, "fsspec": FsspecStore}


@pytest.fixture(params=sorted(STORES))
def make(request):
    return STORES[request.param]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("web")
    data = np.arange(400, dtype="i4").reshape(20, 20)
    for version in (2, 3):
        root = zarr.create_group(top / f"{version}.zarr", zarr_format=version)
        a = root.create_array("a", shape=(20, 20), chunks=(7, 20), dtype="i4", compressors=None, fill_value=9)
        a[:14] = data[:14]
    root.create_array("sharded", data=data, chunks=(5, 5), shards=(20, 20))
    (top / "value").write_bytes(VALUE)
    (top / "empty").write_bytes(b"")
    (top / "a b%41#?é").write_bytes(VALUE)
    return top


# -- what servers send ---------------------------------------------------------------------------------

PECULIAR = {
    "no Content-Length": {"chunked": True},
    "compressed": {"gzipped": True},
    "compressed, no Content-Length": {"gzipped": True, "chunked": True},
    "no size in Content-Range": {"total": "*"},
    "no size at all": {"total": "*", "chunked": True},
    "no ranges": {"ranges": False},
    "no HEAD": {"head": 405},
    "HEAD not implemented": {"head": 501},
    "neither HEAD nor size": {"head": 405, "total": "*", "chunked": True},
    "user and password": {"user": "me:p@ss/wo:rd"},
    "plain": {},
}


@pytest.fixture(params=sorted(PECULIAR))
def odd(request, folder):
    with web_server(folder, **PECULIAR[request.param]) as web:
        if web.user:
            web.url = web.url.replace("://", "://me:p%40ss%2Fwo%3Ard@")
        yield web


RANGES = [
    None, (0, None), (0, 10), (10, 20), (4990, 100), (4990, None), (-10, None), (-10, 3), (-9000, None), (5000, 10),
    (9000, 5), (7, 0), (0, 5000), (1, 4999),
]  # fmt: skip


@pytest.mark.parametrize("name", ["value", "a b%41#?é"])
def test_values_and_ranges_are_correct(odd, make, name):
    store = make(odd.url)
    for wanted in RANGES:
        start, length = wanted or (0, None)
        begin = max(0, 5000 + start) if start < 0 else min(start, 5000)
        expected = VALUE[begin:] if length is None else VALUE[begin : begin + length]
        assert bytes(store.get(name, wanted)) == expected, wanted
        found = store.fetch(name, wanted)
        assert (bytes(found.data), found.size) == (expected, 5000), wanted
    assert store.size(name) == 5000
    assert store.exists(name)
    assert store.get("absent") is None
    assert store.get("absent", (3, 4)) is None
    assert store.size("absent") is None
    assert store.open_value("absent") is None
    opened = store.open_value(name)
    assert opened.size == 5000
    part = bytearray(100)
    opened.read_into(memoryview(part), 300)
    assert part == VALUE[300:400]
    room = bytearray(6000)
    assert store.read_into(name, memoryview(room)) == 5000
    assert room[:5000] == VALUE


def test_empty_values_exist(odd, make):
    store = make(odd.url)
    assert bytes(store.get("empty")) == b""
    assert store.size("empty") == 0
    assert bytes(store.get("empty", (0, 5))) == b""
    assert bytes(store.get("empty", (-5, None))) == b""


def test_arrays_equal_those_that_zarr_python_wrote(odd, make, folder):
    for version in (2, 3):
        a = exzarr.open(make(f"{odd.url}/{version}.zarr/a"))
        expected = zarr.open_array(folder / f"{version}.zarr/a", mode="r")[...]
        assert (a[...] == expected).all()
        assert (a[3:5, 2:9] == expected[3:5, 2:9]).all()
        assert a.nchunks_initialized == 2
        assert exzarr.check(a, deep=True).codes == ("EXZ405",)
    sharded = exzarr.open(make(f"{odd.url}/3.zarr/sharded"))
    expected = zarr.open_array(folder / "3.zarr/sharded", mode="r")[...]
    assert (sharded[...] == expected).all()
    assert (sharded[6:8, 3:4] == expected[6:8, 3:4]).all()
    assert sharded.nchunks_initialized == 16


def test_obstore_stores_read_unusual_servers(folder):
    with web_server(folder, chunked=True, user="me:hush") as web:
        headers = {"authorization": "Basic bWU6aHVzaA=="}
        theirs = obstore.store.HTTPStore.from_url(
            web.url, client_options={"allow_http": True, "default_headers": headers}
        )
        assert bytes(ObjectStore(theirs).get("value", (3, 9))) == VALUE[3:12]


def test_compressed_bodies_are_limited_and_must_be_complete(folder):
    with web_server(folder, gzipped=True) as web:
        from exzarr.stores.objects import web as module

        with pytest.raises(module.WebError, match="cut short"):
            module.decoded(__import__("gzip").compress(VALUE)[:-20], {"Content-Encoding": "gzip"})
        with pytest.raises(module.WebError, match="by 'br'"):
            module.decoded(b"x", {"Content-Encoding": "br"})
        with pytest.raises(module.WebError, match="cannot be decoded"):
            module.decoded(b"no gzip at all", {"Content-Encoding": "gzip"})
        assert bytes(ObjectStore(web.url).get("value")) == VALUE


def test_user_of_a_url_is_sent_but_never_shown(folder, make):
    with web_server(folder, user="me:hush") as web:
        url = web.url.replace("://", "://me:hush@")
        store = make(url)
        again = pickle.loads(pickle.dumps(store))
        assert bytes(again.get("value")) == VALUE
        assert exzarr.open(url + "/3.zarr/a").shape == (20, 20)
        texts = [repr(store), str(store), store.url]
        for wrong in (make(web.url), make(web.url.replace("://", "://me:hushhush@"))):
            with pytest.raises(StoreError) as caught:
                wrong.get("value")
            texts.append("".join(traceback.format_exception(caught.value)))
        web.absent = 500
        with pytest.raises(StoreError) as caught:
            (ObjectStore(url, retry=QUICK) if make is ObjectStore else make(url)).get("absent")
        texts.append("".join(traceback.format_exception(caught.value)))
    for text in texts:
        assert "hush" not in text
        assert "bWU6aHVza" not in text  # me:hush in base64
    with pytest.raises(ArgumentError, match="one of them") as refused:
        ObjectStore("https://me:hush@host/x", options=HTTPOptions(headers={"authorization": "Bearer x"}))
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("chunked", [False, True])
def test_credentials_do_not_follow_a_redirect_to_another_host(folder, chunked):
    with web_server(folder, chunked=chunked) as other, web_server(folder) as web:
        web.redirect = other.url.replace("127.0.0.1", "localhost")
        store = ObjectStore(web.url.replace("://", "://me:hush@"))
        assert bytes(store.get("value")) == VALUE
        assert "authorization" in web.headers
        assert "authorization" not in other.headers


# -- what is not there -----------------------------------------------------------------------------------


@pytest.mark.parametrize("propfind", [404, 405, 501, 403])
@pytest.mark.parametrize("status", [404, 410])
def test_missing_path_is_no_node(folder, make, propfind, status):
    with web_server(folder, absent=status, propfind=propfind) as web:
        for path in ("", "/nothing", "/nothing/below.zarr"):
            for opened in (exzarr.open, exzarr.open_group, exzarr.open_array):
                with pytest.raises(NodeNotFoundError) as caught:
                    opened(make(web.url + path))
                assert "<" not in str(caught.value)
                assert "would create" not in str(caught.value) or make is FsspecStore
        assert "a" in exzarr.open(make(f"{web.url}/3.zarr"))
        assert "b" not in exzarr.open(make(f"{web.url}/3.zarr"))


def test_error_names_the_option_absent(folder, make):
    with web_server(folder, absent=403) as web:
        url = f"{web.url}/3.zarr"
        for act in (
            lambda: exzarr.open(make(f"{web.url}/nothing")),
            lambda: exzarr.open(make(url))["a"][...],
            lambda: make(url).size("nothing"),
            lambda: make(url).get("nothing", (0, 4)),
        ):
            with pytest.raises(StoreError, match=r"absent=\(403,\)") as caught:
                act()
            assert "<" not in str(caught.value)
        store = make(url, absent=(403,))
        assert store.absent == pickle.loads(pickle.dumps(store)).absent == (403,)
        expected = zarr.open_array(folder / "3.zarr/a", mode="r")[...]
        assert (exzarr.open(store)["a"][...] == expected).all()
        assert exzarr.open(store)["a"].nchunks_initialized == 2
        assert store.get("nothing") is store.get("nothing", (1, 2)) is store.size("nothing") is None
        with pytest.raises(NodeNotFoundError):
            exzarr.open(make(f"{web.url}/nothing", absent=(403,)))
        web.absent = 401
        with pytest.raises(StoreError):
            store.get("nothing")


def test_only_some_statuses_can_mean_absent(make):
    for wrong in ((200,), (500,), (429,), (408,), "403", (403.0,), (True,)):
        with pytest.raises(ArgumentError, match="absent"):
            make("http://localhost", absent=wrong)


def test_denied_objects_are_missing_with_option_absent(s3_server):
    store = s3_server.store("x")
    a = exzarr.create_array(store, shape=(4,), chunks=(2,), dtype="i4", fill_value=5)
    a[:2] = 1
    with faulty_proxy(s3_server.endpoint) as proxy:
        proxy.deny = "c/1"
        options = s3_server.options(endpoint=proxy.endpoint)
        with pytest.raises(StoreError, match=r"absent=\(403,\)"):
            exzarr.open(ObjectStore(store.url, options=options), mode="r")[...]
        lenient = ObjectStore(store.url, options=options, absent=(403,))
        assert exzarr.open(lenient, mode="r")[...].tolist() == [1, 1, 5, 5]
        with pytest.raises(StoreError, match="access was denied"):
            lenient.put("c/1", b"")  # only reading is lenient


def test_nothing_is_deleted_if_the_bucket_denies_listing(s3_server):
    store = s3_server.store("x")
    root = exzarr.create_group(store)
    root.create_array("a", data=np.arange(4), chunks=2)
    with faulty_proxy(s3_server.endpoint) as proxy:
        proxy.deny = "list-type"
        through = ObjectStore(store.url, options=s3_server.options(endpoint=proxy.endpoint))
        for act in (
            lambda: exzarr.open(through).__delitem__("a"),
            lambda: exzarr.create_array(through, name="a", data=np.arange(3), overwrite=True),
            lambda: exzarr.open(through).move("a", "b"),
        ):
            with pytest.raises(ListingUnsupportedError):
                act()
    assert exzarr.open(store)["a"][...].tolist() == [0, 1, 2, 3]
    assert [*exzarr.open(store)] == ["a"]


@pytest.mark.parametrize("status", [500, 503, 405, 418])
def test_failing_server_is_not_treated_as_empty(folder, make, status):
    with web_server(folder, absent=status) as web:
        store = ObjectStore(web.url, retry=QUICK) if make is ObjectStore else make(web.url)
        for act in (
            lambda: store.get("nothing"),
            lambda: store.size("nothing"),
            lambda: store.get("nothing", (1, 2)),
        ):
            with pytest.raises(StoreError) as caught:
                act()
            assert "<" not in str(caught.value)


# -- options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    ["localhost:9000", "localhost", "", "http://", "ftp://host", "http://a b", "http://h:99999", "http://h:x", "//h",
     "http://h?x=1", "http://h/#f", "http://h\n", "http://h/<a>", "https://:80"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [S3Options, GCSOptions, AzureOptions])
def test_invalid_endpoints_raise(kind, endpoint):
    with pytest.raises(ArgumentError, match=f"{kind.__name__}.*endpoint.*http"):
        kind(endpoint=endpoint)


def test_endpoints_of_the_environment_are_checked(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    with pytest.raises(ArgumentError, match="environment.*localhost:9000.*http"):
        ObjectStore("s3://bucket/x", options=S3Options(region="us-east-1", anonymous=True))


def test_other_options_are_checked():
    for make, words in (
        (lambda: S3Options(region="a b"), "region"),
        (lambda: S3Options(region=""), "region"),
        (lambda: S3Options(secret_access_key="hu\nsh"), "secret_access_key"),
        (lambda: S3Options(timeout=0), "timeout"),
        (lambda: S3Options(connect_timeout=float("nan")), "connect_timeout"),
        (lambda: AzureOptions(timeout="3"), "timeout"),
        (lambda: HTTPOptions(headers={"a b": "c"}), "header"),
        (lambda: HTTPOptions(writable="false"), "writable=...\\) is True or False, not str"),
        (lambda: HTTPOptions(headers={"a": "hush\r\nx: y"}), "header"),
        (lambda: ObjectStore("http://host:99999/x"), "99999"),
        (lambda: exzarr.open("http://[::1/x"), "no URL"),
        (lambda: ObjectStore("s3://[b/x"), "no URL"),
        (lambda: ObjectStore("s3://a b/x", options=S3Options(region="us-east-1")), "bucket"),
    ):
        with pytest.raises(ArgumentError, match=words) as caught:
            make()
        assert "hush" not in str(caught.value)
        assert "hu\nsh" not in str(caught.value)


def test_panics_of_obstore_raise_store_errors():
    client = obstore.store.S3Store(
        "bucket",
        config={
            "endpoint": "localhost:9000",
            "access_key_id": "a",
            "secret_access_key": "hush",
            "region": "us-east-1",
        },
    )
    store = ObjectStore(client, retry=QUICK)
    for act in (
        lambda: store.get("k"),
        lambda: store.size("k"),
        lambda: store.put("k", b""),
        lambda: store.put_if_absent("k", b""),
        lambda: store.delete("k"),
        lambda: [*store.list()],
        lambda: store.list_dir(),
        lambda: exzarr.open(store),
    ):
        with pytest.raises(StoreError, match="internal error") as caught:
            act()
        assert "hush" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None


# -- what cannot be reached --------------------------------------------------------------------------------


@pytest.fixture
def dead():
    """Return a URL whose port has no server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("host", ["refused", "unknown"])
def test_unreachable_hosts_get_two_attempts(dead, make, host):
    url = dead if host == "refused" else "http://no-such-host.invalid"
    words = "refuses connections|Connect" if host == "refused" else "unknown|not known"
    tried = []
    place = f"{url}/x.zarr" if make is ObjectStore else make(f"{url}/x.zarr")
    with telemetry.listening(tried.append), pytest.raises(UnreachableError, match=words):
        exzarr.open(place)
    retried = [event for event in tried if isinstance(event, telemetry.Retried)]
    assert len(retried) == (1 if make is ObjectStore else 0)
    with pytest.raises(UnreachableError):
        make(url).size("k")
    assert _retrying.is_transient(UnreachableError("no"))


def test_unreachable_endpoints_get_two_attempts(dead):
    store = ObjectStore("s3://bucket/x", options=S3Options(endpoint=dead, region="us-east-1", anonymous=True))
    for act in (lambda: store.get("k"), lambda: store.put("k", b""), lambda: [*store.list()]):
        with pytest.raises(UnreachableError, match="2 times"):
            act()
    with pytest.raises(UnreachableError, match="5 times"):
        ObjectStore(store.url, options=S3Options(endpoint=dead, region="us-east-1", anonymous=True),
                    retry=Retry(attempts=9, wait_initial=0, wait_jitter=0, unreachable=5)).get("k")  # fmt: skip


def test_streams_use_the_given_number_of_retries():
    assert Retry(attempts=9).next_wait(UnreachableError("no"), 2, 0) is None
    assert Retry(attempts=9).next_wait(StoreError("no"), 2, 0) is not None
    assert Retry(attempts=9, unreachable=3).next_wait(UnreachableError("no"), 2, 0) is not None
    assert Retry(attempts=2, unreachable=3).next_wait(UnreachableError("no"), 2, 0) is None
    with pytest.raises(ArgumentError, match="unreachable"):
        Retry(attempts=2, unreachable=0)


def test_retries_longer_than_a_second_are_logged(monkeypatch, caplog, folder):
    monkeypatch.setattr(_retrying, "_warned", -9.0)
    errors = [StoreError("at https://host: try later")] * 6
    waits = []
    monkeypatch.setattr(_retrying, "pause", lambda wait, stop: waits.append(wait))

    def fail():
        if errors:
            raise errors.pop()

    with caplog.at_level(logging.WARNING, "exzarr.retry"):
        Retry(attempts=9, wait_initial=0.1, wait_exp_base=3, wait_jitter=0).call(fail)
    assert max(waits) > 1
    (record,) = [
        r for r in caplog.records if r.name == "exzarr.retry"
    ]  # one record, not one for each attempt
    assert "try later" in record.getMessage()
    assert "attempt 4 failed" in record.getMessage()
    caplog.clear()
    monkeypatch.setattr(_retrying, "_warned", -9.0)
    errors[:] = [StoreError("x")]
    Retry(attempts=2, wait_initial=0, wait_jitter=0).call(fail)
    assert not caplog.records


def test_commands_report_retries_on_stderr(folder):
    with web_server(folder, absent=503) as web:
        command = [sys.executable, "-m", "exzarr", "info", f"{web.url}/nothing"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = running.stderr.readline()
        finally:
            running.kill()
            running.communicate()
    assert "attempt" in line
    assert "503" in line
    assert "<" not in line


def test_retry_wrapper_keeps_the_error_type(dead):
    store = RetryStore(ObjectStore(dead), Retry(attempts=5, wait_initial=0, wait_jitter=0))
    with pytest.raises(UnreachableError):
        store.get("k")


def test_test_server_works(folder):
    """The other tests rely on it."""
    with web_server(folder) as web, urllib.request.urlopen(f"{web.url}/value") as response:
        assert response.read() == VALUE
