"""The size of the store contract, and what documentation says about it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from exzarr.errors import ArgumentError
from exzarr.stores import (
    ListableStore,
    MemoryStore,
    PrefixStore,
    ReadableStore,
    ReadOnlyStore,
    Store,
    StoreTraits,
    StoreWrapper,
    WritableStore,
)

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "stores.md").read_text(encoding="utf-8")


def methods(kind: type[Any]) -> set[str]:
    return {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}


def test_guide_counts_and_lists_the_methods_of_a_store() -> None:
    required = Store.__abstractmethods__
    more = methods(Store) - required
    assert required == {"get", "put", "delete", "list", "list_dir"}
    assert f"`Store` has {len(more)} more methods" in GUIDE
    assert Store.__module__ == "exzarr.stores.base"
    table = GUIDE.partition("| methods | purpose |")[2].partition("\n\n")[0]
    first = "".join(line.split("|")[1] for line in table.splitlines() if line.count("|") > 2)
    assert set(re.findall(r"`(\w+)`", first)) == more


def test_guide_lists_the_traits_and_their_defaults() -> None:
    for one in fields(StoreTraits):
        assert f"| `{one.name}` | {one.default} |" in GUIDE


def test_wrapper_forwards_all_methods_that_do_not_call_other_methods() -> None:
    # `exists` calls `size`. A staging area and a read-only view would go around the wrapper.
    assert methods(Store) - methods(StoreWrapper) == {"exists", "staging_area", "as_read_only"}


def test_wrappers_have_the_traits_of_their_store() -> None:
    inner = MemoryStore()
    store = StoreWrapper(PrefixStore(inner, "p"))
    assert store.traits is inner.traits
    inner.traits = StoreTraits(concurrency=7, lists=False)
    assert store.traits is inner.traits
    view = ReadOnlyStore(store)
    assert view.traits == StoreTraits(read_only=True, concurrency=7, lists=False)
    assert (view.read_only, store.read_only) == (True, False)


def test_store_has_all_parts_of_the_contract() -> None:
    def read(store: ReadableStore) -> Any:
        return store.get("k")

    def write(store: WritableStore) -> None:
        store.put("k", b"1")

    def names(store: ListableStore) -> Any:
        return [*store.list()]

    store = MemoryStore()
    write(store)
    assert (read(store), names(store)) == (b"1", ["k"])


@pytest.mark.parametrize("name", [one.name for one in fields(StoreTraits)])
def test_trait_outside_of_traits_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"Mine.{name} has no effect: set traits = StoreTraits\({name}"):
        type("Mine", (MemoryStore,), {name: True})
