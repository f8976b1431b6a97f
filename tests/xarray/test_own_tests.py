"""A part of `make xarray-tests`: xarray's own round trips, read and written by exzarr."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.xarray.own_tests.__main__ import exceptions, outcomes, plain

KEYWORD = "TestZarrDirectoryStore and (roundtrip_mask or roundtrip_strings or roundtrip_cftime or roundtrip_boolean)"


@pytest.mark.slow
def test_own_round_trips_of_xarray_pass(tmp_path: Path) -> None:
    ours = outcomes(("read", "write"), KEYWORD, folder=tmp_path / "exzarr")
    used = [test for test, seen in ours.items() if seen["uses"]]
    failed = [test for test in used if ours[test]["outcome"] == "failed" and plain(test) not in exceptions()]
    if failed:  # some tests fail with zarr-python, too
        theirs = outcomes((), KEYWORD, folder=tmp_path / "zarr-python")
        failed = [test for test in failed if theirs[test]["outcome"] == "passed"]
    assert failed == []
    assert len(used) > 6
