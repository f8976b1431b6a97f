"""Groups of both formats, in the writable stores."""

from __future__ import annotations

from typing import Any

import pytest

import exzarr


@pytest.fixture(params=["memory", "local"])
def store(request: Any, tmp_path: Any) -> exzarr.Store:
    return exzarr.MemoryStore() if request.param == "memory" else exzarr.LocalStore(tmp_path / "store")


@pytest.fixture(params=[3, 2])
def zarr_format(request: Any) -> Any:
    return request.param


@pytest.fixture
def root(store: exzarr.Store, zarr_format: Any) -> exzarr.Group:
    return exzarr.create_group(store, zarr_format=zarr_format)
