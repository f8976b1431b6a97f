"""exzarr, zarr-python and TensorStore read each other's arrays, in every layout."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from tests.breadth import cover
from tests.interop.libraries import Case, cases, read, type_cases, write

every_case = cover("case", [*cases(), *type_cases()], astuple, ids=str)
"""Each pair of values of two options, such as a data type and a codec; all combinations in `make soak`."""


def assert_values(got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.shape == wanted.shape
    assert got.dtype.newbyteorder("=") == wanted.dtype
    assert got.astype(wanted.dtype).tobytes() == wanted.tobytes()


def chunk_names(folder: Path) -> set[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.endswith((".json", ".zarray", ".zattrs"))}


@every_case
def test_other_libraries_read_arrays_of_exzarr(case: Case, tmp_path: Path) -> None:
    values = write("exzarr", case, tmp_path)
    for library in ("exzarr", "zarr", "tensorstore"):
        assert_values(read(library, case.zarr_format, tmp_path), values)


@every_case
def test_exzarr_reads_arrays_of_other_libraries(case: Case, tmp_path: Path) -> None:
    wrote: dict[str, Any] = {}
    for library in ("zarr", "tensorstore"):
        values = write(library, case, tmp_path / library)
        assert_values(read("exzarr", case.zarr_format, tmp_path / library), values)
        wrote[library] = chunk_names(tmp_path / library)
    write("exzarr", case, tmp_path / "exzarr")
    # The same keys are stored: chunks of only the fill value are absent.
    assert chunk_names(tmp_path / "exzarr") == wrote["zarr"]
