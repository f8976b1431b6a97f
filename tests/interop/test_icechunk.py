"""Repositories of icechunk: transactions, branches and conflicts, through exzarr."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import exzarr
from exzarr.errors import StoreError
from exzarr.stores import ZarrPythonStore

icechunk = pytest.importorskip("icechunk")

DATA = np.arange(100.0).reshape(10, 10)


@pytest.fixture
def repo():
    return icechunk.Repository.create(icechunk.in_memory_storage())


@pytest.fixture
def committed(repo):
    session = repo.writable_session("main")
    root = exzarr.create_group(session.store, attributes={"title": "t"})
    root.create_array("a", data=DATA, chunks=(4, 4))
    root.create_array("s", data=DATA, chunks=(2, 2), shards=(4, 4))
    session.commit("first")
    return repo


def read(repo, path, branch="main"):
    return exzarr.open(repo.readonly_session(branch).store, path=path)


def test_write_commit_and_read(committed):
    root = exzarr.open(committed.readonly_session("main").store)
    assert root.read_only
    assert root.attrs["title"] == "t"
    assert sorted(root) == ["a", "s"]
    for name in root:
        assert np.array_equal(root[name][...], DATA)
        assert np.array_equal(root[name][1:9:3, ::-2], DATA[1:9:3, ::-2])
    assert exzarr.check(committed.readonly_session("main").store).ok
    assert read(committed, "s").store.transactional
    assert read(committed, "s").store.traits.documents_first


def test_others_see_changes_after_the_commit_only(committed):
    session = committed.writable_session("main")
    exzarr.open(session.store, path="a")[1:3, 5] = -1
    assert np.array_equal(read(committed, "a")[...], DATA)
    session.commit("second")
    assert read(committed, "a")[2, 5] == -1


def test_zarr_python_reads_what_exzarr_commits(committed):
    import zarr

    theirs = zarr.open_group(committed.readonly_session("main").store, mode="r")
    assert np.array_equal(theirs["s"][...], DATA)


def test_partial_writes_of_threads_in_one_session_lose_nothing(committed):
    session = committed.writable_session("main")
    s = exzarr.open(session.store, path="s")

    def write(row):
        s[row] = row

    threads = [threading.Thread(target=write, args=(row,)) for row in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.commit("rows")
    assert np.array_equal(read(committed, "s")[:, 3], np.arange(10.0))


def test_branches(committed):
    committed.create_branch("draft", committed.lookup_branch("main"))
    session = committed.writable_session("draft")
    exzarr.open(session.store, path="a")[...] = 0
    session.commit("empty")
    assert not read(committed, "a", "draft")[...].any()
    assert read(committed, "a")[...].any()


def test_sessions_that_change_one_chunk_are_in_conflict(committed):
    one, two = committed.writable_session("main"), committed.writable_session("main")
    exzarr.open(one.store, path="a")[0, 0] = 1
    exzarr.open(two.store, path="a")[0, 1] = 2
    assert exzarr.open(one.store).store != exzarr.open(two.store).store
    one.commit("one")
    with pytest.raises(icechunk.ConflictError):
        two.commit("two")
    with pytest.raises(icechunk.RebaseFailedError):
        two.rebase(icechunk.ConflictDetector())


def test_sessions_that_change_different_chunks_are_rebased(committed):
    one, two = committed.writable_session("main"), committed.writable_session("main")
    exzarr.open(one.store, path="a")[0, 0] = 1
    exzarr.open(two.store, path="a")[9, 9] = 2
    one.commit("one")
    with pytest.raises(icechunk.ConflictError):
        two.commit("two")
    two.rebase(icechunk.ConflictDetector())
    two.commit("two")
    assert read(committed, "a")[0, 0] == 1
    assert read(committed, "a")[9, 9] == 2


def test_append_resize_and_replace(committed):
    session = committed.writable_session("main")
    root = exzarr.open(session.store, mode="r+")
    assert root["a"].append(np.ones((3, 10))) == (13, 10)
    root["s"].resize((5, 10))
    root["s"].resize((7, 10))
    root.create_array("b", data=np.arange(7))
    root.create_array("b", data=np.arange(5), chunks=(2,), overwrite=True)
    root.create_group("g/h")
    del root["g"]
    session.commit("grown")
    a, s = read(committed, "a"), read(committed, "s")
    assert np.array_equal(a[:10], DATA)
    assert (a[10:] == 1).all()
    assert np.array_equal(s[:5], DATA[:5])
    assert not s[5:].any()
    assert read(committed, "b")[...].tolist() == [0, 1, 2, 3, 4]
    assert sorted(read(committed, "")) == ["a", "b", "s"]
    assert exzarr.check(committed.readonly_session("main").store).ok


def test_a_failed_append_leaves_the_document(committed):
    session = committed.writable_session("main")
    a = exzarr.open(session.store, path="a")
    put = a.store.inner.set

    async def fail(key, value):
        if "/c/" in key:
            raise OSError(5, "broken")
        await put(key, value)

    a.store.inner.set = fail
    with pytest.raises(StoreError, match="broken"):
        a.append(np.ones((4, 10)))
    a.store.inner.set = put
    assert exzarr.open(session.store, path="a").shape == (10, 10)


def test_copies_in_both_directions(committed):
    memory = exzarr.MemoryStore()
    exzarr.copy(committed.readonly_session("main").store, memory)
    assert np.array_equal(exzarr.open(memory)["s"][...], DATA)
    session = committed.writable_session("main")
    exzarr.copy(memory, session.store, path="copy")
    session.commit("copy")
    assert np.array_equal(read(committed, "copy/s")[...], DATA)


def test_format_2_is_refused(committed):
    with pytest.raises(StoreError, match="V2"):
        exzarr.create_array(
            committed.writable_session("main").store, name="v2", shape=3, dtype="i2", zarr_format=2
        )


def test_pickles_of_read_only_sessions(tmp_path):
    repo = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path)))
    session = repo.writable_session("main")
    exzarr.create_array(session.store, data=DATA)
    assert not ZarrPythonStore(session.store).traits.picklable
    session.commit("first")
    a = read(repo, "")
    assert a.store.traits.picklable
    assert np.array_equal(pickle.loads(pickle.dumps(a))[...], DATA)


def test_forks_of_a_session_are_merged(tmp_path):
    repo = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path)))
    session = repo.writable_session("main")
    exzarr.create_array(session.store, data=DATA, chunks=(5, 5))
    session.commit("first")
    session = repo.writable_session("main")
    fork = pickle.loads(pickle.dumps(session.fork()))
    exzarr.open(fork.store)[9, 9] = -1
    session.merge(fork)
    session.commit("merged")
    assert read(repo, "")[9, 9] == -1


# -- addresses --------------------------------------------------------------------------------------


@pytest.fixture
def repo_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    repo = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    session = repo.writable_session("main")
    exzarr.create_array(session.store, name="g/a", data=DATA)
    repo.create_tag("v1", session.commit("first"))
    session = repo.writable_session("main")
    exzarr.open(session.store, path="g/a")[0, 0] = -1
    session.commit("second")
    return repo


def test_addresses_of_branches_tags_and_snapshots(repo_folder):
    snapshot = repo_folder.lookup_tag("v1")
    for version, first in [
        ("icechunk:", -1),
        ("icechunk", -1),
        ("icechunk://branch.main/", -1),
        ("icechunk:@branch.main/", -1),
        ("icechunk://tag.v1", 0),
        (f"icechunk://{snapshot}/", 0),
    ]:
        assert exzarr.open(f"repo|{version}|zarr3:g/a")[0, 0] == first
    assert exzarr.open("repo/|icechunk:g/a")[0, 0] == -1
    a = exzarr.open("repo/|icechunk://tag.v1/g/a")
    assert a[0, 0] == 0
    assert a.store.url == "repo/|icechunk://tag.v1"
    assert pickle.loads(pickle.dumps(a))[1, 1] == 11


@pytest.mark.parametrize(
    ("address", "mode", "error", "message"),
    [
        ("repo|icechunk://branch.no/", None, "NodeNotFoundError", "stage 2, .*icechunk cannot open it: .*`no`"),
        ("no|icechunk:", None, "NodeNotFoundError", "stage 2, 'icechunk:', .* there is no folder"),
        ("repo|icechunk:", "r+", "ReadOnlyError", r"writable_session\('main'\).*mode='r\+'.*commit"),
        ("memory:x|icechunk:", None, "UnsupportedError", "at memory:// are not opened .*storage\\)"),
        ("az://c/repo|icechunk:", None, "UnsupportedError", r"Repository\.open\(icechunk\.azure_storage\(\.\.\.\)\)"),
        ("repo|icechunk:|zarr2:g/a", None, "NodeNotFoundError", "has Zarr format 3, not 2"),
    ],
)  # fmt: skip
def test_errors_of_addresses_name_the_stage(repo_folder, address, mode, error, message):
    with pytest.raises(getattr(exzarr.errors, error), match=message):
        exzarr.open(address, **({} if mode is None else {"mode": mode}))


def test_addresses_in_a_bucket(s3_server):
    bucket = s3_server.make_bucket()
    options = s3_server._access()
    storage = icechunk.s3_storage(
        bucket=bucket,
        prefix="repo",
        region=options["region"],
        endpoint_url=options["endpoint"],
        access_key_id=options["access_key_id"],
        secret_access_key=options["secret_access_key"],
        allow_http=True,
        force_path_style=True,
    )
    session = icechunk.Repository.create(storage).writable_session("main")
    exzarr.create_array(session.store, name="a", data=DATA)
    session.commit("first")
    for given in (options, s3_server.options()):
        a = exzarr.open(f"s3://{bucket}/repo|icechunk:|zarr3:a", storage_options=given)
        assert np.array_equal(a[...], DATA)
