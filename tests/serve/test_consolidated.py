"""Consolidated metadata that is made when it is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import exzarr
from exzarr.errors import ArgumentError
from exzarr.serve import ServeOptions, app
from exzarr.serve.consolidated import LASTS_SECONDS, ConsolidatingStore
from exzarr.stores import MemoryStore, Store, StoreWrapper
from exzarr.stores.traits import StoreTraits
from tests.serve.asgi import ask

OPTIONS = ServeOptions(consolidate=True)


def hierarchy(zarr_format: Any) -> Store:
    store = MemoryStore()
    root = exzarr.open_group(store, mode="w", zarr_format=zarr_format, attributes={"title": "root"})
    root.create_array("sub/a", shape=(4,), dtype="u1", attributes={"units": "m"})
    root.create_group("sub/empty")
    return store


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_document_equals_the_one_that_exzarr_stores(zarr_format: Any) -> None:
    store = hierarchy(zarr_format)
    document = "/zarr.json" if zarr_format == 3 else "/.zmetadata"
    made = {path: ask(app(store, OPTIONS), "GET", path + document) for path in ("", "/sub", "/sub/empty")}
    assert all(one.status == 200 for one in made.values())
    for path, one in made.items():
        exzarr.consolidate_metadata(store, path=path[1:])
        assert json.loads(one.body) == json.loads(bytes(store.get((path + document)[1:]) or b""))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_document_has_a_tag_and_parts(zarr_format: Any) -> None:
    served = app(hierarchy(zarr_format), OPTIONS)
    document = "/zarr.json" if zarr_format == 3 else "/.zmetadata"
    whole = ask(served, "GET", document)
    tag = whole.headers["etag"]
    assert ask(served, "GET", document, if_none_match=tag).status == 304
    part = ask(served, "GET", document, range="bytes=-20", if_range=tag)
    assert (part.status, part.body) == (206, whole.body[-20:])
    assert ask(served, "HEAD", document).headers["content-length"] == str(len(whole.body))


def test_other_documents_are_those_of_the_store() -> None:
    store = hierarchy(3)
    served = app(store, OPTIONS)
    assert ask(served, "GET", "/sub/a/zarr.json").body == store.get("sub/a/zarr.json")
    assert ask(served, "GET", "/.zmetadata").status == 404
    assert ask(served, "GET", "/nothing/zarr.json").status == 404


def test_change_is_seen_after_two_seconds() -> None:
    now = [100.0]
    store = hierarchy(3)
    made = ConsolidatingStore(store, lambda: now[0])
    first = made.get("zarr.json")
    exzarr.open_group(store).create_group("new")
    assert made.get("zarr.json") == first
    now[0] += LASTS_SECONDS
    assert b'"new"' in bytes(made.get("zarr.json") or b"")


def test_stored_consolidated_metadata_is_replaced() -> None:
    store = hierarchy(3)
    exzarr.consolidate_metadata(store)
    store.put("new/zarr.json", b'{"zarr_format": 3, "node_type": "group"}')  # by another writer
    document = json.loads(ask(app(store, OPTIONS), "GET", "/zarr.json").body)
    assert "new" in document["consolidated_metadata"]["metadata"]


def test_unreadable_node_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    store = hierarchy(3)
    store.put("sub/bad/zarr.json", b'{"zarr_format": 3, "node_type": "tree"}')
    served = app(store, OPTIONS)
    document = json.loads(ask(served, "GET", "/zarr.json").body)
    assert sorted(document["consolidated_metadata"]["metadata"]) == ["sub", "sub/a", "sub/empty"]
    assert "sub/bad" in caplog.text
    assert ask(served, "GET", "/sub/bad/zarr.json").body == store.get("sub/bad/zarr.json")


class NoListing(StoreWrapper):
    @property
    def traits(self) -> StoreTraits:  # type: ignore[override]
        return replace(self.inner.traits, lists=False)


def test_store_that_cannot_list_is_refused() -> None:
    store = NoListing(hierarchy(3))
    with pytest.raises(ArgumentError, match="lists"):
        app(store, OPTIONS)
