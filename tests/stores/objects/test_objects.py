"""Object stores: requests, conditions, errors and secrets."""

from __future__ import annotations

import logging
import os
import pickle
import random
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import exzarr
from exzarr import telemetry
from exzarr._retrying import Retry, is_transient
from exzarr.errors import ArgumentError, ChangedError, InvalidKeyError, ReadOnlyError, StoreError
from exzarr.stores import AzureOptions, GCSOptions, HTTPOptions, ObjectStore, S3Options, resolve_store
from exzarr.stores.objects.errors import scrubbed, store_error
from tests.faulty_proxy import faulty_proxy
from tests.object_servers import KEY_ID, OPEN, S3_PAGE, SECRET

obstore = pytest.importorskip("obstore")

QUICK = Retry(attempts=6, wait_initial=0, wait_jitter=0)


@pytest.fixture(scope="module")
def proxy(s3_server):
    with faulty_proxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def through(s3_server, proxy):
    """Return the store through the proxy, and the store itself."""
    straight = s3_server.store("some/path")
    proxy.plan.clear()
    store = ObjectStore(straight.url, options=s3_server.options(endpoint=proxy.endpoint), retry=QUICK)
    proxy.seen.clear()
    return store, straight


# -- requests --------------------------------------------------------------------------------------


def test_each_method_is_one_request(proxy, through):
    store, _ = through
    value = bytes(range(256)) * 1000
    for act in (
        lambda: store.put("a/k", value),
        lambda: store.get("a/k"),
        lambda: store.get("a/k", (5, 10)),
        lambda: store.get("a/k", (-5, None)),
        lambda: store.get("absent"),
        lambda: store.get("absent", (-5, None)),
        lambda: store.read_into("a/k", memoryview(bytearray(len(value)))),
        lambda: store.fetch("a/k", (0, 4)),
        lambda: store.fetch("a/k", (0, 0)),
        lambda: store.size("a/k"),
        lambda: store.open_value("a/k"),
        lambda: store.put_if_absent("new", b"1"),
        lambda: [*store.list()],
        lambda: store.list_dir("a"),
        lambda: store.delete("new"),
    ):
        proxy.seen.clear()
        act()
        assert len(proxy.seen) == 1, proxy.seen
    proxy.seen.clear()
    store.update("a/k", lambda value: [b"1"])
    assert len(proxy.seen) == 2


def test_open_value_reads_the_last_bytes(proxy, through):
    store, _ = through
    value = random.Random(0).randbytes(300_000)
    store.put("k", value)
    proxy.seen.clear()
    opened = store.open_value("k")
    assert opened.size == 300_000
    part = bytearray(1000)
    opened.read_into(memoryview(part), 299_000)
    assert part == value[299_000:]
    assert len(proxy.seen) == 1
    opened.read_into(memoryview(part), 5)
    assert part == value[5:1005]
    assert len(proxy.seen) == 2


def test_opened_value_never_mixes_old_and_new_parts(s3_server):
    store = s3_server.store()
    store.put("k", bytes(200_000))
    opened = store.open_value("k")
    version = store.fetch("k", (0, 0)).version
    store.put("k", b"1" * 200_000)
    with pytest.raises(ChangedError, match="'k'"):
        opened.read_into(memoryview(bytearray(10)), 0)
    with pytest.raises(ChangedError):
        store.fetch("k", (0, 5), version)
    with pytest.raises(ChangedError):
        store.fetch("k", None, version)
    store.delete("k")
    with pytest.raises(ChangedError):
        store.fetch("k", (0, 5), version)


def test_more_keys_than_five_pages_are_listed_streamed_and_checked(s3_server):
    many = 5 * S3_PAGE + 50
    store = s3_server.store("p")
    a = exzarr.create_array(store, name="a", shape=many, chunks=1, dtype="u1", compressors=None)
    with exzarr.config.override(requests=8):  # the server is one process
        a[...] = np.arange(many) % 250 + 1
    keys = [f"a/c/{i}" for i in range(many)]
    assert sorted(store.list("a")) == sorted([*keys, "a/zarr.json"])
    assert len(store.list_dir("a/c")[0]) == many
    assert store.list_dir("a") == (["zarr.json"], ["c"])
    assert a.nchunks_initialized == many
    report = exzarr.check(store)
    assert (report.chunks, [*report.findings]) == (many, [])
    assert [int(chunk.data[0]) for chunk in a.chunk_stream()] == [i % 250 + 1 for i in range(many)]
    store.delete_prefix("a")
    assert not [key for key in store.list() if key.startswith("a/")]


# -- conditions ------------------------------------------------------------------------------------


def test_update_retries_after_a_concurrent_change(s3_server):
    store = s3_server.store()
    other = pickle.loads(pickle.dumps(store))
    store.put("k", b"a")
    seen = []

    def change(value):
        old = bytearray(value.size)
        value.read_into(memoryview(old), 0)
        seen.append(bytes(old))
        if len(seen) == 1:
            other.put("k", b"b")
        return [old, b"!"]

    store.update("k", change)
    assert seen == [b"a", b"b"]
    assert store.get("k") == b"b!"

    def make(value):
        seen.append(None if value is None else value.size)
        if len(seen) == 3:
            other.put("new", b"theirs")
        return [b"mine"]

    store.update("new", make)
    assert seen[2:] == [None, 6]


@pytest.mark.parametrize("present", [True, False])
def test_conditional_put_recognizes_itself_after_a_lost_response(proxy, through, present):
    store, straight = through
    if present:
        straight.put("k", b"old")
    calls = []

    def change(value):
        calls.append(value)
        return [b"new"]

    proxy.plan[:] = ["", "lost"]
    store.update("k", change)
    assert len(calls) == 1
    assert straight.get("k") == b"new"
    proxy.plan[:] = ["lost"]
    assert store.put_if_absent("new", b"mine") is True
    proxy.plan[:] = ["lost"]
    assert store.put_if_absent("new", b"mine") is False, "another writer stored the same bytes"


def test_without_conditional_put_an_update_requires_single_writer(tmp_path):
    folder = obstore.store.LocalStore(tmp_path, mkdir=True)
    a = exzarr.create_array(ObjectStore(folder), shape=(8,), chunks=(4,), dtype="i4")
    a[:4] = 1
    with pytest.raises(StoreError, match="single_writer=True"):
        a[1] = 2
    assert a[:4].tolist() == [1, 1, 1, 1]
    b = exzarr.open(ObjectStore(folder, single_writer=True), mode="r+")
    b[1] = 2
    assert a[:4].tolist() == [1, 2, 1, 1]


def test_empty_chunk_is_not_deleted_during_a_concurrent_write(s3_server):
    store = s3_server.store()
    a = exzarr.create_array(store, name="plain", shape=(8,), chunks=(4,), dtype="i4")
    b = exzarr.create_array(store, name="sharded", shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
    for array in (a, b):
        array[...] = 1
        array[0] = 0
        array[1:4] = 0  # nothing but the fill value, by a partial write
        assert array[...].tolist() == [0] * 4 + [1] * 4
        assert store.exists(f"{array.path}/c/0")
        array[0:4] = 0  # the whole chunk
        assert not store.exists(f"{array.path}/c/0")


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [[503], [429, 500], ["reset"], ["cut"], [503, "reset", "cut"]], ids=str)
def test_transient_errors_are_retried(proxy, through, faults):
    store, straight = through
    value = random.Random(0).randbytes(100_000)
    straight.put("a/k", value)
    for act, expected in (
        (lambda: bytes(store.get("a/k")), value),
        (lambda: bytes(store.get("a/k", (10, 50_000))), value[10:50_010]),
        (lambda: store.size("a/k"), len(value)),
        (lambda: [*store.list()], ["a/k"]),
        (lambda: store.put("a/k", value), None),
        (lambda: store.delete("other"), None),
    ):
        proxy.plan[:] = faults
        assert act() == expected
    assert straight.get("a/k") == value


def test_interrupted_listing_resumes(s3_server, proxy, through):
    store, straight = through
    keys = [f"{i:05}" for i in range(2 * S3_PAGE + 20)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda key: straight.put(key, b""), keys)]
    proxy.plan[:] = ["", "", "reset", 503, "cut"]
    assert [*store.list()] == keys
    assert not proxy.plan


def test_the_last_error_names_bucket_key_attempts_and_cause(proxy, through):
    store, _ = through
    proxy.plan[:] = [503] * 6
    with pytest.raises(
        StoreError, match=r"key 'a/c/0' in s3://bucket.*/some/path failed 6 times.*503 SlowDown"
    ):
        store.get("a/c/0")
    assert not proxy.plan


@pytest.mark.parametrize("status", [400, 403, 401, 404, 501])
def test_permanent_errors_are_not_retried(proxy, through, status):
    store, _ = through
    proxy.plan[:] = [status] * 4
    if status == 404:
        assert store.get("k") is None
    else:
        with pytest.raises(StoreError) as caught:
            store.get("k")
        assert not is_transient(caught.value)
        proxy.plan[:] = [status] * 4
        with pytest.raises(ReadOnlyError if status in (401, 403) else StoreError):
            store.put("k", b"1")
    assert len(proxy.plan) == 3


def test_missing_bucket_raises(s3_server):
    store = ObjectStore("s3://no-such-bucket/x", options=s3_server.options())
    for act in (
        lambda: store.get("k"),
        lambda: store.get("k", (0, 1)),
        lambda: store.put("k", b""),
        lambda: [*store.list()],
        lambda: store.open_value("k"),
    ):
        with pytest.raises(StoreError, match="no such bucket"):
            act()


def test_invalid_object_keys_raise(s3_server):
    store = s3_server.store()
    for key in ("a\nb", "\x01", "../x"):
        with pytest.raises(InvalidKeyError):
            store.put(key, b"")
    with pytest.raises(TypeError):
        store.put("k", "/etc/passwd")
    assert [*store.list()] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_raises_instead_of_hanging(s3_server):
    """Also with a new store: all clients share obstore's threads, which are not restarted."""
    store = s3_server.store()
    store.put("k", b"1")
    child = os.fork()
    if not child:
        refused = 0
        try:
            for one in (store, ObjectStore(store.url, options=s3_server.options())):
                try:
                    one.get("k")
                except StoreError as error:
                    refused += "spawn" in str(error)
        finally:
            os._exit(0 if refused == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get("k") == b"1"


FORK = f"""
{OPEN}
import os
store = open_store()
for _ in range(2):
    child = os.fork()
    if not child:
        store.put("k", b"child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print(bytes(store.get("k")))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_children_of_a_process_that_has_only_opened_a_store_can_use_it(s3_server, run_python):
    store = s3_server.store()
    done = run_python(FORK, s3_server.describe(store))
    assert (done.stdout, done.returncode) == ("b'child'\n", 0), done.stderr


# -- what stays secret -----------------------------------------------------------------------------


def test_secrets_are_in_no_repr_no_error_no_log_and_no_event(s3_server, proxy, caplog):
    options = s3_server.options(session_token="TOKENTOKEN")
    store = ObjectStore("s3://nowhere/x", options=options, retry=QUICK)
    dead = ObjectStore(
        "s3://nowhere/x", options=s3_server.options(endpoint="http://127.0.0.1:1"), retry=QUICK
    )
    denied = ObjectStore("s3://nowhere/x", options=s3_server.options(endpoint=proxy.endpoint), retry=QUICK)
    texts = [repr(options), repr(store), str(store), store.url, repr(store.as_read_only())]
    with caplog.at_level(logging.DEBUG), telemetry.listening(lambda event: texts.append(repr(event))):
        for one in (store, dead, denied):
            proxy.plan[:] = [403] * 9
            for act in (
                ObjectStore.get,
                lambda one, key: one.put(key, b"1"),
                lambda one, _: exzarr.open(one),
            ):
                with pytest.raises(Exception) as caught:
                    act()
                texts.append("".join(traceback.format_exception(caught.value)))
    for text in [*texts, caplog.text]:
        assert SECRET not in text
        assert "TOKENTOKEN" not in text
        assert "Signature" not in text
    for made in (
        AzureOptions(account="me", account_key="c2VjcmV0", sas_token="sig=hush", client_secret="hush"),
        GCSOptions(service_account_key="hush"),
        HTTPOptions(headers={"Authorization": "hush"}),
    ):
        assert "hush" not in repr(made)
        assert "c2VjcmV0" not in repr(made)
        assert "hush" in [*made.secrets()]


class _Indiscreet(BaseHTTPRequestHandler):
    """Server whose error contains a secret."""

    def do_GET(self) -> None:
        body = f"<Error><Code>AccessDenied</Code><Message>not with {SECRET}</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_secrets_of_the_environment_are_in_no_error(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Indiscreet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        options = S3Options(endpoint=endpoint, region="us-east-1", access_key_id="me")
        with pytest.raises(StoreError, match=r"not with \*\*\*") as caught:
            ObjectStore("s3://bucket/x", options=options, retry=QUICK).get("key")
        assert SECRET not in "".join(traceback.format_exception(caught.value))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_signatures_in_urls_are_removed_from_messages():
    text = "error for https://user:pw@acc.blob.core.windows.net/c/k?sv=2022&sig=AbC%2F1 (timed out), sent abc"
    assert (
        scrubbed(text, ["abc", ""])
        == "error for https://***@acc.blob.core.windows.net/c/k?*** (timed out), sent ***"
    )

    class GenericError(Exception):
        pass

    error = GenericError(
        "Error performing GET http://h/b/k?X-Amz-Signature=1 - Server returned non-2xx status code: 403 Forbidden: "
        f"<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message><StringToSign>{SECRET}</StringToSign>"
    )
    made = store_error(error, "s3://b", "get", "k")
    assert str(made) == (
        "cannot get key 'k' in s3://b: access was denied (403 SignatureDoesNotMatch: No.); "
        "check the credentials, and what they permit"
    )
    assert made.__cause__ is made.__context__ is None


# -- how to get there ------------------------------------------------------------------------------


def test_urls_lead_to_stores(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    url = f"s3://{s3_server.make_bucket()}/a b/cube?#.zarr"
    data = np.arange(12).reshape(3, 4)
    exzarr.create_array(url, data=data, chunks=(2, 2))
    assert (exzarr.open(url)[...] == data).all()
    assert exzarr.open(url).store.url == url
    assert exzarr.open(url, mode="r").read_only
    again = pickle.loads(pickle.dumps(exzarr.open(url)))
    assert (again[1:] == data[1:]).all()


@pytest.mark.parametrize(
    ("url", "shown", "prefix"),
    [
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/a/b/", "s3://bucket/a/b", "a/b"),
        ("gs://bucket/a", "gs://bucket/a", "a"),
        ("az://container/a", "az://container/a", "a"),
        ("abfss://container@account.dfs.core.windows.net/a", "abfss://container/a", "a"),
        ("https://example.com/a/b%20c", "https://example.com/a/b c", "a/b c"),
    ],
)
def test_parts_of_a_url(monkeypatch, url, shown, prefix):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    options = {"gs": GCSOptions(anonymous=True)}.get(url[:2])
    store = ObjectStore(url, options=options)
    assert (store.url, store.prefix) == (shown, prefix)
    assert store.traits.concurrency == 64
    assert store.read_only is url.startswith("https")
    assert store == ObjectStore(url, options=options)
    assert store != ObjectStore(url.rstrip("/") + "/x", options=options)
    assert resolve_store(store)[0] is store


def test_invalid_arguments_raise():
    for where, options, message in (
        ("s3:///path", None, "names no bucket"),
        ("s3://user:pw@bucket/path", None, "no user"),
        ("s3://bucket", GCSOptions(), "S3Options"),
        ("https://host/a?sig=1", None, "query"),
        ("az://container", AzureOptions(sas_token="hush"), "Account must be specified"),
        ("ftp://host/a", None, "ftp"),
        (42, None, "needs a URL"),
        (obstore.store.MemoryStore(), S3Options(), "options are for URLs"),
    ):
        with pytest.raises((ArgumentError, exzarr.UnsupportedError), match=message):
            ObjectStore(where, options=options)


def test_a_web_server_is_read(s3_server, tmp_path):
    """Any web server that serves files works: here the standard library's."""
    import functools
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    data = np.arange(100).reshape(10, 10)
    exzarr.create_array(tmp_path / "a b.zarr", data=data, chunks=(5, 5), shards=(10, 10))
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        a = exzarr.open(f"http://127.0.0.1:{server.server_address[1]}/a%20b.zarr")
        assert (a[...] == data).all()
        assert a.read_only
        with pytest.raises(ReadOnlyError):
            a[0] = 1
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_obstore_stores_are_accepted():
    theirs = obstore.store.MemoryStore()
    exzarr.create_array(theirs, name="a", data=np.arange(5))
    assert exzarr.open(theirs)["a"][1:3].tolist() == [1, 2]
