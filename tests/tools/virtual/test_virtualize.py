"""HDF5 and NetCDF4 files as Zarr: exzarr reads the same as h5py, h5netcdf and xarray."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import h5netcdf
import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st
from iris_sample_data import path as samples

import exzarr
from exzarr.errors import ArgumentError, NodeExistsError, StoreError, UnsupportedError
from exzarr.stores import CountingStore, MemoryStore, ReferenceStore
from tests.breadth import examples

REAL = [
    "A1B_north_america.nc", "E1_north_america.nc", "SOI_Darwin.nc", "atlantic_profiles.nc", "hybrid_height.nc",
    "orca2_votemper.nc", "ostia_monthly.nc", "rotated_pole.nc", "toa_brightness_stereographic.nc", "vlstr_type.nc",
]  # fmt: skip
NEMO = sorted(Path(samples, "NEMO").glob("*.nc"))


pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The 'fastparquet' engine is deprecated")]


def same(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if theirs.dtype.kind in "OU":
        return ours.shape == theirs.shape and bool(np.all(ours.astype(object) == theirs))
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def compare(group, file):
    """Return every dataset."""
    with h5py.File(file) as h5:
        names = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and b"not a netCDF variable" not in item.attrs.get("NAME", b""):
                names.append(name)

        h5.visititems(visit)
        names += [name for name in h5 if isinstance(h5.get(name, getlink=True), h5py.SoftLink)]
        assert names
        assert sorted(names) == sorted(name for name, node in group.walk() if isinstance(node, exzarr.Array))
        for name in names:
            item = h5[name]
            theirs = (
                item.asstr()[()]
                if h5py.check_string_dtype(item.dtype) and item.dtype.kind == "O"
                else item[()]
            )
            assert same(group[name][...], theirs), name


@pytest.mark.parametrize("name", REAL)
def test_real_files_read_the_same_with_h5py_and_exzarr(name):
    compare(exzarr.virtualize(Path(samples, name)), Path(samples, name))


def netcdf(path, **variables):
    """Return dimensions, data and arguments for h5netcdf, for each variable."""
    with h5netcdf.File(path, "w") as file:
        file.attrs["title"] = "test"
        for dimensions, data, _ in variables.values():
            for name, length in zip(dimensions, np.shape(data), strict=True):
                if name not in file.dimensions:
                    file.dimensions[name] = None if name == "time" else length
        for name, (dimensions, data, options) in variables.items():
            options = dict(options)
            attributes = options.pop("attrs", {})
            if "time" in dimensions:
                file.resize_dimension("time", max(len(file.dimensions["time"]), np.shape(data)[0]))
            made = file.create_variable(name, dimensions, np.asarray(data).dtype, **options)
            made[...] = data
            made.attrs.update(attributes)
    return path


def rng(seed=0):
    return np.random.default_rng(seed)


def day(path, start=0, rows=8, seed=0, **more):
    data = rng(seed).normal(size=(rows, 6, 5)).astype("f4")
    scaled = rng(seed).integers(-100, 100, (rows, 6, 5)).astype("i2")
    return netcdf(
        path,
        time=(
            ("time",),
            np.arange(start, start + rows),
            {"chunks": (4,), "attrs": {"units": "days since 2000-1-1"}},
        ),
        lat=(("lat",), np.linspace(-90, 90, 6), {}),
        air=(("time", "lat", "lon"), data, {"chunks": (4, 3, 5), "compression": "gzip", "shuffle": True}),
        scaled=(
            ("time", "lat", "lon"),
            scaled,
            {"chunks": (2, 6, 5), "fillvalue": -99, "attrs": {"scale_factor": 0.5, "add_offset": 3.0}},
        ),
        checked=(("time", "lat"), data[:, :, 0], {"chunks": (4, 6), "compression": "gzip"}),
        **more,
    )


def test_files_of_h5netcdf_read_the_same_with_exzarr(tmp_path):
    file = day(tmp_path / "a.nc")
    group = exzarr.virtualize(file)
    compare(group, file)
    assert group.attrs["title"] == "test"
    assert group["air"].dimension_names == ("time", "lat", "lon")
    assert group["scaled"].attrs["scale_factor"] == 0.5
    assert group["scaled"].fill_value == -99
    with xarray.open_dataset(file, engine="h5netcdf", decode_times=False) as theirs:
        masked = np.where(group["scaled"][...] == -99, np.nan, group["scaled"][...] * 0.5 + 3.0)
        assert np.array_equal(masked.astype("f4"), theirs["scaled"].values.astype("f4"), equal_nan=True)


@pytest.mark.parametrize("output", ["refs.json", "refs.parq"])
def test_written_references_open_with_exzarr_and_fsspec(tmp_path, output):
    file = day(tmp_path / "a.nc")
    exzarr.virtualize(file, tmp_path / output)
    compare(exzarr.open(tmp_path / output), file)
    assert exzarr.open(f"{tmp_path / output}/air").shape == (8, 6, 5)
    theirs = fsspec.filesystem(
        "reference", fo=str(tmp_path / output), remote_protocol="file", target_options={"engine": "pyarrow"}
    )
    store = ReferenceStore(tmp_path / output)
    for key in ("air/1.0.0", "scaled/3.0.0", "time/0", "lat/0"):
        assert theirs.cat(key) == bytes(store.get(key))
    with pytest.raises(NodeExistsError, match="overwrite=True"):
        exzarr.virtualize(file, tmp_path / output)
    exzarr.virtualize(day(tmp_path / "b.nc", rows=4), tmp_path / output, overwrite=True)
    compare(exzarr.open(tmp_path / output), tmp_path / "b.nc")


def test_relative_references_move_with_their_files(tmp_path):
    (tmp_path / "a").mkdir()
    exzarr.virtualize(day(tmp_path / "a" / "x.nc"), tmp_path / "refs.json", relative=True)
    (tmp_path / "moved").mkdir()
    for name in ("a", "refs.json"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    compare(exzarr.open(tmp_path / "moved" / "refs.json"), tmp_path / "moved" / "a" / "x.nc")


def test_references_to_other_folders_need_permission(tmp_path):
    for name in ("data", "refs"):
        (tmp_path / name).mkdir()
    file = day(tmp_path / "data" / "a.nc")
    exzarr.virtualize(file, tmp_path / "refs" / "refs.json", inline=0)
    with pytest.raises(StoreError, match="not allowed"):
        exzarr.open(tmp_path / "refs" / "refs.json")["air"][...]
    compare(exzarr.open(ReferenceStore(tmp_path / "refs" / "refs.json", allow=[tmp_path / "data"])), file)


def test_only_small_chunks_are_inlined(tmp_path):
    file = day(tmp_path / "a.nc")
    exzarr.virtualize(file, tmp_path / "all.json", inline=0)
    exzarr.virtualize(file, tmp_path / "none.json", inline=10_000)
    for name, kind in (("all.json", list), ("none.json", str)):
        refs = json.loads((tmp_path / name).read_text())["refs"]
        chunks = [ref for key, ref in refs.items() if not key.rpartition("/")[2].startswith(".z")]
        assert {type(ref) for ref in chunks} == {kind}
        compare(exzarr.open(tmp_path / name), file)


def test_files_in_stores_are_read_by_ranges(tmp_path):
    file = day(tmp_path / "a.nc", noise=(("x",), rng().normal(size=4_000_000), {"chunks": (100_000,)}))
    far = MemoryStore()
    far.put("data/a.nc", file.read_bytes())
    counting = CountingStore(far)
    group = exzarr.virtualize("s3://bucket/data/a.nc", stores={"s3://bucket": counting})
    assert counting.bytes_read < 8_000_000 < 32_000_000 < file.stat().st_size
    compare(group, file)
    with pytest.raises(StoreError, match="no 's3://bucket/data/b.nc'"):
        exzarr.virtualize("s3://bucket/data/b.nc", stores={"s3://bucket": counting})


@pytest.mark.parametrize("name", ["refs.json", "refs.parq"])
def test_references_and_files_may_both_be_urls(tmp_path, name):
    file = day(tmp_path / "a.nc")
    far = MemoryStore(f"virtual-{name}")
    far.put("data/a.nc", file.read_bytes())
    start = f"memory://virtual-{name}"
    group = exzarr.virtualize(f"{start}/data/a.nc", f"{start}/sets/{name}", inline=0)
    compare(group, file)
    store = ReferenceStore(f"{start}/sets/{name}", allow=[f"{start}/data/"])
    assert store.traits.concurrency == 64
    compare(exzarr.open(store), file)
    with pytest.raises(StoreError, match="not allowed"):
        exzarr.open(ReferenceStore(f"{start}/sets/{name}"))["air"][...]
    with pytest.raises(StoreError):
        ReferenceStore(f"{start}/other/{name}")


def test_data_sets_of_all_layouts_are_read(tmp_path):
    data = rng().integers(0, 100, (20, 30))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/er/chunked", data=data, chunks=(7, 11), compression="gzip")
        file.create_dataset("deep/contiguous", data=data.astype(">f8"))
        file.create_dataset("scalar", data=3.5)
        file.create_dataset("text", data="hello")
        file.create_dataset("texts", data=["a", "bc", ""], dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=np.array([b"abc", b"d"], "S3"))
        file.create_dataset("flags", data=data > 50)
        file.create_dataset("complex", data=data + 1j)
        file.create_dataset("records", data=np.array([(1, 2.5)] * 3, [("a", "<i4"), ("b", "<f8")]))
        file.create_dataset("holes", (100,), "i4", chunks=(10,), fillvalue=7)[25:28] = 1
        file.create_dataset("nothing", (10, 10), "f4", chunks=(5, 5), fillvalue=np.nan)
        file.create_dataset("empty", (0, 5), "f4", chunks=(5, 5), maxshape=(None, 5))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((200,))
        compact = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT64, space, plist)
        compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(200))
        holes = file.create_dataset("named", (40,), "i2", chunks=(10,), fillvalue=5)
        holes.attrs["_FillValue"] = np.int16(-1)
        holes[3] = 2
        file["soft"] = h5py.SoftLink("/scalar")
    compare(exzarr.virtualize(tmp_path / "a.h5"), tmp_path / "a.h5")


def test_unsupported_objects_are_named_and_can_be_skipped(tmp_path):
    def made(name, build):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("good", data=np.arange(1000))
            build(file)
        with pytest.raises(UnsupportedError, match="'bad'.*exclude") as raised:
            exzarr.virtualize(path)
        assert str(path) in str(raised.value)
        assert "on_unsupported='skip'" in str(raised.value)
        group = exzarr.virtualize(path, exclude=["bad"])
        assert [*group] == ["good"]
        assert (group["good"][...] == np.arange(1000)).all()
        assert not group.left_out
        skipped = exzarr.virtualize(path, on_unsupported="skip")
        assert [*skipped] == ["good"]
        assert [(one.kind, one.path) for one in skipped.left_out] == [("dataset", "bad")]
        assert skipped.left_out[0].reason in str(raised.value)

    data = np.arange(1000)
    made("lzf", lambda file: file.create_dataset("bad", data=data, compression="lzf"))
    made("scaleoffset", lambda file: file.create_dataset("bad", data=data, scaleoffset=4))
    made("null", lambda file: file.create_dataset("bad", dtype="f4"))
    made("references", lambda file: file.create_dataset("bad", data=[file.ref], dtype=h5py.ref_dtype))
    ragged = np.array([np.arange(2), np.arange(3)], object)
    made("ragged", lambda file: file.create_dataset("bad", data=ragged, dtype=h5py.vlen_dtype(int)))
    records = np.array([(1, "x")], [("a", "i4"), ("b", h5py.string_dtype())])
    made("records", lambda file: file.create_dataset("bad", data=records))
    made(
        "external", lambda file: file.create_dataset("bad", (10,), "f4", external=[(tmp_path / "raw", 0, 40)])
    )

    def virtual(file):
        layout = h5py.VirtualLayout((1000,), int)
        layout[...] = h5py.VirtualSource(file["good"])
        file.create_virtual_dataset("bad", layout)

    made("virtual", virtual)


def test_files_of_other_formats_raise_errors(tmp_path):
    (tmp_path / "x.nc").write_bytes(b"CDX\x01" + bytes(100))
    with pytest.raises(StoreError, match=r"x\.nc.*HDF5"):
        exzarr.virtualize(tmp_path / "x.nc")
    with pytest.raises(StoreError, match="there is no file"):
        exzarr.virtualize(tmp_path / "y.nc")
    with pytest.raises(ArgumentError, match="no file"):
        exzarr.virtualize([])
    with pytest.raises(ArgumentError, match=r"\.json or \.parq"):
        exzarr.virtualize(day(tmp_path / "a.nc"), tmp_path / "refs.txt")
    with pytest.raises(ArgumentError, match=r"exclude names 'other', which is not in .*a\.nc"):
        exzarr.virtualize(tmp_path / "a.nc", exclude=["other"])
    with pytest.raises(ArgumentError, match="on_unsupported must be 'raise' or 'skip'"):
        exzarr.virtualize(tmp_path / "a.nc", on_unsupported="ignore")
    with pytest.raises(ArgumentError, match="concat_dim"):
        exzarr.virtualize([tmp_path / "a.nc", tmp_path / "a.nc"])


def joined_by_xarray(files, dimension):
    return xarray.open_mfdataset(
        files, engine="h5netcdf", combine="nested", concat_dim=dimension, decode_cf=False, data_vars="minimal",
        coords="minimal", compat="equals", join="exact", chunks=None,
    )  # fmt: skip


def compare_joined(group, files, dimension):
    with joined_by_xarray(files, dimension) as theirs:
        assert set(group) == set(theirs.variables)
        for name, variable in theirs.variables.items():
            assert same(group[name][...], variable.values), name
            assert group[name].dimension_names == variable.dims


@pytest.mark.parametrize("output", ["refs.json", "refs.parq"])
def test_joined_files_equal_xarray(tmp_path, output):
    files = [day(tmp_path / f"{i}.nc", start=8 * i, rows=8 if i < 2 else 5, seed=i) for i in range(3)]
    group = exzarr.virtualize(files, tmp_path / output, concat_dim="time")
    compare_joined(group, files, "time")
    compare_joined(exzarr.open(tmp_path / output), files, "time")
    assert group["air"].shape == (21, 6, 5)
    assert (group["time"][...] == np.arange(21)).all()


def test_real_months_are_joined():
    compare_joined(exzarr.virtualize(NEMO, concat_dim="time_counter"), NEMO, "time_counter")


@examples(12)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    chunk=st.none() | st.integers(1, 5),
    packed=st.booleans(),
    axis=st.integers(0, 1),
)
def test_any_lengths_are_joined_or_refused(tmp_path_factory, lengths, chunk, packed, axis):
    folder = tmp_path_factory.mktemp("join")
    files, parts = [], []
    for number, length in enumerate(lengths):
        shape = (length, 300) if axis == 0 else (300, length)
        # Incompressible, and too large to be inlined.
        part = rng(number).integers(0, 1 << 62, (*shape, 64))
        with h5py.File(folder / f"{number}.h5", "w") as file:
            options = {"compression": "gzip"} if packed and chunk else {}
            chunks = None if chunk is None else (chunk, 100, 64) if axis == 0 else (100, chunk, 64)
            made = file.create_dataset(
                "a", data=part, chunks=chunks, maxshape=(None,) * 3 if chunks else None, **options
            )
            for n, name in enumerate(("time", "x") if axis == 0 else ("x", "time")):
                made.dims[n].label = name
        files.append(folder / f"{number}.h5")
        parts.append(part)
    expected = np.concatenate(parts, axis=axis)
    fits = chunk is not None and not any(length % chunk for length in [n for n in lengths if n][:-1])
    dimension = f"phony_dim_{axis}"
    small = expected.nbytes <= 1 << 20
    raw = axis == 0 and (chunk is None or not packed)
    if not (fits or small or raw):
        filled = [length for length in lengths if length]
        alike = chunk is None and len(set(filled)) <= 1
        if not alike:
            with pytest.raises(UnsupportedError, match="'a' cannot be joined"):
                exzarr.virtualize(files, concat_dim=dimension)
            return
    assert (exzarr.virtualize(files, concat_dim=dimension)["a"][...] == expected).all()


def test_contiguous_arrays_of_different_lengths_are_split(tmp_path):
    files, parts = [], []
    for number, length in enumerate((31, 28, 31)):
        parts.append(rng(number).normal(size=(length, 40, 50)))
        files.append(netcdf(tmp_path / f"{number}.nc", a=(("t", "y", "x"), parts[-1], {})))
    group = exzarr.virtualize(files, concat_dim="t")
    assert group["a"].chunks == (1, 40, 50)
    assert (group["a"][...] == np.concatenate(parts)).all()


def test_small_arrays_that_fit_no_grid_are_inlined(tmp_path):
    files = []
    for number, length in enumerate((31, 28)):
        times = np.arange(length) + 31 * number
        files.append(
            netcdf(
                tmp_path / f"{number}.nc", time=(("time",), times, {"chunks": (512,), "compression": "gzip"})
            )
        )
    group = exzarr.virtualize(files, concat_dim="time")
    assert (group["time"][...] == np.arange(59)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lat": (("lat",), np.arange(6.0), {})}, "'lat' has no dimension 'time', but differs"),
        ({"extra": (("lat",), np.arange(6.0), {})}, "'extra'"),
        (
            {"only": (("time",), np.arange(8.0), {"chunks": (8,), "attrs": {"units": "K"}})},
            "attribute 'units'",
        ),
        ({"only": (("time",), np.arange(8), {"chunks": (8,), "attrs": {"units": "m"}})}, "dtype"),
        (
            {"only": (("time", "z"), np.ones((8, 3)), {"chunks": (8, 3), "attrs": {"units": "m"}})},
            "dimensions",
        ),
        ({"only": (("lat",), np.ones(6), {"attrs": {"units": "m"}})}, "dimensions"),
    ],
    ids=range(6),
)
def test_incompatible_files_are_refused_by_name(tmp_path, change, message):
    only = (("time",), np.arange(8.0), {"chunks": (8,), "attrs": {"units": "m"}})
    first = day(tmp_path / "first.nc", only=only)
    with h5py.File(first) as file:
        names = [*file]
    assert "only" in names
    variables = {"only": only, **change}
    lat = variables.pop("lat", None)
    second = day(tmp_path / "second.nc", start=8, **variables)
    if lat is not None:
        with h5py.File(second, "r+") as file:
            file["lat"][...] = lat[1]
    with pytest.raises(ArgumentError, match=message) as raised:
        exzarr.virtualize([first, second], concat_dim="time")
    assert "second.nc" in str(raised.value)
    assert "exclude" in str(raised.value)


def test_unknown_dimension_raises_error_with_existing_dimensions(tmp_path):
    with pytest.raises(ArgumentError, match="lat, lon, time"):
        exzarr.virtualize([day(tmp_path / "a.nc"), day(tmp_path / "b.nc")], concat_dim="step")


def test_truncated_file_is_detected_after_virtualizing(tmp_path):
    file = day(tmp_path / "a.nc")
    exzarr.virtualize(file, tmp_path / "refs.json", inline=0)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(StoreError, match="has been changed"):
        exzarr.open(tmp_path / "refs.json")["scaled"][...]
