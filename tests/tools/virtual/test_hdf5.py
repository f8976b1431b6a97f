"""HDF5 files with links, filters, attributes and damage. h5py and hdf5plugin are the reference."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

import exzarr
from exzarr.errors import ExzarrError, StoreError, UnsupportedError
from exzarr.stores import MemoryStore

CORPUS = Path(__file__).parents[2] / "corpus" / "hdf5"
DATA = np.arange(1000)


def arrays(group):
    return sorted(name for name, node in group.walk() if isinstance(node, exzarr.Array))


def left_out(group):
    return {(one.kind, one.path, one.name) for one in group.left_out}


def references(group, *names):
    """Return the references of the chunks of some arrays."""
    refs = group.store._set
    return [[refs.get(f"{name}/{at}") for at in range(10)] for name in names]


# -- links -------------------------------------------------------------------------


def test_links_of_the_corpus_are_followed_and_the_missing_file_is_named():
    group = exzarr.virtualize(CORPUS / "links.h5")
    assert arrays(group) == ["a/x", "group_link/x", "hard", "soft"]
    for name in arrays(group):
        assert group[name][...].tolist() == [0, 1, 2]
    assert left_out(group) == {
        ("link", "outside", ""),
        ("link", "a/loop", ""),
        ("link", "group_link/loop", ""),
    }
    reasons = {one.path: one.reason for one in group.left_out}
    assert "'elsewhere.h5', which is missing" in reasons["outside"]
    assert "leads back" in reasons["a/loop"]
    assert left_out(group["a"]) == {("link", "a/loop", "")}


def test_second_names_refer_to_the_same_chunks(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("g/sub/x", data=DATA, chunks=(100,)).attrs["units"] = "m"
        file["hard"] = file["g/sub/x"]
        file["soft"] = h5py.SoftLink("/g/sub/x")
        file["chain"] = h5py.SoftLink("soft")
        file["g/relative"] = h5py.SoftLink("sub/x")
        file["group"] = h5py.SoftLink("/g")
        file["through"] = h5py.SoftLink("/group/sub/x")
        file["hardgroup"] = file["g"]
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    with h5py.File(tmp_path / "a.h5") as file:
        for name in arrays(group):
            assert (group[name][...] == file[name][...]).all()
            assert group[name].attrs["units"] == "m"
    names = [
        "chain", "g/relative", "g/sub/x", "group/relative", "group/sub/x", "hard", "hardgroup/relative",
        "hardgroup/sub/x", "soft", "through",
    ]  # fmt: skip
    assert arrays(group) == names
    first, *others = references(group, *names)
    assert None not in first
    assert all(other == first for other in others)
    assert not group.left_out


def test_circular_and_dangling_links_are_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = DATA
        file["a"] = h5py.SoftLink("/b")
        file["b"] = h5py.SoftLink("/a")
        file["self"] = h5py.SoftLink("/self")
        file["up"] = h5py.SoftLink("/")
        file["gone"] = h5py.SoftLink("/nowhere/at/all")
        file["below"] = h5py.SoftLink("/x/y")
        group = file.create_group("g/h")
        group["hard"] = file["g"]
    group = exzarr.virtualize(tmp_path / "a.h5")
    assert arrays(group) == ["x"]
    wanted = {("link", name, "") for name in ("a", "b", "self", "up", "gone", "below", "g/h/hard")}
    assert left_out(group) == wanted
    assert not exzarr.virtualize(tmp_path / "a.h5", exclude=[name for _, name, _ in wanted]).left_out


def test_multiplying_links_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("exzarr._tools.virtual.hdf5_links._SECOND_NAMES", 500)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        above = file.create_group("0")
        for number in range(1, 40):
            below = file.create_group(str(number))
            above["left"], above["right"] = below, below
            above = below
    with pytest.raises(UnsupportedError, match="second names"):
        exzarr.virtualize(tmp_path / "a.h5")


def test_external_links_to_files_in_the_same_folder_are_followed(tmp_path):
    (tmp_path / "sub").mkdir()
    with h5py.File(tmp_path / "sub" / "other.h5", "w") as file:
        file.create_dataset("y", data=DATA, chunks=(100,))
        file["back"] = h5py.ExternalLink("../a.h5", "/x")
        file["circle"] = h5py.ExternalLink("../a.h5", "/")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=DATA + 1, chunks=(100,))
        file["other"] = h5py.ExternalLink("sub/other.h5", "/")
        file["y"] = h5py.ExternalLink("sub/other.h5", "/y")
        file["nothing"] = h5py.ExternalLink("sub/other.h5", "/z")
    group = exzarr.virtualize(tmp_path / "a.h5", tmp_path / "refs.json", inline=0)
    assert arrays(group) == ["other/back", "other/y", "x", "y"]
    assert left_out(group) == {("link", "nothing", ""), ("link", "other/circle", "")}
    for opened in (group, exzarr.open(tmp_path / "refs.json")):
        assert (opened["y"][...] == DATA).all()
        assert (opened["other/y"][...] == DATA).all()
        assert (opened["other/back"][...] == DATA + 1).all()
    refs = json.loads((tmp_path / "refs.json").read_text())["refs"]
    assert refs["y/0"][0] == str(tmp_path / "sub" / "other.h5")

    far = MemoryStore()
    for name in ("a.h5", "sub/other.h5"):
        far.put(f"data/{name}", (tmp_path / name).read_bytes())
    group = exzarr.virtualize("s3://bucket/data/a.h5", stores={"s3://bucket/data": far_below(far)}, inline=0)
    assert (group["other/y"][...] == DATA).all()


def far_below(store):
    from exzarr.stores import PrefixStore

    return PrefixStore(store, "data")


@pytest.mark.parametrize("how", ["..", "absolute", "symlink"])
def test_external_links_cannot_open_files_outside_the_folder(tmp_path, how):
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["y"] = DATA
    (tmp_path / "data" / "link.h5").symlink_to(tmp_path / "secret.h5")
    name = {"..": "../secret.h5", "absolute": str(tmp_path / "secret.h5"), "symlink": "link.h5"}[how]
    with h5py.File(tmp_path / "data" / "a.h5", "w") as file:
        file["x"] = DATA
        file["direct"] = h5py.ExternalLink(name, "/y")
        file["group"] = h5py.ExternalLink(name, "/")
        file["through"] = h5py.SoftLink("/group/y")
    with pytest.raises(UnsupportedError, match="'direct'.*outside the folder"):
        exzarr.virtualize(tmp_path / "data" / "a.h5")
    group = exzarr.virtualize(tmp_path / "data" / "a.h5", on_unsupported="skip")
    assert arrays(group) == ["x"]
    assert left_out(group) == {("link", "direct", ""), ("link", "group", ""), ("link", "through", "")}
    assert all(name in one.reason for one in group.left_out)


# -- filters -----------------------------------------------------------------------

FILTERS = {
    "fletcher32": {"fletcher32": True},
    "all three": {"fletcher32": True, "compression": "gzip", "shuffle": True},
    "bz2": hdf5plugin.BZip2(),
    "lz4": hdf5plugin.LZ4(),
    "lz4 in blocks": hdf5plugin.LZ4(nbytes=256),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle, lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle, zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "blosc": hdf5plugin.Blosc(cname="lz4", shuffle=2),
    "zstd": hdf5plugin.Zstd(),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_read(tmp_path, name):
    values = {
        "i": np.arange(100, 1103, dtype="<i4"),
        "f": np.linspace(0, 1, 1003).astype(">f8"),
        "b": np.arange(1003).astype("u1"),
        "s": np.arange(1003).astype("S5"),
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key, data in values.items():
            file.create_dataset(key, data=data, chunks=(211,), **FILTERS[name])
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    for key, data in values.items():
        assert group[key].dtype == data.dtype
        assert (group[key][...] == data).all()
        assert any(isinstance(chunk, tuple) for chunk in references(group, key)[0])


def test_the_corpus_file_with_checksums_is_read_and_checked(tmp_path):
    group = exzarr.virtualize(CORPUS / "fletcher32.h5")
    assert group["v"][...].tolist() == list(range(100))
    with h5py.File(CORPUS / "fletcher32.h5") as file:
        at = file["v"].id.get_chunk_info(0).byte_offset
    damaged = bytearray((CORPUS / "fletcher32.h5").read_bytes())
    damaged[at + 5] ^= 1
    (tmp_path / "a.h5").write_bytes(damaged)
    with pytest.raises(ExzarrError, match="v"):
        exzarr.virtualize(tmp_path / "a.h5")["v"][...]


@pytest.mark.parametrize("mask", [0b01, 0b10, 0b11])
def test_filters_that_all_chunks_skipped_are_left_out(tmp_path, mask):
    from numcodecs import Shuffle, Zlib

    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", (1000,), "i4", chunks=(100,), compression="gzip", shuffle=True)
        for start in range(0, 1000, 100):
            data = DATA[start : start + 100].astype("<i4").tobytes()
            data = data if mask & 1 else bytes(Shuffle(4).encode(data))
            data = data if mask & 2 else bytes(Zlib().encode(data))
            made.id.write_direct_chunk((start,), data, mask)
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["x"][...] == DATA).all()
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    assert (group["x"][...] == DATA).all()


def test_chunks_that_skipped_filters_are_encoded_like_the_others(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(
            "x", data=DATA.astype(">i4"), chunks=(70,), compression="gzip", shuffle=True
        )
        made.id.write_direct_chunk((70,), DATA[70:140].astype(">i4").tobytes(), 0b11)
        raw = np.concatenate([DATA[980:], np.zeros(50, int)]).astype(">i4").tobytes()
        made.id.write_direct_chunk((980,), raw, 0b11)
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    assert (group["x"][...] == DATA).all()
    kinds = [type(group.store._set.get(f"x/{at}")) for at in range(15)]
    assert [at for at, kind in enumerate(kinds) if kind is bytes] == [1, 14]
    monkeypatch.setattr("exzarr._tools.virtual.hdf5_arrays._MOST_ENCODED", 500)
    with pytest.raises(UnsupportedError, match="'x'.*2 of its 15 chunks were written with other filters"):
        exzarr.virtualize(tmp_path / "a.h5")


def test_small_data_sets_with_unsupported_filters_are_inlined(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=DATA[:50], chunks=(10,), compression="lzf")
    assert (exzarr.virtualize(tmp_path / "a.h5")["x"][...] == DATA[:50]).all()
    with pytest.raises(UnsupportedError, match="'x'.*lzf"):
        exzarr.virtualize(tmp_path / "a.h5", inline=0)


def test_user_block_shifts_the_references(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as file:
        file.create_dataset("chunked", data=DATA, chunks=(100,))
        file.create_dataset("contiguous", data=DATA)
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    assert (group["chunked"][...] == DATA).all()
    assert (group["contiguous"][...] == DATA).all()


# -- elements ----------------------------------------------------------------------


def test_records_with_padding_are_read(tmp_path):
    dtype = np.dtype({"names": ["a", "b"], "formats": ["i1", "<f8"], "offsets": [2, 8], "itemsize": 24})
    data = np.zeros(100, dtype)
    data["a"], data["b"] = np.arange(100), np.linspace(0, 1, 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=data, dtype=dtype, chunks=(30,), compression="gzip")
        file.create_dataset("y", data=data, dtype=dtype)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"].dtype.itemsize == 24
    group = exzarr.virtualize(tmp_path / "a.h5", inline=0)
    for name in "xy":
        read = group[name][...]
        assert read.dtype.itemsize == 24
        assert (read["a"] == data["a"]).all()
        assert (read["b"] == data["b"]).all()


def test_number_formats_unknown_to_numpy_are_refused(tmp_path):
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(20)
    kind.set_offset(4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((1000,)))
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, DATA.astype("i4"))
    with pytest.raises(UnsupportedError, match="'x'.*format"):
        exzarr.virtualize(tmp_path / "a.h5")


def test_names_of_enumerations_and_named_types_are_listed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["colour"] = h5py.enum_dtype({"red": 0, "green": 1}, basetype="i1")
        file.create_dataset("x", data=DATA % 2, dtype=file["colour"].dtype)
        file.create_dataset("flags", data=DATA > 5)
    group = exzarr.virtualize(tmp_path / "a.h5")
    assert (group["x"][...] == DATA % 2).all()
    assert (group["flags"][...] == (DATA > 5)).all()
    assert left_out(group) == {("type", "colour", ""), ("type", "x", "")}
    assert "red=0, green=1" in next(one.reason for one in group.left_out if one.path == "x")


# -- attributes --------------------------------------------------------------------


def test_corpus_attributes_that_json_cannot_express_are_named():
    group = exzarr.virtualize(CORPUS / "odd_attributes.h5")
    assert group["v"][...].tolist() == [0, 1, 2, 3]
    assert group["v"].attrs["fine"] == 3
    assert dict(group.attrs) == {"title": "root"}
    assert left_out(group) == {
        ("attribute", "", "opaque"),
        ("attribute", "v", "compound"),
        ("attribute", "v", "opaque"),
    }
    assert str(group.left_out[0]).endswith("attribute 'opaque' of '/': it is opaque data of 2 bytes")


def test_attributes_that_json_can_express_are_kept(tmp_path):
    good = {
        "text": "h\u00e9llo", "bytes": np.bytes_(b"abc"), "texts": ["a", "b\u00fc"], "fixed": np.array([b"ab", b"c"]),
        "one": np.array([3]), "many": np.arange(3.0), "grid": np.arange(4).reshape(2, 2), "flag": True,
        "empty": h5py.Empty("S1"), "none": h5py.Empty("f8"), "long": np.longdouble(0.5), "big": np.uint64(2**64 - 1),
    }  # fmt: skip
    bad = {
        "latin": np.bytes_("\u00b0C".encode("latin-1")), "complex": np.complex128(1j), "precise": np.longdouble("0.1"),
        "opaque": np.void(b"abc"), "record": np.array([(1, 2.0)], "i4,f8"), "latins": np.array([b"a", b"\xb0"]),
    }  # fmt: skip
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", data=DATA)
        for item in (file, made):
            for name, value in {**good, **bad}.items():
                item.attrs[name] = value
            item.attrs["reference"] = made.ref
            ragged = np.array([np.arange(2), np.arange(3)], object)
            item.attrs.create("ragged", ragged, dtype=h5py.vlen_dtype(int))
            item.attrs["_ARRAY_DIMENSIONS"] = ["t"]
    group = exzarr.virtualize(tmp_path / "a.h5")
    wanted = {
        "text": "h\u00e9llo", "bytes": "abc", "texts": ["a", "b\u00fc"], "fixed": ["ab", "c"], "one": 3,
        "many": [0.0, 1.0, 2.0], "grid": [[0, 1], [2, 3]], "flag": True, "empty": "", "none": [], "long": 0.5,
        "big": 2**64 - 1,
    }  # fmt: skip
    assert dict(group.attrs) == wanted
    assert {name: group["x"].attrs[name] for name in wanted} == wanted
    names = {*bad, "reference", "ragged", "_ARRAY_DIMENSIONS"}
    assert left_out(group) == {("attribute", path, name) for path in ("", "x") for name in names}
    assert (group["x"][...] == DATA).all()


# -- damage ------------------------------------------------------------------------


def test_damaged_heaps_lose_only_their_own_data(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("good", data=DATA)
        file.create_dataset("texts", data=["some text"] * 20, dtype=h5py.string_dtype())
        file["good"].attrs["note"] = np.array(["some words"], h5py.string_dtype())
        file["good"].attrs["fine"] = 1
    data = (tmp_path / "a.h5").read_bytes()
    assert data.count(b"GCOL") >= 1
    (tmp_path / "a.h5").write_bytes(data.replace(b"GCOL", b"XXXX"))
    with pytest.raises(StoreError, match=r"a\.h5: 'texts'.*cannot be read"):
        exzarr.virtualize(tmp_path / "a.h5")
    group = exzarr.virtualize(tmp_path / "a.h5", on_unsupported="skip")
    assert (group["good"][...] == DATA).all()
    assert group["good"].attrs["fine"] == 1
    assert left_out(group) == {("dataset", "texts", ""), ("attribute", "good", "note")}


def test_truncated_files_raise_exzarr_errors(tmp_path):
    # No random bytes: the HDF5 library crashes or hangs on some of them.
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("g/x", data=DATA, chunks=(100,), compression="gzip").attrs["a"] = "text"
        file.create_dataset("t", data=["some", "text"], dtype=h5py.string_dtype())
        file["soft"] = h5py.SoftLink("/g/x")
    data = (tmp_path / "a.h5").read_bytes()
    for length in range(0, len(data), len(data) // 40):
        (tmp_path / "b.h5").write_bytes(data[:length])
        with pytest.raises(StoreError, match=r"b\.h5"):
            exzarr.virtualize(tmp_path / "b.h5", on_unsupported="skip")
