"""Counts of stored chunks, and printed properties of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import exzarr


@pytest.mark.parametrize(
    "options",
    [
        {"zarr_format": 2},
        {"zarr_format": 2, "chunk_key_encoding": "/"},
        {},
        {"chunk_key_encoding": "v2"},
        {"chunk_key_encoding": ("default", ".")},
        {"shards": (6, 6)},
        {"shards": {"shape": (6, 6), "index_location": "start"}},
        {"shards": (21, 21)},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["", "g/a"])
def test_stored_chunks_are_counted_as_zarr_python_counts_them(
    tmp_path: Path, options: Any, name: str
) -> None:
    a = exzarr.create_array(tmp_path, name=name, shape=(11, 13), chunks=(3, 3), dtype="f4", **options)
    theirs = zarr.open_array(tmp_path, path=name, mode="r")
    assert a.nchunks_initialized == theirs.nchunks_initialized == 0
    a[0:4, 0:4] = 1
    a[10, 12] = 1
    theirs = zarr.open_array(tmp_path, path=name, mode="r")
    assert a.nchunks == theirs.nchunks
    assert a.cdata_shape == theirs.cdata_shape
    assert a.nchunks_initialized == 5
    if "shards" not in options:  # zarr-python before 3.1.2 counts whole shards
        assert theirs.nchunks_initialized == 5
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in
              ("zarr.json", ".zarray", ".zattrs", ".zgroup")]  # fmt: skip
    assert a.nbytes_stored == sum(path.stat().st_size for path in stored)


def test_other_keys_are_not_counted_as_chunks() -> None:
    a = exzarr.create_array(None, data=np.ones((4, 4), "i1"), chunks=2)
    nbytes = a.nbytes_stored
    for key in ("c/0", "c/0/0/0", "c/2/0", "c/00/1", "c/a/b", "0.0", "notes.txt", "c"):
        a.store.put(key, b"12345")
    assert a.nchunks_initialized == 4
    assert a.nbytes_stored == nbytes


def test_zero_dimensional_array_is_counted() -> None:
    for zarr_format in (2, 3):
        a = exzarr.create_array(None, shape=(), dtype="i1", zarr_format=zarr_format)  # type: ignore[arg-type]
        assert (a.nchunks, a.nchunks_initialized) == (1, 0)
        a[()] = 5
        assert (a.nchunks, a.nchunks_initialized) == (1, 1)


def test_a_broken_shard_is_named() -> None:
    a = exzarr.create_array(None, data=np.ones((4, 4), "i1"), chunks=2, shards=4)
    a.store.put("c/0/0", b"x" * 200)
    with pytest.raises(exzarr.ChunkCorruptError, match=r"key 'c/0/0'"):
        a.nchunks_initialized  # noqa: B018


def test_info_has_array_properties() -> None:
    a = exzarr.create_array(
        None, data=np.ones((4, 6), "f4"), chunks=2, shards=4, compressors="gzip", filters=[{"name": "bitround",
        "configuration": {"keepbits": 3}}], dimension_names=["y", None],
    )  # fmt: skip
    facts = a.info_complete().asdict()
    assert facts["shape"] == (4, 6)
    assert facts["chunks"] == (2, 2)
    assert facts["shards"] == (4, 4)
    assert facts["nchunks"] == facts["nchunks_initialized"] == 6
    assert facts["nbytes"] == 96
    assert facts["ratio"] == 96 / facts["nbytes_stored"]
    assert [codec["name"] for codec in facts["filters"]] == ["bitround"]
    assert facts["serializer"]["name"] == "bytes"
    assert [codec["name"] for codec in facts["compressors"]] == ["gzip"]
    text = str(a.info_complete())
    for line in (
        "Shape          (4, 6) (y, -)",
        "Shards         (4, 4)",
        "Chunks stored  6 (100%)",
        "Fill value     0.0",
    ):
        assert line in text.splitlines()
    assert "Chunks stored" not in str(a.info)
    assert a.info.asdict()["nbytes_stored"] is None


def test_info_of_arrays_with_unknown_codecs() -> None:
    a = exzarr.create_array(None, shape=(4,), dtype="i1")
    document = bytes(a.store.get("zarr.json") or b"").replace(b'"zstd"', b'"from the future"')
    a.store.put("zarr.json", document)
    opened = exzarr.open_array(a.store)
    assert "from the future(level=" in str(opened.info)
    assert "from the future" in opened._repr_html_()
    with pytest.raises(exzarr.UnsupportedError, match="from the future"):
        opened[:]


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (30, 7), (4, 300, 2)])
@pytest.mark.parametrize("chunks", ["auto", 2])
def test_html_representation(shape: tuple[int, ...], chunks: Any) -> None:
    html = exzarr.zeros(shape, chunks=chunks)._repr_html_()
    assert html.count("<table") == html.count("</table>") == 2
    assert html.count("<svg") == (1 if shape and 0 not in shape else 0)
    varying = exzarr.create_array(None, shape=(10,), chunks=([3, 7],), dtype="i1")
    assert "varying in shape" in varying._repr_html_()
    assert "rectilinear" in repr(varying)


def test_filters_serializer_and_compressors() -> None:
    a = exzarr.create_array(
        None,
        shape=(4, 4),
        dtype=">f8",
        zarr_format=2,
        filters={"id": "delta", "dtype": ">f8"},
        compressors="zlib",
    )
    assert [codec.to_config()["dtype"] for codec in a.filters] == [">f8"]
    assert a.serializer is None
    assert [codec.name for codec in a.compressors] == ["numcodecs.zlib"]
    assert exzarr.zeros(3, compressors=None, zarr_format=2).compressors == ()
