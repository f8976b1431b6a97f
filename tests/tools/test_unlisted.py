"""Tools on stores that cannot list their keys: web servers, and buckets that deny listing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import exzarr
from exzarr.errors import ListingUnsupportedError, NodeNotFoundError, StoreError
from exzarr.stores import CountingStore, FsspecStore, MemoryStore, ObjectStore, PrefixStore, ReadOnlyStore
from exzarr.stores.wrappers.base import StoreWrapper
from tests.web_servers import web_server

pytest.importorskip("obstore")
pytest.importorskip("aiohttp")

pytestmark = pytest.mark.slow

DATA = np.arange(24, dtype="i4").reshape(4, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hierarchies of zarr-python: consolidated or not, v2 and v3. One chunk of `a` is not stored."""
    top = tmp_path_factory.mktemp("web")
    for version in (2, 3):
        for consolidated in (False, True):
            place = top / f"{'c' if consolidated else 'p'}{version}.zarr"
            root = zarr.create_group(place, zarr_format=version, attributes={"title": "web"})
            group = root.create_group("g")
            a = group.create_array("a", shape=(4, 6), chunks=(2, 3), dtype="i4", fill_value=7)
            a[:2] = DATA[:2]
            a[2:, 3:] = DATA[2:, 3:]
            root.create_array("s", data=np.arange(5.0), chunks=(2,))
            if version == 3:
                root.create_array("sharded", data=DATA, chunks=(2, 2), shards=(4, 4))
            if consolidated:
                zarr.consolidate_metadata(place, zarr_format=version)
    return top


WANTED = DATA.copy()
WANTED[2:, :3] = 7
STORES = {"obstore": ObjectStore, "fsspec": FsspecStore}


@pytest.fixture(params=sorted(STORES))
def make(request):
    return STORES[request.param]


@pytest.fixture
def web(folder):
    with web_server(folder) as web:
        yield web


def chunks_in(array: Path) -> list[bytes]:
    documents = ("zarr.json", ".zarray", ".zattrs")
    return [p.read_bytes() for p in array.rglob("*") if p.is_file() and p.name not in documents]


def same_files(one: Path, other: Path) -> bool:
    files = [
        {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}
        for top in (one, other)
    ]
    return files[0] == files[1]


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("version", [2, 3])
def test_copy_of_array_requests_every_chunk_of_the_grid(folder, make, version, index, tmp_path):
    with web_server(folder, index=index) as web:
        report = exzarr.copy(make(f"{web.url}/p{version}.zarr/g/a"), tmp_path / "a.zarr")
    assert report.chunks == 3
    assert (zarr.open_array(tmp_path / "a.zarr", mode="r")[...] == WANTED).all()
    assert len(chunks_in(tmp_path / "a.zarr")) == 3


@pytest.mark.parametrize("version", [2, 3])
def test_copy_of_array_with_other_chunks(web, make, version, tmp_path):
    exzarr.copy(make(f"{web.url}/p{version}.zarr/g/a"), tmp_path / "a.zarr", chunks=(3, 2))
    assert (zarr.open_array(tmp_path / "a.zarr", mode="r")[...] == WANTED).all()


@pytest.mark.parametrize("version", [2, 3])
def test_copy_of_consolidated_group_is_complete_and_report_names_the_source_of_names(
    web, make, version, folder, tmp_path
):
    report = exzarr.copy(make(f"{web.url}/c{version}.zarr"), tmp_path / "c.zarr")
    assert (report.arrays, report.groups) == (3 if version == 3 else 2, 2)
    assert any("consolidated metadata" in note for note in report.notes), report
    straight = exzarr.copy(folder / f"c{version}.zarr", tmp_path / "straight.zarr")
    assert not any("consolidated metadata" in note for note in straight.notes)
    assert same_files(tmp_path / "c.zarr", tmp_path / "straight.zarr")
    assert (zarr.open_group(tmp_path / "c.zarr", mode="r")["g/a"][...] == WANTED).all()


@pytest.mark.parametrize("version", [2, 3])
def test_group_below_consolidated_group_is_found(web, make, version, tmp_path):
    report = exzarr.copy(make(f"{web.url}/c{version}.zarr"), tmp_path / "g.zarr", source_path="g")
    assert report.arrays == 1
    group = exzarr.open(make(f"{web.url}/c{version}.zarr"))["g"]
    assert exzarr.copy(group, tmp_path / "h.zarr").arrays == 1
    assert (zarr.open_group(tmp_path / "h.zarr", mode="r")["a"][...] == WANTED).all()


@pytest.mark.parametrize("version", [2, 3])
def test_group_without_consolidated_metadata_raises_error_with_its_name(web, make, version, tmp_path):
    store = make(f"{web.url}/p{version}.zarr")
    for act in (
        lambda: exzarr.copy(store, tmp_path / "no.zarr"),
        lambda: exzarr.check(store),
        lambda: exzarr.checksum(store),
        lambda: exzarr.load(store),
        lambda: exzarr.open(store).tree(),
        lambda: [*exzarr.open(store)],
        lambda: len(exzarr.open(store)),
        lambda: exzarr.open(store).info_complete(),
    ):
        with pytest.raises(
            ListingUnsupportedError, match=rf"p{version}\.zarr.*consolidated metadata"
        ) as caught:
            act()
        assert "<" not in str(caught.value)
    assert not (tmp_path / "no.zarr").exists()
    assert (exzarr.open(store)["g/a"][...] == WANTED).all()


@pytest.mark.parametrize("version", [2, 3])
def test_stored_documents_override_consolidated_metadata(make, version, tmp_path):
    """Consolidated metadata may be out of date: only the names are used."""
    root = zarr.create_group(tmp_path / "x.zarr", zarr_format=version)
    a = root.create_array("a", data=np.arange(4), chunks=(2,))
    zarr.consolidate_metadata(tmp_path / "x.zarr", zarr_format=version)
    a.append(np.arange(4, 8))
    with web_server(tmp_path) as web:
        exzarr.copy(make(f"{web.url}/x.zarr"), tmp_path / "copy.zarr")
    copied = zarr.open_group(tmp_path / "copy.zarr", mode="r", use_consolidated=False)
    assert copied["a"][...].tolist() == [*range(8)]


@pytest.mark.parametrize("version", [2, 3])
def test_stored_chunks_are_counted(web, make, version):
    root = exzarr.open(make(f"{web.url}/c{version}.zarr"))
    a = root["g/a"]
    assert a.nchunks_initialized == 3
    assert a.nbytes_stored == sum(len(chunk) for chunk in chunks_in(web.folder / f"c{version}.zarr/g/a"))
    assert root["s"].nchunks_initialized == 3
    if version == 3:
        assert root["sharded"].nchunks_initialized == 6


@pytest.mark.parametrize("version", [2, 3])
def test_check_inspects_every_chunk_of_the_grid_and_reports_its_limits(web, make, version):
    for deep in (False, True):
        report = exzarr.check(make(f"{web.url}/c{version}.zarr"), deep=deep)
        assert (report.arrays, report.groups) == (3 if version == 3 else 2, 2)
        assert report.chunks == 3 + 3 + (2 if version == 3 else 0)
        assert report.codes == ("EXZ405",), report
        assert report.ok
        alone = exzarr.check(make(f"{web.url}/p{version}.zarr/g/a"), deep=deep)
        assert (alone.chunks, alone.codes) == (3, ("EXZ405",))
    full = exzarr.check(make(f"{web.url}/p{version}.zarr/g/a"), full=True)
    assert [f.index for f in full.findings if f.code == "EXZ204"] == [(1, 0)]


@pytest.mark.parametrize("version", [2, 3])
def test_check_finds_damage(make, version, folder, tmp_path):
    shutil.copytree(folder / f"c{version}.zarr", tmp_path / "x.zarr")
    chunk = next(p for p in (tmp_path / "x.zarr/s").rglob("*") if p.is_file() and p.name in "012")
    chunk.write_bytes(b"damaged")
    with web_server(tmp_path) as web:
        report = exzarr.check(make(f"{web.url}/x.zarr"), deep=True)
    assert not report.ok
    assert [f.key.partition("/")[0] for f in report.findings if f.is_error] == ["s"]


@pytest.mark.parametrize("version", [2, 3])
def test_missing_node_of_consolidated_metadata_is_an_error(make, version, folder, tmp_path):
    shutil.copytree(folder / f"c{version}.zarr", tmp_path / "x.zarr")
    shutil.rmtree(tmp_path / "x.zarr/s")
    with web_server(tmp_path) as web:
        report = exzarr.check(make(f"{web.url}/x.zarr"))
        assert "EXZ604" in report.codes
        for act in (
            lambda: exzarr.copy(make(f"{web.url}/x.zarr"), tmp_path / "y.zarr"),
            lambda: exzarr.checksum(make(f"{web.url}/x.zarr")),
        ):
            with pytest.raises(NodeNotFoundError, match=r"'s'"):
                act()
    assert not (tmp_path / "y.zarr").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_checksums_equal_those_of_the_folder(web, make, version, folder):
    place = f"c{version}.zarr"
    here, there = exzarr.checksum(folder / place), exzarr.checksum(make(f"{web.url}/{place}"))
    assert str(here) == str(there)
    assert not here.notes
    assert any("consolidated metadata" in note for note in there.notes)


@pytest.mark.parametrize("version", [2, 3])
def test_a_consolidated_group_is_listed_and_loaded(web, make, version):
    group = exzarr.open(make(f"{web.url}/c{version}.zarr"))
    names = ["g", "s", "sharded"] if version == 3 else ["g", "s"]
    assert [*group] == names
    assert "a (4, 6)" in str(group.tree())
    loaded = exzarr.load(make(f"{web.url}/c{version}.zarr"))
    assert (loaded["g/a"] == WANTED).all()
    assert len(loaded) == len(names)


def test_html_listing_is_used_on_request(folder):
    """HTML listings may be incomplete, so they are only used on request."""
    with web_server(folder, index=True) as web:
        store = FsspecStore(f"{web.url}/p3.zarr", lists=True)
        assert store.traits.lists
        assert store.url == f"{web.url}/p3.zarr"
        assert sorted(store.list()) == sorted(
            str(p.relative_to(folder / "p3.zarr")) for p in (folder / "p3.zarr").rglob("*") if p.is_file()
        )
        assert [*exzarr.open(store)] == ["g", "s", "sharded"]
        assert exzarr.open(store)["g/a"].nchunks_initialized == 3
    with web_server(folder) as web:
        store = FsspecStore(f"{web.url}/p3.zarr", lists=True)
        with pytest.raises(ListingUnsupportedError):
            [*store.list()]
        with pytest.raises(ListingUnsupportedError):
            store.list_dir()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_all_refusals_to_list_are_recognized(folder, status):
    with web_server(folder, propfind=status) as web:
        store = ObjectStore(f"{web.url}/c3.zarr")
        for _ in range(2):
            with pytest.raises(ListingUnsupportedError, match="cannot list"):
                [*store.list("g")]
            with pytest.raises(ListingUnsupportedError, match="cannot list"):
                store.list_dir("g")
        # A server that answers 404 may have listings of other folders.
        assert store.traits.lists is (status == 404)
        assert sum(seen.startswith("PROPFIND") for seen in web.seen) == (4 if status == 404 else 1)
        assert exzarr.open(store)["g/a"].nchunks_initialized == 3


def test_wrappers_forward_the_listing_trait(folder):
    with web_server(folder) as web:
        inner = FsspecStore(f"{web.url}/c3.zarr")
        for store in (
            ReadOnlyStore(inner),
            PrefixStore(inner, "g"),
            CountingStore(inner),
            StoreWrapper(inner),
        ):
            assert not store.traits.lists
            with pytest.raises(ListingUnsupportedError):
                [*store.list()]
    assert MemoryStore().traits.lists
    assert PrefixStore(MemoryStore(), "a").traits.lists
    assert not issubclass(ListingUnsupportedError, FileNotFoundError)
    assert issubclass(ListingUnsupportedError, StoreError)


def test_bucket_that_denies_listing_is_copied_through_consolidated_metadata(s3_server, folder, tmp_path):
    """Many public data sets allow reading but not listing."""
    from tests.faulty_proxy import faulty_proxy

    straight = s3_server.store("x")
    exzarr.copy(folder / "c3.zarr", straight)
    with faulty_proxy(s3_server.endpoint) as proxy:
        proxy.deny = "list-type"
        store = ObjectStore(straight.url, options=s3_server.options(endpoint=proxy.endpoint))
        with pytest.raises(ListingUnsupportedError, match="not permit it .*AccessDenied"):
            [*store.list()]
        assert exzarr.copy(store, tmp_path / "x.zarr").arrays == 3
        assert exzarr.check(store).codes == ("EXZ405",)
    assert same_files(
        tmp_path / "x.zarr", exzarr.copy(folder / "c3.zarr", tmp_path / "y.zarr") and tmp_path / "y.zarr"
    )


def test_too_large_grids_are_refused(tmp_path):
    zarr.create_array(tmp_path / "huge.zarr", shape=(2**40,), chunks=(1,), dtype="u1")
    with web_server(tmp_path) as web:
        store = FsspecStore(f"{web.url}/huge.zarr")
        for act in (
            lambda: exzarr.open(store).nchunks_initialized,
            lambda: exzarr.copy(store, tmp_path / "copy.zarr"),
            lambda: exzarr.check(store),
        ):
            with pytest.raises(ListingUnsupportedError, match="1,099,511,627,776 chunks"):
                act()
        assert len(web.seen) < 50
    assert not (tmp_path / "copy.zarr").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_html_listing_is_not_used_by_default(folder, make, version, tmp_path):
    with web_server(folder, index=True) as web:
        report = exzarr.copy(make(f"{web.url}/c{version}.zarr"), tmp_path / "x.zarr")
        assert report.arrays == (3 if version == 3 else 2)
        with pytest.raises(ListingUnsupportedError):
            exzarr.copy(make(f"{web.url}/p{version}.zarr"), tmp_path / "y.zarr")


# -- the command line --------------------------------------------------------------------------------


def run(args, capsys):
    from exzarr._cli.app import app

    with pytest.raises(SystemExit) as ended:
        app(args)
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


@pytest.mark.parametrize("version", [2, 3])
def test_commands_work_from_the_metadata(web, version, capsys, tmp_path):
    group, array = f"{web.url}/c{version}.zarr", f"{web.url}/p{version}.zarr/g/a"
    code, out, _ = run(["tree", group], capsys)
    assert code == 0
    assert "sharded" in out or version == 2
    assert "consolidated metadata" in out
    code, out, _ = run(["tree", group, "--json"], capsys)
    nodes = {node["path"]: node for node in json.loads(out)["nodes"]}
    assert nodes["g/a"]["stored_objects"] == 3
    code, out, _ = run(["info", group, "--json"], capsys)
    facts = json.loads(out)
    assert (code, facts["arrays"], facts["groups"]) == (0, 3 if version == 3 else 2, 1)
    assert "consolidated metadata" in facts["note"]
    code, out, _ = run(["info", array], capsys)
    assert code == 0
    assert "3 of 4 chunks" in out
    code, out, _ = run(["head", array], capsys)
    assert code == 0
    code, out, _ = run(["copy", group, str(tmp_path / "x.zarr")], capsys)
    assert code == 0
    assert "note:" in out
    code, out, _ = run(["check", group], capsys)
    assert code == 0
    assert "EXZ405" in out
    code, out, err = run(["checksum", group], capsys)
    assert code == 0
    assert "consolidated metadata" in err


def test_commands_report_that_they_cannot_list_a_group(web, capsys, tmp_path):
    for args in (["tree"], ["info"], ["check"], ["checksum"]):
        code, _, err = run([*args, f"{web.url}/p3.zarr"], capsys)
        assert code
        assert "cannot list" in err
        assert "<" not in err
    code, _, err = run(["copy", f"{web.url}/p3.zarr", str(tmp_path / "x.zarr")], capsys)
    assert code
    assert "cannot list" in err
    assert not (tmp_path / "x.zarr").exists()


def test_tree_does_not_request_millions_of_chunks(tmp_path, capsys):
    zarr.create_array(tmp_path / "huge.zarr", shape=(2**40,), chunks=(1,), dtype="u1")
    with web_server(tmp_path) as web:
        code, out, _ = run(["tree", f"{web.url}/huge.zarr", "--json"], capsys)
        assert code == 0
        assert json.loads(out)["nodes"][0]["nbytes_stored"] is None
        code, out, _ = run(["tree", f"{web.url}/huge.zarr"], capsys)
        assert "not known" in out
        code, out, _ = run(["info", f"{web.url}/huge.zarr"], capsys)
        assert code == 0
        assert "not known" in out
        assert len(web.seen) < 50
