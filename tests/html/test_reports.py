"""Every report that prints as text has HTML that is escaped, well-formed, and has the same figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import cost
from tests.html.test_fragments import parsed

NAME = "a<b>&"


def filled() -> exzarr.Group:
    """Return a group with an array that has a damaged and a missing chunk."""
    root = exzarr.create_group(exzarr.stores.MemoryStore())
    a = root.create_array(NAME, shape=(40, 10), chunks=(10, 5), dtype="i4", checksum=True)
    a[:30] = np.arange(300).reshape(30, 10)
    root.store.put(f"{NAME}/c/0/0", b"damaged")
    return root


def node(root: exzarr.Group) -> exzarr.Array:
    return root.get_array(NAME)


def stats(root: exzarr.Group) -> Any:
    stream = node(root).chunk_stream(on_error="skip")
    assert len([*stream]) == 7
    return stream.stats


def ingested(root: exzarr.Group) -> Any:
    blocks = [np.ones((10, 10), "i4"), np.ones((3, 4), "i4")]
    return exzarr.ingest(node(root), blocks, key="<gateway>", on_error="skip")


REPORTS: dict[str, tuple[Callable[[exzarr.Group], Any], list[str]]] = {
    "explain": (lambda root: node(root).explain[:25, 3], ["a&lt;b&gt;&amp;", "100 B", "wanted"]),
    "explain write": (lambda root: node(root).explain.write[:25, 3], ["0 whole, 3 in part", "to encode"]),
    "stats": (stats, ["chunks", "failed", "<td>1</td>"]),
    "check": (lambda root: exzarr.check(root, deep=True), ["EXZ", "a&lt;b&gt;&amp;/c/0/0"]),
    "plan": (
        lambda root: exzarr.check(root, deep=True).plan(quarantine=True),
        ["because", "a&lt;b&gt;&amp;/c/0/0"],
    ),
    "repair": (
        lambda root: exzarr.repair(root, exzarr.check(root, deep=True).plan(quarantine=True)),
        ["done", "a&lt;b&gt;&amp;/c/0/0"],
    ),
    "copy": (
        lambda root: exzarr.copy(root, exzarr.stores.MemoryStore()),
        ["1 group and 1 array", "from", "to"],
    ),
    "diff": (
        lambda root: exzarr.diff(exzarr.create_group(exzarr.stores.MemoryStore()), root),
        ["Different", "only in the right", "/a&lt;b&gt;&amp;"],
    ),
    "ingest": (ingested, ["&lt;gateway&gt;", "1 blocks, 10 rows", "Left out"]),
    "batches": (
        lambda root: exzarr.batches(node(root), 8, shuffle="window").explain(),
        ["5 batches of 8 of 40 samples"],
    ),
    "written": (lambda root: node(root).write_stream([]), ["Written", "0 items"]),
    "cost": (lambda root: cost.of(node(root).explain[:], cost.prices("s3")), ["requests", "prices"]),
    "where": (
        lambda root: node(root).where(exzarr.value > 200).explain(),
        ["where value &gt; 200", "no statistics", "to read"],
    ),
    "sync": (
        lambda root: exzarr.sync(root, exzarr.stores.MemoryStore(), dry_run=True),
        ["would sync", "2 created", "/a&lt;b&gt;&amp;"],
    ),
    "info": (lambda root: root.info_complete(), ["<th>Arrays</th><td>1</td>"]),
}


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str) -> None:
    make, words = REPORTS[name]
    html = make(filled())._repr_html_()
    parsed(html)
    for word in words:
        assert word in html
