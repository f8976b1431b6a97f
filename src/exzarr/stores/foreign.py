"""File formats other than Zarr: recognition by first bytes or by name, and advice on how to convert or read them."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["Foreign", "foreign_file", "foreign_name"]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A file format.

    Attributes
    ----------
    what
        Name of the format, with an article.
    advice
        How to convert the file to Zarr, or read it as Zarr.
    """

    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}, and no Zarr hierarchy: {self.advice}"


_XARRAY = "xarray reads it, and writes Zarr: xarray.open_dataset(file{}).to_zarr(path)"
_VIRTUAL = (
    "exzarr.virtualize(file) (exzarr virtualize FILE -o FILE.json) reads it as Zarr without a copy; "
    "xarray.open_dataset(file).to_zarr(path) copies it"
)
_TABLE = (
    "exzarr stores arrays, so read the table first, such as with pandas, and save its columns as arrays: {}"
)
_UNPACK = "unpack it first"

HDF5 = Foreign("an HDF5 file", _VIRTUAL)
NETCDF4 = Foreign("a NetCDF4 (HDF5) file", _VIRTUAL)
NETCDF = Foreign("a NetCDF file", _VIRTUAL)
NETCDF3 = Foreign("a NetCDF3 file", _VIRTUAL)
HDF4 = Foreign("an HDF4 file", "convert it to NetCDF4 first, such as with h4tonccf")
TIFF = Foreign("a TIFF file", "tifffile reads it: exzarr.save(path, tifffile.imread(file))")
GRIB = Foreign("a GRIB file", _XARRAY.format(', engine="cfgrib"'))
BUFR = Foreign("a BUFR file", "eccodes reads it")
PARQUET = Foreign("a Parquet file", _TABLE.format("pandas.read_parquet(file)"))
ARROW = Foreign("an Arrow (Feather) file", _TABLE.format("pandas.read_feather(file)"))
CSV = Foreign("a table of text", _TABLE.format("pandas.read_csv(file)"))
EXCEL = Foreign("an Excel file", _TABLE.format("pandas.read_excel(file)"))
NPY = Foreign("a NumPy file", "exzarr.save(path, numpy.load(file)) converts it")
NPZ = Foreign("a NumPy archive", "exzarr.save(path, **numpy.load(file)) converts it")
FITS = Foreign("a FITS file", "astropy reads it: exzarr.save(path, astropy.io.fits.getdata(file))")
MATLAB = Foreign("a MATLAB file", "scipy reads it: scipy.io.loadmat(file)")
DICOM = Foreign("a DICOM file", "pydicom reads it: exzarr.save(path, pydicom.dcmread(file).pixel_array)")
NIFTI = Foreign("a NIfTI file", "nibabel reads it: exzarr.save(path, nibabel.load(file).get_fdata())")
IMAGE = Foreign("an image", "Pillow reads it: exzarr.save(path, numpy.asarray(PIL.Image.open(file)))")
PICKLE = Foreign(
    "a pickle", "load it with pickle, if you trust its source, and save the arrays with exzarr.save"
)
ARCHIVE = Foreign("a compressed file or archive", _UNPACK)

_MAGIC: tuple[tuple[int, bytes, Foreign], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"CDF\x01", NETCDF3),
    (0, b"CDF\x02", NETCDF3),
    (0, b"CDF\x05", NETCDF3),
    (0, b"\x0e\x03\x13\x01", HDF4),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    (0, b"GRIB", GRIB),
    (0, b"BUFR", BUFR),
    (0, b"PAR1", PARQUET),
    (0, b"ARROW1\0\0", ARROW),
    (0, b"FEA1", ARROW),
    (0, b"\x93NUMPY", NPY),
    (0, b"SIMPLE  =", FITS),
    (0, b"MATLAB 5.0", MATLAB),
    (128, b"DICM", DICOM),
    (344, b"n+1\0", NIFTI),
    (0, b"\x89PNG\r\n\x1a\n", IMAGE),
    (0, b"\xff\xd8\xff", IMAGE),
    (0, b"\x1f\x8b", ARCHIVE),
    (0, b"BZh", ARCHIVE),
    (0, b"\xfd7zXZ\0", ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (257, b"ustar", ARCHIVE),
)
"""Offset of the magic bytes, magic bytes, and format."""

_SUFFIXES = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5", ".h5ad", ".loom", ".mat73"), HDF5),
    **dict.fromkeys((".nc", ".nc4", ".cdf", ".netcdf"), NETCDF),
    ".nc3": NETCDF3,
    **dict.fromkeys((".tif", ".tiff", ".geotiff", ".btf"), TIFF),
    **dict.fromkeys((".grib", ".grib2", ".grb", ".grb2"), GRIB),
    ".bufr": BUFR,
    **dict.fromkeys((".arrow", ".feather"), ARROW),
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".tab"), CSV),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), EXCEL),
    ".npy": NPY,
    ".npz": NPZ,
    **dict.fromkeys((".fits", ".fit", ".fts"), FITS),
    ".mat": MATLAB,
    ".dcm": DICOM,
    ".nii": NIFTI,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"), IMAGE),
    **dict.fromkeys((".pkl", ".pickle"), PICKLE),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".7z"), ARCHIVE),
}
"""Format by suffix, for files without known magic bytes."""

_HDF5_STARTS = (0, 512, 1024, 2048, 4096, 8192)
"""Offsets at which HDF5 data may begin, after a user block:
https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html#Superblock."""


def foreign_file(file: str) -> Foreign | None:
    """Return the format of a local file, by its first bytes, else by its name; None if it is unknown."""
    by_name = foreign_name(file)
    if by_name in (NPZ, EXCEL):  # zip archives inside
        return by_name
    try:
        with open(file, "rb") as opened:
            head = opened.read(_HDF5_STARTS[-1] + 8)
    except OSError:
        return by_name
    if any(head[at : at + 8] == b"\x89HDF\r\n\x1a\n" for at in _HDF5_STARTS):
        return NETCDF4 if by_name is NETCDF else HDF5
    for at, mark, kind in _MAGIC:
        if head[at : at + len(mark)] == mark:
            return kind
    return by_name


def foreign_name(place: str) -> Foreign | None:
    """Return the format of a file by its name (the last part of a path or URL); None if it is unknown."""
    return _SUFFIXES.get(os.path.splitext(place.rstrip("/"))[1].lower())
