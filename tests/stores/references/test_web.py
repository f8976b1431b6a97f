"""References behind URLs: a real web server, compressed documents, generated references, names with blanks."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest
import zstandard

import exzarr
from exzarr.errors import ReadOnlyError, StoreError
from exzarr.stores import MemoryStore, ReferenceStore

pytestmark = pytest.mark.slow

DATA = b"0123456789" * 10
ARRAY = {
    "zarr_format": 2, "shape": [10], "chunks": [5], "dtype": "|u1", "fill_value": 0, "order": "C", "compressor": None,
    "filters": None,
}  # fmt: skip


class Handler(SimpleHTTPRequestHandler):
    """Web server that supports range requests."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range")
        total = len(data)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else total - int(last)
            stop = min(int(last) + 1, total) if first and last else total
            data = data[start:stop]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a folder and the URL at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def document(*targets):
    refs = {".zgroup": {"zarr_format": 2}, "a/.zarray": ARRAY}
    return {
        "version": 1,
        "refs": {**refs, **{f"a/{number}": target for number, target in enumerate(targets)}},
    }


VALUES = [*b"23456", *b"01234"]


@pytest.mark.parametrize("name", ["r.json", "r.json.gz", "r.json.zst", "with blank.json"])
def test_relative_targets_begin_at_the_folder_of_the_references(web, name):
    folder, url = web
    (folder / "sub").mkdir()
    (folder / "sub" / "my data.bin").write_bytes(DATA)
    text = json.dumps(document(["sub/my data.bin", 2, 5], ["sub/../sub/my data.bin", 0, 5])).encode()
    packed = {"gz": gzip.compress, "st": zstandard.ZstdCompressor().compress}.get(
        name[-3:-1].strip("."), bytes
    )
    (folder / name).write_bytes(packed(text))
    address = f"{url}/{name}".replace(" ", "%20")
    for opened in (
        exzarr.open(address)["a"],
        exzarr.open(address + "/a"),
        exzarr.open(ReferenceStore(address))["a"],
    ):
        assert opened[...].tolist() == VALUES
    assert exzarr.open(folder / name)["a"][...].tolist() == VALUES
    with pytest.raises(ReadOnlyError):
        exzarr.open(address, mode="a")


def test_relative_targets_begin_at_base(web, tmp_path):
    folder, url = web
    (folder / "my data").mkdir()
    (folder / "my data" / "x.bin").write_bytes(DATA)
    (tmp_path / "r.json").write_text(json.dumps(document(["x.bin", 2, 5], ["x.bin", 0, 5])))
    (folder / "r.json").write_text(json.dumps(document(["x.bin", 2, 5], ["x.bin", 0, 5])))
    for base in (f"{url}/my%20data", f"{url}/my data/"):
        for place in (tmp_path / "r.json", f"{url}/r.json"):
            assert exzarr.open(ReferenceStore(place, base=base))["a"][...].tolist() == VALUES
    local = ReferenceStore(f"{url}/r.json", base=f"file://{folder}/my%20data")
    assert exzarr.open(local)["a"][...].tolist() == VALUES


@pytest.mark.parametrize("place", ["http", "file"])
def test_percent_encoding_is_decoded_in_all_urls(web, place):
    folder, url = web
    (folder / "my data").mkdir()
    with h5py.File(folder / "my data" / "a b.h5", "w") as file:
        file.create_dataset("x", data=np.arange(1000), chunks=(100,))
    start = url if place == "http" else f"file://{folder}"
    group = exzarr.virtualize(f"{start}/my%20data/a%20b.h5", folder / "refs.json", inline=0)
    assert (group["x"][...] == np.arange(1000)).all()
    refs = json.loads((folder / "refs.json").read_text())["refs"]
    target = refs["x/0"][0]
    assert target == (f"{url}/my%20data/a%20b.h5" if place == "http" else str(folder / "my data" / "a b.h5"))
    for spelled in (f"{start}/my%20data/a%20b.h5", f"{start}/my data/a b.h5"):
        changed = {key: [spelled, *ref[1:]] if isinstance(ref, list) else ref for key, ref in refs.items()}
        for allow in (f"{start}/my%20data", f"{start}/my data/"):
            opened = exzarr.open(ReferenceStore(changed, allow=[allow]))
            assert (opened["x"][...] == np.arange(1000)).all()


def test_keys_of_object_stores_are_not_decoded():
    far = MemoryStore()
    far.put("a%20b", DATA)
    refs = {"k": ["s3://bucket/a%20b", 0, 3]}
    store = ReferenceStore(refs, allow=["s3://bucket/"], stores={"s3://bucket": far})
    assert bytes(store.get("k")) == b"012"


@pytest.mark.parametrize(
    "target",
    ["../secret", "%2e%2e/secret", "{url}/data/../secret", "{url}/data/%2e%2e/secret", "{url}/data%2F..%2Fsecret",
     "{url}/database/x", "/etc/passwd", "file:///etc/passwd", "https://elsewhere.example/x"],
)  # fmt: skip
def test_references_read_from_urls_lead_only_to_allowed_places(web, target):
    folder, url = web
    for name in ("data", "database"):
        (folder / name).mkdir()
        (folder / name / "x").write_bytes(DATA)
    (folder / "secret").write_bytes(b"secret")
    (folder / "data" / "r.json").write_text(json.dumps(document([target.format(url=url), 0, 5])))
    store = ReferenceStore(f"{url}/data/r.json")
    with pytest.raises(StoreError):
        store.get("a/0")
    with pytest.raises(StoreError):
        store.size("a/0")


def test_missing_references_are_an_error_that_names_them(web):
    _, url = web
    with pytest.raises(StoreError, match=r"r\.json"):
        ReferenceStore(f"{url}/r.json")


# -- gen ---------------------------------------------------------------------------


def test_generated_references_are_those_of_the_specification():
    given = {
        "version": 1,
        "templates": {"u": "server.domain/path", "f": "{{c}}"},
        "gen": [
            {
                "key": "gen_key{{i}}", "url": "http://{{u}}_{{i}}", "offset": "{{(i + 1) * 1000}}", "length": "1000",
                "dimensions": {"i": {"stop": 5}},
            },
            {"key": "{{x}}/{{ '%03d' % y }}", "url": "{{f(c='text')}}", "dimensions": {"x": ["a", "b"], "y": {"start": 4, "stop": 9, "step": 4}}},
        ],
        "refs": {"key0": "data", "key1": ["http://target_url", 10000, 100], "key2": ["http://{{u}}", 10000, 100],
                 "key3": ["http://{{f(c='text')}}", 10000, 100]},
    }  # fmt: skip
    refs = ReferenceStore(given)._set
    assert refs.get("key2") == ("http://server.domain/path", 10000, 100)
    assert refs.get("key3") == ("http://text", 10000, 100)
    for i in range(5):
        assert refs.get(f"gen_key{i}") == (f"http://server.domain/path_{i}", (i + 1) * 1000, 1000)
    assert sorted(refs.list("")) == sorted(
        [*given["refs"], *[f"gen_key{i}" for i in range(5)], "a/004", "a/008", "b/004", "b/008"]
    )
    assert refs.get("a/004") == ("text", 0, None)


def test_generated_references_are_read(web):
    folder, url = web
    (folder / "x.bin").write_bytes(bytes(range(100)))
    made = document()
    made["gen"] = [
        {
            "key": "a/{{i}}",
            "url": "x.bin",
            "offset": "{{i * 5}}",
            "length": 5,
            "dimensions": {"i": {"stop": 2}},
        }
    ]
    (folder / "r.json").write_text(json.dumps(made))
    assert exzarr.open(f"{url}/r.json")["a"][...].tolist() == list(range(10))


RULE = {"key": "k{{i}}", "url": "u", "dimensions": {"i": {"stop": 3}}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "gen",
    [
        [{**RULE, "dimensions": {"i": {"stop": 10**15}}}],
        [{**RULE, "dimensions": {name: {"stop": 10**5} for name in "ijkl"}}],
        [RULE] * 200_000,
        [{**RULE, "key": "{{ 'x' * 1000000000 }}"}],
        [{**RULE, "key": "{{ 10 ** 10 ** 10 }}"}],
        [{**RULE, "key": "{{ '%1000000000d' % i }}"}],
        [{**RULE, "key": "{{ " + "(" * 100_000 + " }}"}],
        [{**RULE, "key": "{{ i + " * 2000 + "1 }}"}],
        [{**RULE, "key": "{{ i.__class__ }}"}],
        [{**RULE, "key": "{{ __import__('os') }}"}],
        [{**RULE, "key": "{{ i // 0 }}"}],
        [{**RULE, "key": "../{{i}}"}],
        [{**RULE, "offset": "{{i}}"}],
        [{**RULE, "offset": "x", "length": 3}],
        [{**RULE, "offset": -1, "length": 3}],
        [{**RULE, "dimensions": {"i": {"stop": 3, "step": 0}}}],
        [{"key": "k"}],
        {"key": "k"},
        3,
    ],
    ids=range(19),
)
def test_hostile_rules_are_errors_and_take_little_memory(gen):
    tracemalloc.start()
    try:
        with pytest.raises(StoreError):
            ReferenceStore({"version": 1, "refs": {}, "gen": gen})
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


def test_recursive_templates_raise():
    bomb = {f"t{n}": f"{{{{t{n + 1}}}}}" * 10 for n in range(20)}
    for templates in ({"u": "{{u}}"}, {**bomb, "u": "{{t0}}"}):
        with pytest.raises(StoreError):
            ReferenceStore({"version": 1, "templates": templates, "refs": {"k": ["{{u}}"]}})


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compressed_documents_are_bounded(tmp_path, monkeypatch, pack):
    monkeypatch.setattr("exzarr.stores.references.json_set.MOST_NBYTES", 1000)
    (tmp_path / "a.json.gz").write_bytes(pack(b'{"k": "' + b"x" * 2000 + b'"}'))
    with pytest.raises(StoreError, match="more than 1000 bytes"):
        ReferenceStore(tmp_path / "a.json.gz")
    (tmp_path / "b.json.gz").write_bytes(pack(b'{"k": "x"}')[:-5])
    with pytest.raises(StoreError, match=r"b\.json\.gz"):
        ReferenceStore(tmp_path / "b.json.gz")
