"""VirtualiZarr's ManifestStore: references to the chunks of other files, in memory."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest

import exzarr
from exzarr.errors import NodeNotFoundError, ReadOnlyError

pytest.importorskip("virtualizarr")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def manifests(tmp_path):
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import HDFParser

    with h5py.File(tmp_path / "x.h5", "w") as file:
        t = file.create_dataset("t", data=np.arange(200.0).reshape(10, 20), chunks=(5, 5), compression="gzip")
        t.attrs["units"] = "K"
        file.create_group("g")["u"] = np.arange(5)
    return HDFParser()(url=f"file://{tmp_path}/x.h5", registry=ObjectStoreRegistry({"file://": LocalStore()}))


def test_manifests_are_read(manifests):
    root = exzarr.open(manifests)
    assert root.read_only
    assert sorted(root) == ["g", "t"]
    assert np.array_equal(root["t"][2:9, ::3], np.arange(200.0).reshape(10, 20)[2:9, ::3])
    assert root["t"].attrs["units"] == "K"
    assert root["g/u"][...].tolist() == [0, 1, 2, 3, 4]
    assert "g" in str(exzarr.tree(manifests))


def test_missing_nodes_are_not_found(manifests):
    root = exzarr.open(manifests)
    assert "t" in root
    for path in ("no", "g/no", "no/no"):
        assert path not in root
        with pytest.raises(NodeNotFoundError):
            root[path]


def test_manifests_are_copied_and_pickled(manifests):
    memory = exzarr.MemoryStore()
    exzarr.copy(manifests, memory)
    assert exzarr.open(memory)["t"][2, 3] == 43
    assert pickle.loads(pickle.dumps(exzarr.open(manifests)))["t"][2, 3] == 43


def test_manifests_are_read_only(manifests):
    with pytest.raises(ReadOnlyError, match="the ManifestStore is read-only"):
        exzarr.open(manifests, mode="r+")
