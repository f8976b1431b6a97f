"""Arrays and groups in notebooks: which chunks are stored, what is looked up, and codecs in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr._nodes.words import compression_words, filter_words
from exzarr.stores import CountingStore, MemoryStore
from tests.gallery.browser import new_page


def filled_cells(html: str) -> int:
    return sum(
        [path.count("M") for path in re.findall(r"<path d='([^']*)' stroke='none' fill='#4c8dca'", html)]
    )


def test_stored_and_missing_chunks_are_drawn_and_counted() -> None:
    a = exzarr.create_array(None, shape=(40, 60), chunks=(10, 10), dtype="i4", dimension_names=("y", "x"))
    a[:20, :30] = 1
    html = a._repr_html_()
    assert filled_cells(html) == 6
    assert "in 6 of 24 chunks" in html
    assert "times smaller" not in html
    a[...] = 1
    assert "in 24 of 24 chunks" in a._repr_html_()
    assert "times smaller" in a._repr_html_()


@pytest.mark.parametrize("shape", [(100, 100), (4, 100, 100), (2, 3, 4, 50, 20)])
def test_shares_of_large_grids_agree_with_numpy(shape: tuple[int, ...]) -> None:
    from exzarr._nodes.array_html import _drawn, _look

    a = exzarr.create_array(None, shape=shape, chunks=(1,) * len(shape[:-2]) + (2, 2), dtype="u1")
    data = np.random.default_rng(0).integers(
        0, 2, [-(-n // c) for n, c in zip(shape, a.chunks or (), strict=True)]
    )
    for axis, size in enumerate(a.chunks or ()):
        data = data.repeat(size, axis)
    a[...] = data[tuple([slice(n) for n in shape])]
    axes, stored = _drawn(a.metadata, _look(a._location, a.metadata))
    assert stored is not None
    present: Any = data[tuple([slice(None, None, size) for size in a.chunks or ()])]
    present = present.mean(axis=tuple(range(present.ndim - len(axes))))
    for axis in range(present.ndim):
        count, cells = present.shape[axis], len(axes[axis].edges) - 1
        starts = np.searchsorted(np.arange(count) * cells // count, np.arange(cells))
        lengths = np.diff([*starts, count])
        sums = np.add.reduceat(present, starts, axis=axis)
        present = sums / lengths.reshape([-1 if i == axis else 1 for i in range(present.ndim)])
    np.testing.assert_allclose(stored, present)


def test_chunks_are_not_looked_up_in_slow_stores_or_huge_grids() -> None:
    inner = MemoryStore()
    exzarr.create_array(inner, data=np.ones((4, 4), "u1"), chunks=(1, 1))
    counting = CountingStore(exzarr.stores.LatencyStore(inner, 0.0))
    a = exzarr.open_array(counting)
    before = counting.total
    html = a._repr_html_()
    assert counting.total == before
    assert "slow to answer; info_complete() counts them" in html
    huge = exzarr.zeros((2**40, 2**40), chunks=(1000, 1000), dtype="u1")
    assert "there may be many" in huge._repr_html_()


def test_group_of_a_store_that_cannot_list() -> None:
    class NoListing(exzarr.stores.StoreWrapper):
        def list_dir(self, prefix: str = "") -> Any:
            raise exzarr.errors.ListingUnsupportedError("this server does not list <keys>")

    inner = MemoryStore()
    exzarr.create_group(inner, attributes={"title": "many"})
    html = exzarr.open_group(NoListing(inner), mode="r", use_consolidated=False)._repr_html_()
    assert "this server does not list &lt;keys&gt;" in html
    assert "title" in html


def test_array_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    import shutil

    a = exzarr.create_array(tmp_path / "a.zarr", data=np.ones(4))
    shutil.rmtree(tmp_path / "a.zarr")
    assert "0 of 1 chunks" in a._repr_html_()


def test_sizes_of_an_empty_array_and_of_a_scalar() -> None:
    empty = exzarr.create_array(None, shape=(0, 5), chunks=(10, 5), dtype="f8")._repr_html_()
    assert "<td class=number>0 B</td><td class=number>400 B</td>" in empty
    scalar = exzarr.create_array(None, data=np.float64(3))._repr_html_()
    assert "<td class=number>8 B</td><td class=number>8 B</td>" in scalar
    assert "times larger than in memory" in scalar


def test_a_long_fill_value_is_cut() -> None:
    a = exzarr.create_array(None, shape=3, dtype="str", fill_value="x" * 10_000)
    assert "characters)" in a._repr_html_()
    assert len(a._repr_html_()) < 6000


def test_attributes_and_shards_are_shown() -> None:
    a = exzarr.create_array(
        None, data=np.ones((8, 8), "u1"), chunks=(2, 2), shards=(4, 4), attributes={"units": "<K>"}
    )
    html = a._repr_html_()
    assert "&lt;K&gt;" in html
    assert "in 4 of 4 shards" in html
    assert re.search(
        r"Shape</td><td class=number>8 × 8</td><td class=number>4 × 4</td><td class=number>2 × 2<", html
    )


def test_trees_show_a_limited_number_of_nodes() -> None:
    root = exzarr.create_group(MemoryStore(), attributes={"title": "many"})
    for i in range(1200):
        root.store.put(f"g{i}/zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {"n": 1}}')
    html = exzarr.open_group(root.store)._repr_html_()
    assert "and 200 more" in html
    assert html.count("Attributes") == 1001


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"name": "zstd", "configuration": {"level": 3, "checksum": False}}, "Zstandard, level 3"),
        ({"id": "zlib", "level": 1}, "zlib, level 1"),
        (
            {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle"}},
            "Blosc with Zstandard, level 5, bits shuffled",
        ),
        (
            {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1},
            "Blosc with LZ4, level 1, bytes shuffled",
        ),
        ({"id": "blosc", "cname": "new", "clevel": 1, "shuffle": []}, "Blosc with new, level 1"),
        ({"name": "crc32c"}, "CRC32C checksum"),
        ({"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}, "bytes shuffled"),
        ({"name": "my.codec", "configuration": {"a": 1, "b": [2]}}, "my.codec (a=1, b=[2])"),
    ],
)
def test_compression_in_words(configuration: dict[str, Any], words: str) -> None:
    assert compression_words([configuration]) == words
    assert compression_words([configuration, {"name": "crc32c"}]) == f"{words}, then CRC32C checksum"


def test_filters_in_words() -> None:
    assert compression_words([]) == "none"
    assert filter_words([]) == ""
    assert filter_words([{"id": "delta", "dtype": "<i4"}]) == "differences of neighbours (dtype=<i4)"
    assert (
        filter_words([{"name": "transpose", "configuration": {"order": [1, 0]}}])
        == "dimensions transposed (order=[1, 0])"
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawing_in_a_browser(scheme: str, tmp_path: Path) -> None:
    """Stored and missing chunks have different colours, and text is readable on both backgrounds."""
    from PIL import Image

    a = exzarr.create_array(None, shape=(20, 20), chunks=(10, 10), dtype="i4", attributes={"a": "b"})
    a[:10] = 1
    colours = {"light": ("#ffffff", "#111111"), "dark": ("#111111", "#eeeeee")}[scheme]
    page_html = (
        f"<!doctype html><meta charset=utf-8><body style='background:{colours[0]};color:{colours[1]}'>"
    )
    with new_page(viewport={"width": 1000, "height": 400}) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.set_content(page_html + a._repr_html_())
        box = page.locator("svg").bounding_box()
        page.screenshot(path=tmp_path / "page.png")
        page.locator("summary").click()
        assert page.get_by_text("b", exact=True).is_visible()
    assert not [url for url in requests if not url.startswith("about:")]
    picture = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    x, y = int(box["x"]) + 30, int(box["y"]) + 30
    stored, missing = picture[y, x], picture[y + 60, x]
    assert abs(stored - missing).sum() > 60
    assert abs(missing - picture[2, 2]).sum() < 20, "missing chunks have the background's colour"
