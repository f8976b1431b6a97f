"""NetCDF files of the netCDF library, in all its formats. netCDF4-python is the reference."""

from __future__ import annotations

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import given, strategies as st

import exzarr
from exzarr.errors import ArgumentError, ExzarrError, StoreError, UnsupportedError
from exzarr.stores import CountingStore, MemoryStore

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parents[2] / "corpus" / "hdf5"
CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
FORMATS = [*CLASSIC, "NETCDF4", "NETCDF4_CLASSIC"]


def same_as_netcdf(group, path):
    """Return values, dimensions and attributes of every variable."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        file.set_auto_scale(False)
        file.set_auto_chartostring(False)
        assert {name for name, node in group.walk() if isinstance(node, exzarr.Array)} == {*file.variables}
        for name, variable in file.variables.items():
            ours, theirs = group[name][...], variable[...]
            assert ours.shape == theirs.shape, name
            if theirs.dtype.kind == "O":
                assert np.asarray(ours, object).tolist() == theirs.tolist()
            else:
                assert ours.dtype.newbyteorder("=") == theirs.dtype.newbyteorder("=")
                assert ours.astype(theirs.dtype).tobytes() == theirs.tobytes(), name
            assert group[name].dimension_names == variable.dimensions
            attributes = {key: np.asarray(variable.getncattr(key)).tolist() for key in variable.ncattrs()}
            fill = attributes.pop("_FillValue", None)
            if fill is not None:
                told = group[name].attrs.get("_FillValue", group[name].fill_value)
                assert told == fill or (told != told and fill != fill)
            kept = {
                k: v for k, v in group[name].attrs.items() if k not in ("_ARRAY_DIMENSIONS", "_FillValue")
            }
            assert kept == attributes
        assert dict(group.attrs) == {key: np.asarray(file.getncattr(key)).tolist() for key in file.ncattrs()}


# -- NetCDF4 -----------------------------------------------------------------------


def test_short_variables_of_the_corpus_are_padded():
    group = exzarr.virtualize(CORPUS / "short_variable.nc")
    assert group["t"].shape == (6,)
    assert group["flag"][...].tolist() == [1, 2, -1, -1, -1, -1]
    assert group["never"][...].tolist() == [-9.0] * 6
    same_as_netcdf(group, CORPUS / "short_variable.nc")


def short(path, rows=10, **options):
    """Write variables of all lengths below `rows`, with and without their own fill value."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", None)
        file.createDimension("x", 3)
        file.createVariable("t", "i4", ("t",))[:] = np.arange(rows)
        for length in (0, 1, 4, 7):
            for dtype, fill in (("i2", -1), ("f8", None), ("f4", np.nan), ("u1", None), ("i8", None)):
                made = file.createVariable(
                    f"{dtype}_{length}", dtype, ("t", "x"), chunksizes=(4, 2), fill_value=fill, **options
                )
                made[:length] = np.arange(length * 3).reshape(length, 3) + 1
        file.createVariable("text", str, ("t",))[:2] = np.array(["a", "b"], object)
    return path


@pytest.mark.parametrize(
    "options", [{}, {"zlib": True, "shuffle": True, "fletcher32": True}], ids=["raw", "zlib"]
)
@pytest.mark.parametrize("output", ["refs.json", "refs.parq"])
def test_short_variables_are_padded_like_netcdf(tmp_path, options, output):
    path = short(tmp_path / "a.nc", **options)
    same_as_netcdf(exzarr.virtualize(path, tmp_path / output, inline=0), path)
    same_as_netcdf(exzarr.open(tmp_path / output), path)


def test_short_variables_without_fill_are_padded_or_refused(tmp_path):
    def made(name, rows):
        with netCDF4.Dataset(tmp_path / name, "w") as file:
            file.createDimension("t", None)
            file.createVariable("t", "i4", ("t",))[:] = np.arange(rows + 3)
            short = file.createVariable("a", "f8", ("t",), chunksizes=(rows + 2,), fill_value=False)
            short[:rows] = np.arange(rows)
        return tmp_path / name

    same_as_netcdf(exzarr.virtualize(made("small.nc", 10)), tmp_path / "small.nc")
    with pytest.raises(UnsupportedError, match=r"'a'.*unlimited dimension"):
        exzarr.virtualize(made("large.nc", 200_000))
    group = exzarr.virtualize(tmp_path / "large.nc", on_unsupported="skip")
    assert [one.path for one in group.left_out] == ["a"]


def test_other_values_beyond_the_end_of_stored_chunks_are_detected(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("t", None)
        file.createVariable("t", "i4", ("t",))[:] = np.arange(6)
        file.createVariable("a", "i4", ("t",), chunksizes=(4,), fill_value=-1)[:2] = [1, 2]
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        file["a"].id.write_direct_chunk((0,), np.array([1, 2, 77, 88], "<i4").tobytes())
    group = exzarr.virtualize(tmp_path / "a.nc")
    assert group["a"][...].tolist() == [1, 2, -1, -1, -1, -1]
    same_as_netcdf(group, tmp_path / "a.nc")


def test_plain_hdf5_is_not_padded(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("t", data=np.arange(6), maxshape=(None,)).make_scale("t")
        file.create_dataset("a", data=np.arange(2), maxshape=(None,)).dims[0].attach_scale(file["t"])
    group = exzarr.virtualize(tmp_path / "a.h5")
    assert group["a"][...].tolist() == [0, 1]
    assert group["a"].dimension_names == ("t",)


def test_names_dimensions_and_fill_values_equal_netcdf(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 3)
        file.createDimension("y", 2)
        file.createDimension("chars", 4)
        file.createVariable("x", "f4", ("y",))[:] = [1, 2]  # not a coordinate: it has another dimension
        file.createVariable("y", "f4", ("y", "x"))[:] = np.arange(6).reshape(2, 3)  # two dimensions
        file.createVariable("text", str, ("x",), fill_value="N/A")[:2] = np.array(["a", "N/A"], object)
        file.createVariable("letters", "S1", ("x", "chars"))[:] = np.full((3, 4), b"z")
        file.createVariable("square", "i4", ("x", "x"))[:] = np.arange(9).reshape(3, 3)
        plain = file.createVariable("plain", "i2", ("x",), fill_value=-5)
        plain[:] = [1, -5, 3]
        plain.units = "m"
        plain.valid_range = np.array([0, 9], "i2")
        group = file.createGroup("g")
        group.createDimension("x", 2)
        group.createVariable("x", "i4", ("y",))[:] = [7, 8]
    with h5py.File(tmp_path / "a.nc") as file:
        assert "_nc4_non_coord_x" in file
    group = exzarr.virtualize(tmp_path / "a.nc")
    assert group["g/x"][...].tolist() == [7, 8]
    assert group["g/x"].dimension_names == ("y",)
    top = exzarr.virtualize(tmp_path / "a.nc", exclude=["g"])
    same_as_netcdf(top, tmp_path / "a.nc")
    assert top["text"].attrs["_FillValue"] == "N/A"
    assert top["text"].fill_value == "N/A"
    assert top["plain"].fill_value == -5
    assert "x" not in exzarr.virtualize(tmp_path / "a.nc", exclude=["x"])
    assert "x" not in exzarr.virtualize(tmp_path / "a.nc", exclude=["_nc4_non_coord_x"])


# -- NetCDF3 -----------------------------------------------------------------------


def classic(path, form, records=7, **options):
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.title = "a title"
        file.numbers = np.array([1.5, 2.5])
        for name, length in (("t", None), ("y", 3), ("x", 5), ("n", 4)):
            file.createDimension(name, length)
        types = ["i1", "i2", "i4", "f4", "f8", "S1"]
        if form in ("NETCDF3_64BIT_DATA", "NETCDF4"):
            types += ["u1", "u2", "u4", "i8", "u8"]
        for dtype in types:
            for dimensions in ((), ("y",), ("y", "x"), ("t",), ("t", "y"), ("t", "y", "x")):
                shape = tuple({"t": records, "y": 3, "x": 5}[name] for name in dimensions)
                made = file.createVariable(f"{dtype}_{''.join(dimensions)}", dtype, dimensions)
                data = (np.arange(np.prod(shape, dtype=int)) % 100 + 1).reshape(shape)
                made[...] = data.astype("u1").view("S1") if dtype == "S1" else data.astype(dtype)
        scaled = file.createVariable("scaled", "i2", ("t", "x"), fill_value=-99)
        scaled.set_auto_maskandscale(False)
        scaled.units, scaled.scale_factor = "K", 0.5
        scaled[:] = np.full((records, 5), -99)
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("inline", [0, 500])
def test_all_formats_of_netcdf_are_read(tmp_path, form, inline):
    path = classic(tmp_path / "a.nc", form)
    group = exzarr.virtualize(path, tmp_path / "refs.json", inline=inline)
    same_as_netcdf(group, path)
    same_as_netcdf(exzarr.open(tmp_path / "refs.json"), path)
    assert not group.left_out


@pytest.mark.parametrize("form", CLASSIC)
@given(
    variables=st.lists(
        st.tuples(st.sampled_from(["i1", "i2", "f4", "f8", "S1"]), st.booleans(), st.integers(1, 5)),
        max_size=4,
    ),
    records=st.integers(0, 4),
    inline=st.sampled_from([0, 500]),
)
def test_any_records_are_read(tmp_path_factory, form, variables, records, inline):
    path = tmp_path_factory.mktemp("nc") / "a.nc"
    rng = np.random.default_rng(records)
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("t", None)
        for number, (dtype, record, length) in enumerate(variables):
            file.createDimension(f"d{number}", length)
            made = file.createVariable(
                f"v{number}", dtype, ("t", f"d{number}") if record else (f"d{number}",)
            )
            data = rng.integers(1, 99, (records, length) if record else length).astype("i1")
            if data.size:
                made[...] = data.view("S1") if dtype == "S1" else data
    same_as_netcdf(exzarr.virtualize(path, inline=inline), path)


@pytest.mark.parametrize("form", CLASSIC)
def test_classic_files_are_read_by_ranges(tmp_path, form):
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format=form) as file:
        file.createDimension("t", None)
        file.createDimension("x", 100_000)
        file.createVariable("time", "f8", ("t",))[:] = np.arange(20)
        file.createVariable("a", "f8", ("t", "x"))[:] = np.random.default_rng(0).normal(size=(20, 100_000))
    far = MemoryStore()
    far.put("a.nc", (tmp_path / "a.nc").read_bytes())
    counting = CountingStore(far)
    group = exzarr.virtualize("s3://bucket/a.nc", stores={"s3://bucket": counting}, inline=0)
    assert counting.bytes_read < 1_000_000
    same_as_netcdf(group, tmp_path / "a.nc")
    assert group["a"].chunks == (1, 100_000)


def test_streamed_file_gets_its_records_from_its_size(tmp_path):
    path = classic(tmp_path / "a.nc", "NETCDF3_CLASSIC")
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff" * 4
    (tmp_path / "b.nc").write_bytes(data)
    same_as_netcdf(exzarr.virtualize(tmp_path / "b.nc"), path)


def test_classic_text_that_is_not_utf8_is_named(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 2)
        made = file.createVariable("a", "f4", ("x",))
        made[:] = [1, 2]
        made.units = "QQ"
        made.note = "fine"
    data = (tmp_path / "a.nc").read_bytes()
    (tmp_path / "a.nc").write_bytes(data.replace(b"QQ", b"\xb0C"))
    group = exzarr.virtualize(tmp_path / "a.nc")
    assert group["a"][...].tolist() == [1, 2]
    assert group["a"].attrs["note"] == "fine"
    assert [(one.path, one.name) for one in group.left_out] == [("a", "units")]


def test_truncated_classic_files_name_the_variable(tmp_path):
    path = classic(tmp_path / "a.nc", "NETCDF3_CLASSIC")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UnsupportedError, match=r"a\.nc: .*the file ends at byte"):
        exzarr.virtualize(path)
    group = exzarr.virtualize(path, on_unsupported="skip")
    assert "f8_" in group
    assert len(group.left_out) > 1
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StoreError, match=r"a\.nc.*NetCDF3"):
        exzarr.virtualize(path, on_unsupported="skip")


def test_damaged_headers_raise_exzarr_errors(tmp_path):
    data = classic(tmp_path / "a.nc", "NETCDF3_64BIT_DATA").read_bytes()
    told = []
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(4, 3000, 4):
            damaged[at] = rng.integers(256)
        (tmp_path / "b.nc").write_bytes(damaged)
        try:
            exzarr.virtualize(tmp_path / "b.nc", on_unsupported="skip")
        except ExzarrError as error:
            told.append(str(error))
    assert told
    assert all("b.nc" in message for message in told)


# -- joins -------------------------------------------------------------------------


def month(path, start, rows, form="NETCDF4", written=True, fill=None, units="K"):
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("time", None)
        file.createDimension("x", 4)
        file.createVariable("time", "i4", ("time",))[:] = np.arange(start, start + rows)
        more = {} if form.startswith("NETCDF3") else {"chunksizes": (5, 4)}
        for name in ("full", "part", "never"):
            made = file.createVariable(name, "f8", ("time", "x"), fill_value=fill, **more)
            if rows:
                made.units = units
            if written and rows and name != "never":
                length = rows if name == "full" else rows // 2
                made[:length] = np.arange(start, start + length)[:, None] + np.zeros(4)
    return path


def joined_by_netcdf(files, name):
    parts = []
    for path in files:
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            parts.append(file[name][...])
    return np.concatenate(parts)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize("fill", [None, -9.0])
def test_short_and_unwritten_variables_and_empty_files_are_joined(tmp_path, form, fill):
    rows = [10, 0, 10, 7]
    files = [
        month(tmp_path / f"{n}.nc", 100 * n, count, form, written=n != 2, fill=fill)
        for n, count in enumerate(rows)
    ]
    for order in (files, [files[1], *files[:1], *files[2:]]):
        group = exzarr.virtualize(order, concat_dim="time")
        for name in ("time", "full", "part", "never"):
            assert (group[name][...] == joined_by_netcdf(order, name)).all(), name
        assert group["full"].attrs["units"] == "K"


def test_unwritten_file_joins_files_without_fill_value(tmp_path):
    files = []
    for number, written in enumerate((True, False, True)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            made = file.create_dataset("a", (100,), "f8", chunks=(50,))
            if written:
                made[:] = np.arange(100) + 1
        files.append(tmp_path / f"{number}.h5")
    group = exzarr.virtualize(files, concat_dim="phony_dim_0", inline=0)
    assert (group["a"][...] == np.concatenate([np.arange(100) + 1, np.zeros(100), np.arange(100) + 1])).all()


def test_small_files_with_different_fill_values_are_joined(tmp_path):
    def made(rows):
        files = []
        for number, fill in enumerate((3, 4)):
            with h5py.File(tmp_path / f"{rows}-{number}.h5", "w") as file:
                file.create_dataset("a", (rows,), "f8", chunks=(rows // 2,), fillvalue=fill)[: rows // 2] = 1
            files.append(tmp_path / f"{rows}-{number}.h5")
        return files

    group = exzarr.virtualize(made(100), concat_dim="phony_dim_0")
    assert (group["a"][...] == np.repeat([1, 3, 1, 4], 50)).all()
    with pytest.raises(UnsupportedError, match="'a' cannot be joined.*not stored"):
        exzarr.virtualize(made(200_000), concat_dim="phony_dim_0")


def test_join_lists_the_left_out_objects_of_each_file(tmp_path):
    files = [month(tmp_path / f"{n}.nc", 10 * n, 10) for n in range(2)]
    for path in files:
        with h5py.File(path, "r+") as file:
            file["full"].attrs["odd"] = np.void(b"abc")
    group = exzarr.virtualize(files, concat_dim="time")
    assert [(Path(one.file).name, one.path, one.name) for one in group.left_out] == [
        ("0.nc", "full", "odd"), ("1.nc", "full", "odd"),
    ]  # fmt: skip
    with pytest.raises(ArgumentError, match="units"):
        exzarr.virtualize([files[0], month(tmp_path / "c.nc", 20, 10, units="C")], concat_dim="time")
