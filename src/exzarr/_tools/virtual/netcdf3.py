"""Find the variables of one NetCDF3 file. This module reads the header; no library is needed.

It supports the classic format, the 64-bit offset format, and CDF-5:
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._tools.virtual.model import Index, LeftOut, UnreferencedError, VirtualArray, VirtualFile
from exzarr._tools.virtual.places import Place, taken_in_chunks
from exzarr._tools.virtual.values import fill_json, json_value
from exzarr.errors import StoreError, UnsupportedError
from exzarr.stores.base import check_key
from exzarr.stores.references.json_set import Reference

__all__ = ["MAGICS", "read_netcdf3"]

MAGICS = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_DTYPES = {
    1: ">i1",
    2: "S1",
    3: ">i2",
    4: ">i4",
    5: ">f4",
    6: ">f8",
    7: ">u1",
    8: ">u2",
    9: ">u4",
    10: ">i8",
    11: ">u8",
}
_CHAR = 2
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
_MOST_HEADER = 1 << 28
"""Maximum bytes of a header; more is an error."""
_AT_A_TIME = 1 << 16
_WINDOW = 1 << 23
"""Bytes of one read while short records are collected."""
SMALL = 1 << 20
"""Maximum bytes of a variable with short records that is stored in the references as a whole."""


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    dimensions: tuple[int, ...]
    attributes: tuple[tuple[str, Any], ...]
    dtype: np.dtype[Any]
    begin: int


@dataclass(frozen=True, slots=True)
class _Header:
    """The header. Dimensions are names and lengths; the record dimension has length 0 here, and `records` records."""

    records: int | None
    dimensions: tuple[tuple[str, int], ...]
    attributes: tuple[tuple[str, Any], ...]
    variables: tuple[_Variable, ...]


def read_netcdf3(place: Place, *, exclude: Collection[str], inline: int, skip: bool) -> VirtualFile:
    """Find the variables of a file. The parameters are those of `read_hdf5`."""
    size = place.store.size(place.key)
    if size is None:
        raise StoreError(f"there is no file {place.name!r}")
    header = _read_header(_Bytes(place, size))
    found = VirtualFile(place.name)
    found.groups[""] = _attributes(found, "", header.attributes)
    stride = _stride(header)
    records = _records(header, stride, size)
    for variable in header.variables:
        if variable.name in exclude:
            found.excluded.add(variable.name)
            continue
        try:
            _check_name(variable.name)
            array = _array(variable, header, records, stride, size, place, inline)
        except UnreferencedError as error:
            if skip:
                found.left_out.append(LeftOut(place.name, "dataset", variable.name, "", str(error)))
                continue
            raise UnsupportedError(
                f"{place.name}: {variable.name!r} cannot be referenced: {error}; exclude=[{variable.name!r}] "
                f"(--exclude {variable.name}) leaves it out, on_unsupported='skip' (--on-unsupported skip) "
                "leaves out everything that cannot be referenced"
            ) from error
        attributes = _attributes(found, variable.name, variable.attributes)
        array.attributes = {
            **attributes,
            "_ARRAY_DIMENSIONS": [header.dimensions[number][0] for number in variable.dimensions],
        }
        mask: Any = dict(variable.attributes).get("_FillValue")
        if "_FillValue" in attributes and np.size(mask) == 1:
            try:
                array.masked = fill_json(array, np.ravel(np.asarray(mask))[0])
            except UnreferencedError:
                pass  # it stays an attribute
        found.arrays[variable.name] = array
    return found


def _check_name(name: str) -> None:
    try:
        check_key(name)
    except ValueError as error:
        raise UnreferencedError(f"Zarr cannot have this name: {error}") from None
    if "/" in name or name.startswith("."):
        raise UnreferencedError("Zarr cannot have this name")


def _attributes(found: VirtualFile, path: str, attributes: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    carried: dict[str, Any] = {}
    for name, value in attributes:
        try:
            if name == "_ARRAY_DIMENSIONS":
                raise UnreferencedError("Zarr stores the dimension names in this attribute")
            carried[name] = json_value(value)
        except UnreferencedError as error:
            found.left_out.append(LeftOut(found.name, "attribute", path, name, str(error)))
    return carried


# -- positions of variables --------------------------------------------------------


def _is_record(variable: _Variable, header: _Header) -> bool:
    return bool(variable.dimensions) and not header.dimensions[variable.dimensions[0]][1]


def _row_nbytes(variable: _Variable, header: _Header) -> int:
    """Return the bytes of a record, or of the whole variable if it has no records."""
    lengths = [header.dimensions[number][1] for number in variable.dimensions]
    return math.prod(lengths[1:] if _is_record(variable, header) else lengths) * variable.dtype.itemsize


def _stride(header: _Header) -> int:
    """Return the bytes from one record to the next. Each variable is padded to four bytes, unless it is the only one."""
    sizes = [_row_nbytes(variable, header) for variable in header.variables if _is_record(variable, header)]
    return sizes[0] if len(sizes) == 1 else sum(-(-size // 4) * 4 for size in sizes)


def _records(header: _Header, stride: int, size: int) -> int:
    """Return the number of records. A file that was written as a stream does not store it, so compute it."""
    if header.records is not None:
        return header.records
    begins = [variable.begin for variable in header.variables if _is_record(variable, header)]
    return max(0, size - min(begins)) // stride if begins and stride else 0


def _array(
    variable: _Variable,
    header: _Header,
    records: int,
    stride: int,
    size: int,
    place: Place,
    inline: int,
) -> VirtualArray:
    record = _is_record(variable, header)
    nbytes = _row_nbytes(variable, header)
    lengths: list[int] = [header.dimensions[number][1] for number in variable.dimensions]
    shape = [records, *lengths[1:]] if record else lengths
    chunks = [1, *lengths[1:]] if record else lengths
    end = variable.begin + (stride * (records - 1) if record and records else 0) + nbytes
    if end > size and 0 not in shape:
        raise UnreferencedError(f"the file ends at byte {size}, but its elements end at {end}")
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": variable.dtype.str,
        "compressor": None,
        "order": "C",
        "filters": None,
        "dimension_separator": ".",
    }
    array = VirtualArray(
        document,
        {},
        unwritten=fill_json(VirtualArray(document, {}), b"" if variable.dtype.kind == "S" else 0),
    )
    rest = (0,) * (len(shape) - 1)
    target: dict[Index, Reference]
    if not record:
        target = {(0,) * len(shape): (place.target, variable.begin, nbytes)}
    elif records and stride == nbytes:
        # The records are contiguous.
        document["chunks"] = shape
        target = {(0, *rest): (place.target, variable.begin, records * nbytes)}
    elif records and nbytes < inline and records * nbytes <= SMALL:
        document["chunks"] = shape
        target = {(0, *rest): _collected(place, variable.begin, stride, nbytes, records)}
    else:
        target = {
            (number, *rest): (place.target, variable.begin + number * stride, nbytes)
            for number in range(records)
        }
    array.chunks = target
    return taken_in_chunks(array, place, inline)


def _collected(place: Place, begin: int, stride: int, nbytes: int, records: int) -> bytes:
    """Read the records of a variable and concatenate them."""
    parts = []
    step = max(1, _WINDOW // stride)
    for first in range(0, records, step):
        count = min(step, records - first)
        span = (count - 1) * stride + nbytes
        data = place.store.get(place.key, (begin + first * stride, span))
        if data is None or len(data) != span:
            raise StoreError(f"{place.name!r} has changed while it was read")
        view = memoryview(data)
        parts += [view[at : at + nbytes] for at in range(0, span, stride)]
    return b"".join(parts)


# -- the header --------------------------------------------------------------------


class _Bytes:
    """The beginning of a file, read as needed."""

    def __init__(self, place: Place, size: int) -> None:
        self._place, self.size = place, size
        self._data = bytearray()
        self._at = 0
        self.wide = False
        """True if counts have eight bytes."""

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > min(self.size, _MOST_HEADER):
            raise self.bad(
                f"it ends at byte {self.size}, but {length} more bytes are expected after byte {self._at}"
            )
        while len(self._data) < end:
            more = min(max(end - len(self._data), _AT_A_TIME, len(self._data)), self.size - len(self._data))
            data = self._place.store.get(self._place.key, (len(self._data), more))
            if data is None or len(data) != more:
                raise StoreError(f"{self._place.name!r} has changed while it was read")
            self._data += data
        taken = bytes(self._data[self._at : end])
        self._at = end
        return taken

    def number(self, length: int = 4) -> int:
        return int.from_bytes(self.take(length), "big")

    def count(self, each: int = 1) -> int:
        """Read a number of entries with at least `each` bytes in the header."""
        number = self.number(8 if self.wide else 4)
        if number * each > self.size - self._at:
            raise self.bad(f"it announces {number} entries after byte {self._at}, more than it can contain")
        return number

    def text(self) -> str:
        data = self.padded(self.count())
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self.bad(f"the name {data[:40]!r} is not UTF-8") from None

    def padded(self, length: int) -> bytes:
        data = self.take(length)
        self.take(-length % 4)
        return data

    def tag(self, wanted: int, each: int) -> int:
        """Read the length of a list; 0 if the list is absent."""
        tag = self.number()
        count = self.count(each)
        if tag != wanted and (tag or count):
            raise self.bad(f"it has the tag {tag} instead of {wanted}")
        return count

    def bad(self, reason: str) -> StoreError:
        return StoreError(f"{self._place.name!r} cannot be read as a NetCDF3 file: {reason}")


def _read_header(data: _Bytes) -> _Header:
    version = data.take(4)[3]
    data.wide = version == 5
    offset = 4 if version == 1 else 8
    wide = 8 if data.wide else 4
    records: int | None = data.number(wide)
    if records == (1 << 8 * wide) - 1:
        records = None  # written as a stream
    dimensions = []
    for _ in range(data.tag(_DIMENSION, 2 * wide)):
        name = data.text()
        dimensions.append((name, data.number(wide)))
    attributes = _read_attributes(data)
    variables = []
    for _ in range(data.tag(_VARIABLE, 16)):
        name = data.text()
        numbers = tuple(data.number(wide) for _ in range(data.count(wide)))
        if any(number >= len(dimensions) for number in numbers):
            raise data.bad(f"variable {name!r} has a dimension that does not exist")
        if any(not dimensions[number][1] for number in numbers[1:]):
            raise data.bad(f"the record dimension of variable {name!r} is not its first")
        own = _read_attributes(data)
        dtype = _dtype(data)
        data.take(wide)  # its size, which may exceed the field and is computed instead
        variables.append(_Variable(name, numbers, own, dtype, data.number(offset)))
    for what, names in (
        ("dimensions", [name for name, _ in dimensions]),
        ("variables", [v.name for v in variables]),
    ):
        if len({*names}) != len(names):
            raise data.bad(f"two {what} have the same name")
    return _Header(records, tuple(dimensions), attributes, tuple(variables))


def _read_attributes(data: _Bytes) -> tuple[tuple[str, Any], ...]:
    found = []
    for _ in range(data.tag(_ATTRIBUTE, 12)):
        name = data.text()
        code = data.number()
        dtype = _DTYPES.get(code)
        if dtype is None:
            raise data.bad(f"attribute {name!r} has the unknown type {code}")
        itemsize = np.dtype(dtype).itemsize
        raw = data.padded(data.count(itemsize) * itemsize)
        value: Any = raw.rstrip(b"\0") if code == _CHAR and name != "_FillValue" else raw
        found.append((name, value if code == _CHAR else np.frombuffer(raw, dtype)))
    return tuple(found)


def _dtype(data: _Bytes) -> np.dtype[Any]:
    code = data.number()
    if code not in _DTYPES:
        raise data.bad(f"a variable has the unknown type {code}")
    return np.dtype(_DTYPES[code])
