"""The application: reads, writes and refusals, on every kind of store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ArgumentError, NodeNotFoundError, ReadOnlyError, UpdateUnsupportedError
from exzarr.serve import ServeOptions, app
from exzarr.serve.edge import LOCAL_BLOCK
from exzarr.stores import LatencyStore, LocalStore, MemoryStore, Store, StoreWrapper
from tests.serve.asgi import ask

VALUE = bytes(range(256)) * 40
LARGE = np.random.default_rng(0).bytes(3 * LOCAL_BLOCK + 5)


def fill(store: Store) -> None:
    group = exzarr.open_group(store, mode="w", attributes={"title": "äöü"})
    group.create_array("sub/a", shape=(4, 4), chunks=(2, 2), dtype="u1")[:] = 7
    store.put("sub/a/c/9/0", VALUE)
    store.put("sub/a/c/9/1", LARGE)
    store.put("sub/a/c/9/2", b"")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same hierarchy in every kind of store."""
    folder = tmp_path_factory.mktemp("places")
    local = LocalStore(folder / "cube.zarr")
    fill(local)
    made: dict[str, Any] = {
        "folder": str(folder / "cube.zarr"),
        "zip": str(folder / "cube.zip"),
        "sqlite": str(folder / "cube.sqlite"),
        "memory": "memory://served",
        "dict": {},
        "slow": LatencyStore(local, 0.0),
    }
    with exzarr.stores.ZipStore(made["zip"], "w") as archive:
        fill(archive)
    fill(exzarr.stores.SQLiteStore(made["sqlite"]))
    fill(MemoryStore("served"))
    fill(exzarr.stores.MappingStore(made["dict"]))
    references: dict[str, Any] = {}
    path = str(folder / "cube.zarr")
    for key in local.list():
        value = local.get(key)
        assert value is not None
        references[key] = [f"{path}/{key}", 0, len(value)] if value else ""
    (folder / "cube.json").write_text(json.dumps({"version": 1, "refs": references}))
    made["references"] = str(folder / "cube.json")
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("obstore")
    import obstore.store

    made["fsspec"] = exzarr.stores.FsspecStore(fsspec.filesystem("local"), path)
    made["objects"] = exzarr.stores.ObjectStore(obstore.store.LocalStore(path))
    return made


KINDS = "folder zip sqlite memory dict slow references fsspec objects".split()


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest, places: dict[str, Any]) -> Any:
    return app(places[request.param])


def test_values_are_served_as_they_are(served: Any) -> None:
    for key, value in {"9/0": VALUE, "9/1": LARGE, "9/2": b""}.items():
        found = ask(served, "GET", f"/sub/a/c/{key}", accept_encoding="gzip, br, zstd")
        assert found.status == 200
        assert found.body == value
        assert "content-encoding" not in found.headers
        assert found.headers["content-type"] == "application/octet-stream"
        assert found.headers["accept-ranges"] == "bytes"
        head = ask(served, "HEAD", f"/sub/a/c/{key}", range="bytes=0-1")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(value)))
    document = ask(served, "GET", "/zarr.json")
    assert document.headers["content-type"] == "application/json"
    assert json.loads(document.body)["attributes"] == {"title": "äöü"}


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=-100", -100, None),
        (f"bytes=1-{2 * LOCAL_BLOCK}", 1, 2 * LOCAL_BLOCK + 1),
        ("bytes=5-", 5, None),
        ("bytes=-999999999", 0, None),
    ],
)
def test_ranges(served: Any, text: str, begin: int, end: int | None) -> None:
    found = ask(served, "GET", "/sub/a/c/9/1", range=text)
    expected = LARGE[begin:end]
    at = begin % len(LARGE)
    assert found.status == 206
    assert found.body == expected
    assert found.headers["content-range"] == f"bytes {at}-{at + len(expected) - 1}/{len(LARGE)}"


@pytest.mark.parametrize("text", [f"bytes={len(VALUE)}-", "bytes=-0", "bytes=0-1,5-6"])
def test_range_that_cannot_be_satisfied(served: Any, text: str) -> None:
    found = ask(served, "GET", "/sub/a/c/9/0", range=text)
    assert found.status == 416
    assert found.headers["content-range"] == f"bytes */{len(VALUE)}"
    assert ask(served, "GET", "/sub/a/c/9/2", range="bytes=0-").headers["content-range"] == "bytes */0"


def test_known_value_is_not_sent_again(served: Any) -> None:
    path = "/sub/a/c/9/0"
    first = ask(served, "GET", path)
    tag = first.headers["etag"]
    assert tag[0] == tag[-1] == '"'
    for method in ("GET", "HEAD"):
        again = ask(served, method, path, if_none_match=f'"x", {tag}')
        assert (again.status, again.body) == (304, b"") or "etag" not in ask(served, "HEAD", path).headers
    assert ask(served, "GET", path, if_none_match=f'"{tag[1:-2]}x"').status == 200
    assert ask(served, "GET", path, if_match='"other"').status == 412
    assert ask(served, "GET", path, if_match="other").status == 400


def test_if_range_of_another_value_gives_the_whole_value(served: Any) -> None:
    found = ask(served, "GET", "/sub/a/c/9/0", range="bytes=0-3", if_range='"other"')
    assert (found.status, found.body) == (200, VALUE)


def test_part_of_a_known_value_is_read_on_condition(places: dict[str, Any]) -> None:
    for kind in ("folder", "memory", "dict", "zip", "sqlite", "objects"):
        served = app(places[kind])
        tag = ask(served, "HEAD", "/sub/a/c/9/0").headers["etag"]
        for header in ({"if_match": tag}, {"if_range": tag}):
            found = ask(served, "GET", "/sub/a/c/9/0", headers=header, range="bytes=0-3")
            assert (found.status, found.body, found.headers["etag"]) == (206, VALUE[:4], tag)


MISSING = (
    "/nothing",
    "/sub/a/c/1/7",
    "/sub/a/c",
    "/..",
    "/../cube.zip",
    "/sub/../zarr.json",
    "/sub/%2e%2e/zarr.json",  # encoded twice
    "/sub\\..\\zarr.json",
    "/sub/a/\0",
    "//etc/passwd",
    "/.exzarr-lock",
    "/\ufffd",
)


def test_missing_and_invalid_keys_are_not_found(served: Any) -> None:
    for path in MISSING:
        for method in ("GET", "HEAD"):
            found = ask(served, method, path)
            assert found.status == 404, (path, found)
            assert b"tmp" not in found.body  # no path of this machine


def test_long_path_is_refused(served: Any) -> None:
    assert ask(served, "GET", "/x" * 3000).status == 414


def test_methods_of_a_read_only_server(served: Any) -> None:
    for method in ("PUT", "DELETE", "POST", "PATCH", "TRACE", "BREW"):
        found = ask(served, method, "/zarr.json", b"x")
        assert found.status == 405
        assert found.headers["allow"] == "GET, HEAD, OPTIONS, PROPFIND"
    options = ask(served, "OPTIONS", "/zarr.json")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PROPFIND")


# -- what is served --------------------------------------------------------------------


def test_nodes_are_roots(places: dict[str, Any]) -> None:
    group = exzarr.open_group(places["folder"], mode="r")
    for node in (group["sub"], places["folder"] + "/sub", exzarr.open(places["sqlite"])["sub"]):
        served = app(node)
        assert json.loads(ask(served, "GET", "/a/zarr.json").body)["node_type"] == "array"
        assert ask(served, "GET", "/../zarr.json").status == 404
    assert json.loads(ask(app(group["sub/a"]), "GET", "/zarr.json").body)["shape"] == [4, 4]


def test_folder_without_a_node_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(NodeNotFoundError):
        app(tmp_path)
    with pytest.raises(NodeNotFoundError):
        app(tmp_path, ServeOptions(write=True))  # neither a node nor empty
    with pytest.raises(NodeNotFoundError):
        app(tmp_path / "missing")


def test_writing_needs_a_store_that_can_be_written(places: dict[str, Any]) -> None:
    for kind in ("zip", "references"):
        with pytest.raises(ReadOnlyError):
            app(places[kind], ServeOptions(write=True))
    with pytest.raises(ReadOnlyError):
        app(exzarr.open(places["folder"], mode="r"), ServeOptions(write=True))


def test_link_leads_where_the_store_follows_it(tmp_path: Path) -> None:
    """LocalStore follows links: a user who can make one in the folder can also make a copy."""
    exzarr.create_array(tmp_path / "a.zarr", shape=(2,), dtype="u1")
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "a.zarr" / "c").mkdir(exist_ok=True)
    (tmp_path / "a.zarr" / "c" / "0").symlink_to(tmp_path / "elsewhere")
    served = app(tmp_path / "a.zarr", ServeOptions(write=True))
    assert ask(served, "GET", "/c/0").body == b"x"
    assert ask(served, "PUT", "/c/0", b"new").status == 204
    assert (tmp_path / "elsewhere").read_bytes() == b"x"


def test_application_can_be_mounted(places: dict[str, Any]) -> None:
    starlette = pytest.importorskip("starlette.applications")
    from starlette.routing import Mount

    api = starlette.Starlette(routes=[Mount("/cube", app=app(places["folder"]))])
    assert ask(api, "GET", "/cube/sub/a/c/9/0").body == VALUE
    assert ask(api, "GET", "/cube/sub").headers["location"] == "/cube/sub/"
    assert '"/cube/sub/a/"' in ask(api, "GET", "/cube/sub/").body.decode()


# -- tokens, origins, listings ---------------------------------------------------------


def test_token_is_required_and_not_told(places: dict[str, Any]) -> None:
    served = app(places["folder"], ServeOptions(token="secret-token"))
    for path in ("/zarr.json", "/", "/nothing", "/secret-toke/zarr.json"):
        found = ask(served, "GET", path)
        assert found.status == 401
        assert found.headers["www-authenticate"].startswith("Bearer")
    assert ask(served, "OPTIONS", "/zarr.json").status == 401
    assert ask(served, "GET", "/zarr.json", authorization="Bearer secret-token").status == 200
    assert ask(served, "GET", "/secret-token/zarr.json").status == 200
    assert ask(served, "GET", "/zarr.json", query="token=secret-token").status == 200
    moved = ask(served, "GET", "/sub", query="token=secret-token").headers["location"]
    assert moved == "/sub/?token=secret-token"
    assert "secret" not in repr(ServeOptions(token="secret-token"))


@pytest.mark.parametrize("path", ["//sub", "///sub"])
def test_redirect_and_links_stay_on_the_server(places: dict[str, Any], path: str) -> None:
    """A path that begins with two slashes would name another host."""
    served = app(places["folder"], ServeOptions(token="secret-token"))
    query = "token=secret-token"
    assert ask(served, "GET", path, query=query).headers["location"] == "/sub/?token=secret-token"
    assert '"/sub/a/"' in ask(served, "GET", f"{path}/", query=query).body.decode()
    assert '"/zarr.json"' in ask(served, "GET", "//", query=query).body.decode()
    assert b">/sub/a/<" in ask(served, "PROPFIND", f"{path}/", query=query, depth="1").body


def test_links_of_the_root_follow_the_token(places: dict[str, Any]) -> None:
    served = app(places["folder"], ServeOptions(token="secret-token"))
    for path in ("/secret-token", "/secret-token/"):
        page = ask(served, "GET", path).body.decode()
        assert '"/secret-token/zarr.json"' in page
        assert '"/secret-token/sub/"' in page


def test_pages_of_other_origins(places: dict[str, Any]) -> None:
    page = {"origin": "https://viewer.example"}
    asks = {"access_control_request_method": "GET", "access_control_request_headers": "range"}
    closed = app(places["folder"])
    assert "access-control-allow-origin" not in ask(closed, "GET", "/zarr.json", headers=page).headers
    assert (
        "access-control-allow-origin" not in ask(closed, "OPTIONS", "/zarr.json", headers=page | asks).headers
    )
    for origins in (("*",), ("https://viewer.example", "http://localhost:3000")):
        served = app(places["folder"], ServeOptions(cors=origins, token="secret-token"))
        before = ask(
            served,
            "OPTIONS",
            "/zarr.json",
            headers=page | asks,
            access_control_request_private_network="true",
        )
        assert before.status == 200
        assert before.headers["access-control-allow-private-network"] == "true"
        assert "Range" in before.headers["access-control-allow-headers"]
        assert "PUT" not in before.headers["access-control-allow-methods"]
        refused = ask(served, "OPTIONS", "/zarr.json", headers=page, access_control_request_method="PUT")
        assert refused.status == 400
        for path in ("/secret-token/sub/a/c/9/0", "/zarr.json"):  # also an error
            found = ask(served, "GET", path, headers=page)
            assert found.headers["access-control-allow-origin"] in ("*", page["origin"])
            exposed = found.headers["access-control-expose-headers"]
            assert {"ETag", "Content-Range", "Content-Length"} <= {*exposed.split(", ")}
    other = ask(served, "GET", "/secret-token/zarr.json", origin="https://evil.example")
    assert "access-control-allow-origin" not in other.headers


NAMES = ['<script>alert("1")', "a&b", "with space", "http-x", "ümlaut", "per%20cent", "it's", 'q"']


def test_listing_escapes_names() -> None:
    from html.parser import HTMLParser
    from urllib.parse import unquote
    from xml.etree import ElementTree as ET

    store = MemoryStore()
    exzarr.open_group(store, mode="w")
    for name in NAMES:
        store.put(f"{name}/zarr.json", b"{}")

    links: list[str | None] = []
    texts: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in {"html", "head", "meta", "title", "body", "h1", "ul", "li", "a"}
            links.extend(value for name, value in attrs if name == "href")

        def handle_data(self, data: str) -> None:
            texts.append(data.strip())

    page = ask(app(store), "GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == "default-src 'none'"
    Parser().feed(page.body.decode())
    assert {unquote(link or "") for link in links} == {f"/{name}/" for name in NAMES} | {"/zarr.json"}
    assert {f"{name}/" for name in NAMES} <= {*texts}
    for depth in ("0", "1", "infinity"):
        found = ask(app(store), "PROPFIND", "/", depth=depth)
        assert found.status == 207
        paths = [unquote(one.text or "") for one in ET.fromstring(found.body).iter("{DAV:}href")]
        expected = {
            "0": ["/"],
            "1": ["/", *(f"/{name}/" for name in NAMES), "/zarr.json"],
            "infinity": [*(f"/{name}/zarr.json" for name in NAMES), "/zarr.json"],
        }
        assert sorted(paths) == sorted(expected[depth])


def test_server_that_does_not_list(places: dict[str, Any]) -> None:
    served = app(places["folder"], ServeOptions(listing=False))
    assert ask(served, "GET", "/").status == 404
    assert ask(served, "GET", "/sub").status == 404
    assert ask(served, "PROPFIND", "/").status == 405
    assert ask(app(places["folder"]), "GET", "/nothing/").status == 404
    assert ask(app(places["folder"]), "PROPFIND", "/nothing").status == 404


# -- writes ----------------------------------------------------------------------------


WRITABLE: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder / "a.zarr",
    "sqlite": lambda folder: folder / "a.sqlite",
    "memory": lambda folder: MemoryStore(),
    "dict": lambda folder: {},
}


@pytest.fixture(params=[*WRITABLE])
def writable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    return app(WRITABLE[request.param](tmp_path), ServeOptions(write=True, max_upload=1 << 20))


def test_put_and_delete(writable: Any) -> None:
    assert ask(writable, "PUT", "/a/c/0", b"one").status == 201
    assert ask(writable, "GET", "/a/c/0").body == b"one"
    assert ask(writable, "PUT", "/a/c/0", b"two").status == 204
    assert ask(writable, "PUT", "/a/c/1", b"").status == 201
    assert ask(writable, "GET", "/a/c/0").body == b"two"
    assert ask(writable, "DELETE", "/a/c/0").status == 204
    assert ask(writable, "DELETE", "/a/c/0").status == 404
    assert ask(writable, "GET", "/a/c/1").body == b""


def test_writes_with_conditions(writable: Any) -> None:
    assert ask(writable, "PUT", "/a", b"zero", if_match='"x"').status == 412
    assert ask(writable, "PUT", "/a", b"zero", if_match="*").status == 412
    assert ask(writable, "GET", "/a").status == 404
    assert ask(writable, "PUT", "/a", b"one", if_none_match="*").status == 201
    assert ask(writable, "PUT", "/a", b"two", if_none_match="*").status == 412
    first = ask(writable, "GET", "/a")
    assert first.body == b"one"
    tag = first.headers["etag"]
    assert ask(writable, "PUT", "/a", b"two", if_match=f'"x", {tag}').status == 204
    assert ask(writable, "PUT", "/a", b"old", if_match=tag).status == 412
    assert ask(writable, "DELETE", "/a", if_match=tag).status == 412
    assert ask(writable, "PUT", "/a", b"old", if_match=f"W/{tag}").status == 412
    assert (
        ask(writable, "PUT", "/a", b"old", if_none_match=ask(writable, "HEAD", "/a").headers["etag"]).status
        == 412
    )
    assert ask(writable, "GET", "/a").body == b"two"
    assert ask(writable, "DELETE", "/a", if_match=ask(writable, "HEAD", "/a").headers["etag"]).status == 204
    assert ask(writable, "GET", "/a").status == 404


def test_repeated_put_with_a_mark_gets_the_first_response(writable: Any) -> None:
    more = {"if_none_match": "*", "idempotency_key": "m"}
    assert ask(writable, "PUT", "/a", b"one", more).status == 201
    assert ask(writable, "PUT", "/a", b"one", more).status == 201
    assert ask(writable, "PUT", "/a", b"one", if_none_match="*", idempotency_key="n").status == 412
    assert ask(writable, "PUT", "/b", b"one", more).status == 201


def test_long_marks_with_the_same_beginning_are_different(writable: Any) -> None:
    assert ask(writable, "PUT", "/a", b"one", idempotency_key="m" * 200 + "1").status == 201
    assert ask(writable, "PUT", "/a", b"two", idempotency_key="m" * 200 + "2").status == 204
    assert ask(writable, "GET", "/a").body == b"two"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/a", {"content_length": "1048577"}, 413),
        ("/a", {"content_length": "\xb2"}, 400),
        ("/a", {"content_length": "9" * 30}, 413),
        ("/a", {"content_length": "-1"}, 400),
        ("/a", {"content_encoding": "gzip"}, 415),
        ("/a", {"content_range": "bytes 0-2/3"}, 400),
        ("/a", {"if_match": "x"}, 400),
        ("/a/", {}, 400),
        ("/../a", {}, 400),
        ("/a/.exzarr-lock", {}, 400),
        ("/a\0", {}, 400),
        ("/\ufffd", {}, 400),
    ],
)
def test_put_that_is_refused(writable: Any, path: str, headers: dict[str, str], status: int) -> None:
    assert ask(writable, "PUT", path, b"one", headers).status == status
    assert ask(writable, "GET", "/a").status == 404


def test_put_without_its_length_is_refused(writable: Any) -> None:
    assert ask(writable, "PUT", "/a", None).status == 411


class NoUpdates(StoreWrapper):
    """A store without conditional writes, whose errors name a secret."""

    def update(self, key: str, change: Any) -> None:
        raise UpdateUnsupportedError("secret")

    def open_value(self, key: str) -> Any:
        raise exzarr.StoreError("secret")


def test_errors_of_the_store_go_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    exzarr.open_group(store, mode="w")
    served = app(NoUpdates(store), ServeOptions(write=True))
    assert ask(served, "PUT", "/a", b"one", if_match='"x"').status == 501
    found = ask(served, "GET", "/zarr.json")
    assert found.status == 500
    assert b"secret" not in found.body
    assert "secret" in caplog.text


def test_options_are_checked() -> None:
    for wrong in (
        {"write": True, "consolidate": True},
        {"token": "short"},
        {"token": "with/slash/and more"},
        {"cors": "https://a"},
        {"cors": ("https://a/path",)},
        {"memory": 1},
        {"max_upload": 1 << 40},
        {"store_requests": 0},
        {"timeout": 0},
        {"timeout": float("nan")},
    ):
        with pytest.raises(ArgumentError):
            ServeOptions(**wrong)  # type: ignore[arg-type]
