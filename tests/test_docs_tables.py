"""The tables of docs/guides/codecs-and-data-types.md: a library with a "yes" reads the arrays of exzarr.

A "no" is not tested, because newer versions of a library may read more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import zarr

import exzarr
from exzarr._format.data_type import ML_BITS
from exzarr.codecs import numcodecs, registry
from tests.conftest import Zarrita

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "codecs-and-data-types.md"
AnyArray = npt.NDArray[Any]

# Required configurations of codecs. All of them preserve the values.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "bitround": {"keepbits": 10},
    "cast_value": {"data_type": "int16"},
    "reshape": {"shape": [-1]},
    "scale_offset": {"offset": 1, "scale": 4},
    "transpose": {"order": [1, 0]},
    "numcodecs.astype": {"encode_dtype": "<f8", "decode_dtype": "<f4"},
    "numcodecs.bitround": {"keepbits": 10},
    "numcodecs.delta": {"dtype": "<f4"},
    "numcodecs.fixedscaleoffset": {"offset": 0, "scale": 10, "dtype": "<f4", "astype": "<i2"},
    "numcodecs.quantize": {"digits": 2, "dtype": "<f4"},
}
DTYPES: dict[str, Any] = {
    "vlen-utf8": str,
    "vlen-bytes": bytes,
    "packbits": "bool",
    "numcodecs.packbits": "bool",
    "numcodecs.vlen-utf8": str,
    "numcodecs.vlen-bytes": bytes,
}


@dataclass(frozen=True)
class Row:
    """One data type or codec of a table, with the entries for the peers."""

    kind: str
    zarr_format: Any
    name: str
    place: str
    peers: dict[str, str]

    def __str__(self) -> str:
        return f"v{self.zarr_format}-{self.name}"

    @property
    def dtype(self) -> Any:
        if self.kind == "codec":
            name = self.name if self.zarr_format == 3 else f"numcodecs.{self.name}"
            return DTYPES.get(name, "f4")
        return (
            {"str": str, "bytes": bytes}[self.name]
            if self.name in ("str", "bytes")
            else ast.literal_eval(self.name)
        )

    @property
    def values(self) -> AnyArray:
        """The written values: 5 × 4 elements."""
        return sample(self.dtype)

    def write(self, path: Path) -> AnyArray:
        """Store an array at `path`, and return the expected values."""
        values = self.values
        options: dict[str, Any] = {"chunks": (3, 4)}
        if self.kind == "codec":
            options["compressors"] = None
            if self.name == "sharding_indexed":
                options |= {"chunks": (2, 2), "shards": (4, 4)}
            elif self.zarr_format == 3:
                codec = {"name": self.name, "configuration": CONFIGURATIONS.get(self.name, {})}
                options[self.place] = self.name if not codec["configuration"] else codec
            else:
                codec = {"id": self.name, **CONFIGURATIONS.get(f"numcodecs.{self.name}", {})}
                options[self.place] = [codec]
        array = exzarr.create_array(
            path, shape=values.shape, dtype=self.dtype, zarr_format=self.zarr_format, **options
        )
        array[...] = values
        if self.kind == "codec":
            document = path / ("zarr.json" if self.zarr_format == 3 else ".zarray")
            assert f'"{self.name}"' in document.read_text(encoding="utf-8")
        return values


def sample(dtype: Any) -> AnyArray:
    numbers = (np.arange(20) * 7 % 50).reshape(5, 4)
    if dtype in (str, bytes, "string"):
        text = [str(n) * (n % 4) for n in numbers.ravel()]
        flat: AnyArray = np.empty(20, object)
        flat[:] = text if dtype is not bytes else [word.encode() for word in text]
        return flat.reshape(5, 4)
    if isinstance(dtype, str) and dtype in ML_BITS:
        return np.asarray((numbers % 2) if dtype != "float8_e8m0fnu" else numbers * 0 + 1).astype(
            getattr(ml_dtypes, dtype)
        )
    if dtype == "r16":
        return numbers.astype("<u2").view("V2")
    if dtype == "V4":
        return numbers.astype("<u4").view("V4")
    if isinstance(dtype, list):
        made: AnyArray = np.zeros((5, 4), dtype)
        made["x"], made["n"] = numbers / 2, numbers
        return made
    return (numbers % 2 if dtype == "bool" else numbers).astype(dtype)


def rows() -> list[Row]:
    found: list[Row] = []
    zarr_format, header, before = 0, "", ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        version = re.fullmatch(r"(?:### )?Zarr v([23]):?", line)
        if version:
            zarr_format = int(version[1])
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        begins, before = not before.startswith("|"), line
        if not line.startswith("|") or cells[0].startswith("---"):
            continue
        if cells[0] in ("data type", "codec"):
            header = cells[0]
            continue
        if begins:  # a new table begins
            header = ""
        if not header:
            continue
        peers = dict(zip(("zarr", "tensorstore", "zarrita"), cells[-3:], strict=True))
        spans = re.findall(r"`([^`]+)`", cells[1] if header == "data type" else cells[0])
        place = cells[1] if header == "codec" else ""
        found += [Row(header, zarr_format, span, place, peers) for span in spans]
    return found


ROWS = rows()


def read_with_zarr(path: Path, zarr_format: Any) -> Any:
    return zarr.open_array(path, mode="r", zarr_format=zarr_format)[...]


def read_with_tensorstore(path: Path, zarr_format: Any) -> Any:
    driver = "zarr3" if zarr_format == 3 else "zarr"
    return ts.open({"driver": driver, "kvstore": f"file://{path}"}, open=True).result().read().result()


READERS: dict[str, Callable[[Path, Any], Any]] = {
    "zarr": read_with_zarr,
    "tensorstore": read_with_tensorstore,
}


def same(got: Any, wanted: AnyArray) -> bool:
    got = np.asarray(got)
    if wanted.dtype.kind == "O" or got.dtype.kind in "OT":
        got, wanted = (
            got.astype(object),
            wanted.astype("U" if wanted.dtype.kind == "S" else wanted.dtype).astype(object),
        )
    if wanted.dtype.kind == "V":
        return got.shape == wanted.shape and got.tobytes() == wanted.tobytes()
    return got.shape == wanted.shape and bool((got == wanted).all())


def test_the_tables_are_found() -> None:
    counts = {(row.kind, row.zarr_format) for row in ROWS}
    assert counts == {("data type", 2), ("data type", 3), ("codec", 2), ("codec", 3)}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_exzarr_reads_the_array(row: Row, tmp_path: Path) -> None:
    wanted = row.write(tmp_path / "a.zarr")
    assert same(exzarr.open_array(tmp_path / "a.zarr")[...], wanted)


PROMISES = [(peer, row) for peer in READERS for row in ROWS if not row.peers[peer].startswith("no")]


@pytest.mark.parametrize(("peer", "row"), PROMISES, ids=str)
def test_peer_reads_the_array_as_the_table_says(peer: str, row: Row, tmp_path: Path) -> None:
    entry = row.peers[peer]
    if entry == "3.4" and tuple(map(int, zarr.__version__.split(".")[:2])) < (3, 4):
        pytest.skip(f"zarr-python {zarr.__version__} does not have it yet")
    assert entry in ("yes", "3.4")
    wanted = row.write(tmp_path / "a.zarr")
    assert same(READERS[peer](tmp_path / "a.zarr", row.zarr_format), wanted)


def test_zarrita_reads_the_arrays_as_the_table_says(tmp_path: Path, zarrita: Zarrita) -> None:
    readable = [row for row in ROWS if row.peers["zarrita"] == "yes"]
    wanted = [row.write(tmp_path / str(number)) for number, row in enumerate(readable)]
    seen = zarrita.read(tmp_path, *[str(number) for number in range(len(readable))])
    wrong = [
        str(row)
        for row, got, value in zip(readable, seen, wanted, strict=True)
        if not same(got["data"], value)
    ]
    assert not wrong


def test_tables_list_every_codec() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"[\w.-]+", text))
    assert [name for name in sorted({*registry.BUILTIN, *numcodecs.NAMES}) if name not in named
            and name.removeprefix("numcodecs.") not in named] == []  # fmt: skip


def test_tables_list_every_data_type() -> None:
    named = {row.name.strip('"') for row in ROWS if row.kind == "data type"}
    assert named >= set(ML_BITS)
