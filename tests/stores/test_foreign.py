"""Files of other formats are recognized, and the error gives advice. Their own libraries create them."""

from __future__ import annotations

import gzip
import shutil
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr.errors import NodeNotFoundError, StoreError
from exzarr.stores.foreign import foreign_file, foreign_name


def hdf5(path, **more):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", **more) as file:
        file["x"] = np.arange(3)


def netcdf3(path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 3)
        file.createVariable("x", "i4", ("x",))[:] = np.arange(3)


def numpy_file(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def parquet(path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"a": [1, 2]}), path)


def feather(path):
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(pa.table({"a": [1, 2]}), str(path))


def png(path):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((2, 2), "u1")).save(path, format="PNG")


def tiff(path):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((2, 2), "u1")).save(path, format="TIFF")


def archive(path):
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("x"))


def matlab(path):
    pytest.importorskip("scipy.io").savemat(str(path), {"x": np.arange(3)}, appendmat=False)


MADE = {
    "HDF5": (hdf5, "exzarr.virtualize"),
    "HDF5 behind a block of its writer's": (
        lambda path: hdf5(path, userblock_size=1024),
        "exzarr.virtualize",
    ),
    "NetCDF3": (netcdf3, "exzarr.virtualize"),
    "Parquet": (parquet, "pandas.read_parquet"),
    "Arrow": (feather, "pandas.read_feather"),
    "image": (png, "Pillow"),
    "TIFF": (tiff, "tifffile"),
    "NumPy": (numpy_file, "numpy.load"),
    "archive": (archive, "unpack"),
    "compressed": (lambda path: path.write_bytes(gzip.compress(b"x")), "unpack"),
    "MATLAB": (matlab, "scipy.io.loadmat"),
    "GRIB": (lambda path: path.write_bytes(b"GRIB\0\0\0\2" + struct.pack(">Q", 16)), "cfgrib"),
    "FITS": (lambda path: path.write_bytes(b"SIMPLE  =                    T".ljust(2880)), "astropy"),
    "TIFF of more than 4 GiB": (
        lambda path: path.write_bytes(b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)),
        "tifffile",
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_format_is_recognized_by_first_bytes(tmp_path, kind):
    make, advice = MADE[kind]
    path = tmp_path / "nameless"
    make(path)
    before = path.read_bytes()
    for refused in (
        lambda: exzarr.open(path),
        lambda: exzarr.open(str(path), mode="r"),
        lambda: exzarr.open_group(path.as_uri(), mode="w"),
        lambda: exzarr.create_array(path, shape=3, dtype="i4", overwrite=True),
        lambda: exzarr.open(path / "group" / "x"),
        lambda: exzarr.copy(path, tmp_path / "copy"),
        lambda: exzarr.check(path),
        lambda: exzarr.load(path),
    ):
        with pytest.raises(StoreError) as caught:
            refused()
        assert kind.split()[0].lower() in str(caught.value).lower()
        assert advice in str(caught.value)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["nameless"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.csv", "pandas.read_csv"), ("a.TSV", "pandas.read_csv"), ("a.npz", "numpy.load"), ("a.xlsx", "read_excel"),
     ("a.pkl", "trust"), ("a.nc", "virtualize")],
)  # fmt: skip
def test_format_without_magic_bytes_is_recognized_by_name(tmp_path, name, advice):
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, x=np.arange(3))
    elif name.endswith("xlsx"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("xl/workbook.xml", "")
    else:
        path.write_text("1,2\n3,4\n")
    with pytest.raises(StoreError, match=advice):
        exzarr.open(path)


def test_zarr_files_are_not_foreign(tmp_path):
    """First bytes take precedence over the name."""
    exzarr.save(tmp_path / "a.zip", np.arange(3))
    shutil.copy(tmp_path / "a.zip", tmp_path / "a.dat")
    assert (exzarr.load(tmp_path / "a.dat") == np.arange(3)).all()
    exzarr.save(tmp_path / "table.csv", np.arange(3))  # a folder
    assert (exzarr.load(tmp_path / "table.csv") == np.arange(3)).all()
    (tmp_path / "b.bin").write_bytes(b"\0" * 100)
    with pytest.raises(StoreError, match="is a file; a Zarr hierarchy is a folder"):
        exzarr.open(tmp_path / "b.bin")


def test_format_of_a_url_is_recognized_by_name():
    obstore = pytest.importorskip("obstore.store")
    store = exzarr.stores.ObjectStore(obstore.MemoryStore())
    for name, advice in (
        ("model/run.nc", "virtualize"),
        ("x.grib2", "cfgrib"),
        ("x.parquet", "read_parquet"),
    ):
        if foreign_name(name) is None:
            continue
        with pytest.raises(NodeNotFoundError, match=advice):
            exzarr.open(store, path=name, mode="r")
    assert foreign_name("https://host/data/a.tif").what == "a TIFF file"
    assert foreign_name("https://host/data/a.zarr") is None


def test_command_error_names_the_command_to_run(tmp_path):
    hdf5(tmp_path / "a.h5")
    for command in ("info", "tree", "head", "check", "checksum"):
        result = CliRunner().invoke(app, [command, str(tmp_path / "a.h5")])
        assert result.exit_code == 3
        assert "is an HDF5 file, and no Zarr hierarchy: exzarr virtualize FILE -o FILE.json" in result.stderr
        assert "exzarr.virtualize" not in result.stderr
        assert result.stderr.count("\n") == 1


def test_unreadable_file_is_recognized_by_name(tmp_path):
    assert foreign_file(str(tmp_path / "absent.tif")).what == "a TIFF file"
