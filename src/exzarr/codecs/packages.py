"""Names of the packages that provide codecs that exzarr does not have."""

from __future__ import annotations

__all__ = ["where_to_find"]

_PACKAGES: dict[str, str] = {
    "zfpy": "zfpy",
    "pcodec": "pcodec",
    "msgpack2": "msgpack",
    "vlen-ndarray": "zarr-vlen-ndarray",
    "vlen_ndarray": "zarr-vlen-ndarray",
    "flac": "flac-numcodecs",
    "wavpack": "wavpack-numcodecs",
    "delta2d": "delta2d-numcodecs",
    "grib": "kerchunk",
    "gribscan.rawgrib": "gribscan",
    "gribberish": "gribberish",
    "FITSAscii": "kerchunk",
    "FITSVarBintable": "kerchunk",
    "record_member": "kerchunk",
    "fill_hdf_strings": "kerchunk",
    "jpegxl_float_with_nans": "jpeg-xl-float-with-nans",
    "anscombe-v1": "anscombe-transform",
    "n5_wrapper": "zarr<3",
}
_FAMILIES = (
    ("imagecodecs_", "imagecodecs-numcodecs"),
    ("imagecodecs.", "imagecodecs-zarr"),
    ("numcodecs-wasm", "numcodecs-wasm"),
    ("combinators.", "numcodecs-combinators"),
    ("any-numcodecs.", "zarr-any-numcodecs"),
)
_REFUSED = {
    "optional": "it stores missing values, for which NumPy has no data type",
    "zarrs.optional": "it stores missing values, for which NumPy has no data type",
}


def where_to_find(name: str) -> str:
    """Return a sentence that names the package of an unknown codec, or an empty string.

    `name` is the name in either format: ``"numcodecs.zfpy"`` and ``"zfpy"`` are equivalent.
    """
    plain = name.removeprefix("numcodecs.")
    why = _REFUSED.get(name)
    if why is not None:
        return f"exzarr does not support it: {why}"
    package = _PACKAGES.get(plain)
    if package is None:
        package = next((found for prefix, found in _FAMILIES if plain.startswith(prefix)), None)
    return "" if package is None else f"the package {package} provides it: pip install {package!r}"
